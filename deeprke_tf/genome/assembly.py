"""Signs that peaks, genome and annotation are not of the same assembly.

Positions of hg19 mostly exist on hg38, too: sites cut there look like RNA, and a model
learns nothing from them.
"""

import itertools
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.genome.annotation_columns import PAST_END
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.skips import Reason

if TYPE_CHECKING:
    import pandas as pd

_MOST_PAST_END = 0.01  # of the peaks on known chromosomes
_MOST_N = 0.1  # of the windows
_FEWEST = 5  # peaks or windows, of which nothing is said before
_N_INTRONS = 300
_MOST_TRANSCRIPTS = 10_000  # to look for them
_FEWEST_INTRONS = 20
_FEWEST_CANONICAL = 0.5  # GT..AG, which 98 % of human introns have; by chance 1 in 256


def warnings_about_peaks(skipped: "pd.DataFrame", n_peaks: int) -> list[str]:
    """Returns a sentence for each sign that peaks are of another assembly.

    Args:
      skipped: The skipped peaks, in `skips.COLUMNS`.
      n_peaks: All peaks that were read.
    """
    counts = skipped["reason"].value_counts()
    n_known = n_peaks - counts.get(Reason.CHROMOSOME, 0)
    n_past, n_unknown = (
        int(counts.get(reason, 0)) for reason in (Reason.PAST_END, Reason.TOO_MANY_N)
    )
    found = []
    if n_past > max(_MOST_PAST_END * n_known, _FEWEST - 1):
        found.append(
            f"{n_past:,} of {n_known:,} peaks lie past the end of a chromosome"
        )
    if n_unknown > max(_MOST_N * n_known, _FEWEST - 1):
        found.append(f"{n_unknown:,} of {n_known:,} windows lie in N")
    return [
        f"{one}: is the genome of another assembly than the peaks?" for one in found
    ]


def warnings_about_annotation(annotation: Annotation, genome: Genome) -> list[str]:
    """Returns a sentence for each sign that an annotation is of another assembly."""
    n_past = sum(reason == PAST_END for reason in annotation.skipped.values())
    found = []
    if n_past:
        found.append(
            f"{n_past:,} transcripts of the annotation end behind their chromosome"
        )
    n_canonical, n_introns = _introns(annotation, genome)
    if n_introns >= _FEWEST_INTRONS and n_canonical < _FEWEST_CANONICAL * n_introns:
        found.append(
            f"{n_canonical} of {n_introns} introns of the annotation begin with GT and "
            "end with AG in the genome, and nearly all should"
        )
    return [
        f"{one}: is the genome of another assembly than the annotation?"
        for one in found
    ]


def _introns(annotation: Annotation, genome: Genome) -> tuple[int, int]:
    """Returns how many of some introns are GT..AG, and how many were read."""
    names = [*annotation]
    n_canonical = n_introns = 0
    some = np.random.default_rng(1).permutation(len(names))[:_MOST_TRANSCRIPTS]
    for number in some.tolist():
        transcript = annotation[names[number]]
        if transcript.chrom not in genome.sizes:
            continue
        for (_, start), (end, _) in itertools.pairwise(transcript.exons[:5]):
            if end - start < 4:
                continue
            ends = (start, start + 2), (end - 2, end)
            locus = transcript.locus._replace(blocks=ends)
            letters = genome.fetch_locus(locus).upper()
            if "N" not in letters:
                n_introns += 1
                n_canonical += letters == "GTAG"
        if n_introns >= _N_INTRONS:
            break
    return n_canonical, n_introns
