"""Windows around peaks, on the genome or on spliced transcripts.

Everything is meant along the strand: a window of 101 nt has 50 nt before (5' of) its
anchor, and the first of two extensions lies 5' of the peak. On the minus strand windows
are the mirror image of those on the plus strand, also where a length is even.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deeprke_tf.genome.peaks import NO_SUMMIT
from deeprke_tf.genome.settings import WindowSettings
from deeprke_tf.genome.skips import Reason
from deeprke_tf.genome.spliced import SplicedTranscripts
from deeprke_tf.rna.loci import Locus

if TYPE_CHECKING:
    import pandas as pd


class Window(NamedTuple):
    """The window of a peak.

    Attributes:
      locus: Where it lies.
      marked: Half-open positions of the peak in the window, from its 5' end.
      gene: The gene of the transcript that it was cut from; empty: from the genome.
    """

    locus: Locus
    marked: tuple[int, int]
    gene: str = ""


def anchors(peaks: "pd.DataFrame", anchor: str) -> np.ndarray:
    """Returns the position of each peak that its window is centered on, [n_peaks].

    Args:
      peaks: Columns `start`, `end`, `strand` and `summit`.
      anchor: As in `WindowSettings`.
    """
    starts, ends = peaks["start"].to_numpy(), peaks["end"].to_numpy()
    is_minus = peaks["strand"].to_numpy(str) == "-"
    if anchor == "start":
        return np.where(is_minus, ends - 1, starts)
    if anchor == "end":
        return np.where(is_minus, starts, ends - 1)
    centers = (starts + ends - is_minus) // 2
    summits = peaks["summit"].to_numpy()
    has_summit = (anchor == "summit") & (summits != NO_SUMMIT)
    return np.where(has_summit, summits, centers)


def windows_of(
    peaks: "pd.DataFrame",
    sizes: dict[str, int],
    settings: WindowSettings,
    spliced: SplicedTranscripts | None,
) -> Sequence[Window | str]:
    """Returns the window of each peak, or the reason why it has none.

    Args:
      peaks: Peaks on the chromosomes of the genome.
      sizes: Length of each chromosome.
      settings: Which windows.
      spliced: The transcripts to cut from; None: all windows lie on the genome.
    """
    places = anchors(peaks, settings.anchor).tolist()
    names = ("chrom", "start", "end", "strand")
    columns = (peaks[name].tolist() for name in names)
    chromosomes = {
        (chrom, strand): Locus(chrom, ((0, size),), strand)
        for chrom, size in sizes.items()
        for strand in "+-"
    }
    found: list[Window | str] = []
    for place, chrom, start, end, strand in zip(places, *columns, strict=True):
        transcript = spliced and spliced.at(chrom, strand, place)
        if transcript:
            found.append(_on_transcript(transcript, place, (start, end), settings))
        else:
            chromosome = chromosomes[chrom, strand]
            found.append(_on(chromosome, place, (start, end), settings))
    return found


def _on_transcript(transcript, place, peak, settings) -> Window | str:
    """Cuts a window of a spliced transcript; of a peak its exonic part counts."""
    window = _on(transcript.locus, place, peak, settings)
    if isinstance(window, str):
        return Reason.LEAVES_TRANSCRIPT
    return window._replace(gene=transcript.gene)


def _on(
    template: Locus, place: int, peak: tuple[int, int], settings: WindowSettings
) -> Window | str:
    """Cuts a window of a chromosome or a transcript.

    Args:
      template: What is cut.
      place: The anchor, on the chromosome; in the template.
      peak: Start and end of the peak, on the chromosome.
      settings: Which window.
    """
    first, end = _extent(template, peak)
    if settings.extend is None:
        start = _offset(template, place) - settings.window // 2
        stop = start + settings.window
    else:
        start, stop = first - settings.extend[0], end + settings.extend[1]
    if start < 0 or stop > template.n_nucleotides:
        return Reason.LEAVES_CHROMOSOME
    marked = max(first, start) - start, min(end, stop) - start
    return Window(template.part(start, stop), marked)


def _extent(template: Locus, peak: tuple[int, int]) -> tuple[int, int]:
    """Returns start and end of a peak's part that lies in a template, from 5'."""
    parts = [
        (max(start, peak[0]), min(end, peak[1]))
        for start, end in template.blocks
        if start < peak[1] and peak[0] < end
    ]
    ends = _offset(template, parts[0][0]), _offset(template, parts[-1][1] - 1)
    return min(ends), max(ends) + 1


def _offset(template: Locus, position: int) -> int:
    offset = template.offset(position)
    assert offset is not None, f"{position} does not lie in {template}"
    return offset


def marked(sequence: str, start: int, end: int) -> str:
    """Returns a sequence with one stretch in upper case, the rest in lower case.

    >>> marked("acgTACGT", 2, 5)
    'acGTAcgt'
    """
    middle = sequence[start:end].upper()
    return sequence[:start].lower() + middle + sequence[end:].lower()
