"""What lies around sites: repeats, the nearest splice site and transcript end."""

from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.genome.composition import composition
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.site_table import loci_of
from deeprke_tf.rna.loci import Locus

if TYPE_CHECKING:
    import pandas as pd


def described(
    sites: "pd.DataFrame", genome: Genome, annotation: Annotation | None
) -> "pd.DataFrame":
    """Returns sites with the columns that a matching report asks for.

    Args:
      sites: With `chrom`, `start`, `end`, `strand` and `blocks`.
      genome: The genome.
      annotation: Transcripts on its chromosomes; None: distances are unknown.

    Returns:
      The table with three more columns: `repeats`, the fraction of letters in lower
      case in the genome, and `to_splice_site` and `to_transcript_end` of the middle of
      the site, in nucleotides of the genome; NaN where unknown.
    """
    loci = loci_of(sites)
    middle = np.array([_middle(locus) for locus in loci], np.int64)
    to_site, to_end = np.full((2, len(sites)), np.nan)
    if annotation is not None:
        landmarks = Landmarks(annotation)
        for (chrom, strand), rows in sites.groupby(["chrom", "strand"]).indices.items():
            to_site[rows], to_end[rows] = landmarks.distances(
                chrom, strand, middle[rows]
            )
    return sites.assign(
        repeats=_repeats(loci, genome),
        to_splice_site=to_site,
        to_transcript_end=to_end,
    )


def _middle(locus: Locus) -> int:
    at = locus.n_nucleotides // 2
    return locus.part(at, at + 1).start


def _repeats(loci: list[Locus], genome: Genome) -> np.ndarray:
    """Returns the fraction of letters in lower case of each locus, [n_loci]."""
    names = list(genome.sizes)
    numbers = {name: number for number, name in enumerate(names)}
    blocks = np.array(
        [(numbers[one.chrom], *block) for one in loci for block in one.blocks], np.int64
    ).reshape(-1, 3)

    def letters(chrom: int, start: int, end: int) -> str:
        return genome.fetch(names[chrom], start, end)

    n_lower = composition(letters, *blocks.T).n_lower
    of_block = np.repeat(np.arange(len(loci)), [len(one.blocks) for one in loci])
    total = np.bincount(of_block, n_lower, minlength=len(loci))
    return total / np.array([one.n_nucleotides for one in loci]).clip(1)


class Landmarks:
    """Splice sites and transcript ends of an annotation, by strand of a chromosome.

    Args:
      annotation: Transcripts on the chromosomes of the genome.
    """

    def __init__(self, annotation: Annotation):
        columns = annotation.columns
        first, end = columns.first_exons[:-1], columns.first_exons[1:]
        self._starts, self._ends = columns.exons[:, 0], columns.exons[:, 1]
        is_first = np.zeros(len(columns.exons), bool)
        is_last = is_first.copy()
        is_first[first], is_last[end - 1] = True, True
        places = [
            f"{c}:{s}" for c, s in zip(columns.chroms, columns.strands, strict=True)
        ]
        self._place = np.repeat(np.array(places, str), end - first)
        self._is_start, self._is_end = is_first, is_last
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def distances(
        self, chrom: str, strand: str, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the distances to the nearest splice site and transcript end.

        Args:
          chrom: Chromosome.
          strand: `+` or `-`.
          positions: On the chromosome, [n].

        Returns:
          Two arrays, float64 [n], in nucleotides of the genome; NaN where the strand
          has none.
        """
        place = f"{chrom}:{strand}"
        if place not in self._known:
            self._known[place] = self._sites_and_ends(place)
        sites, ends = self._known[place]
        return _to_nearest(sites, positions), _to_nearest(ends, positions)

    def _sites_and_ends(self, place: str) -> tuple[np.ndarray, np.ndarray]:
        here = self._place == place
        starts, ends = self._starts[here], self._ends[here]
        is_first, is_last = self._is_start[here], self._is_end[here]
        return (
            np.unique(np.concatenate([starts[~is_first], ends[~is_last]])),
            np.unique(np.concatenate([starts[is_first], ends[is_last]])),
        )


def _to_nearest(marks: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Returns distances to the nearest of sorted marks.

    >>> _to_nearest(np.array([10, 20]), np.array([3, 14, 40]))
    array([ 7.,  4., 20.])
    """
    if not len(marks):
        return np.full(len(positions), np.nan)
    after = np.searchsorted(marks, positions).clip(0, len(marks) - 1)
    before = np.maximum(after - 1, 0)
    distances = [np.abs(marks[near] - positions) for near in (before, after)]
    return np.minimum(*distances).astype(float)
