"""Alleles, and the windows that show them to a model.

Both windows of a pair begin at the same letter: behind the variant, the window of the
shorter allele takes more letters, so that both are equally long. The longer allele lies
in the middle. Where the RNA ends, windows are moved inwards; where it is shorter than a
window, they are the whole RNA with either allele.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_LETTERS = re.compile("[ACGT]+")
_ALLELE = re.compile("[A-Z]+")


class Reason:
    """Why an allele has no score: fixed phrases, so that they can be counted."""

    LINE = "line is not a variant"
    CHROMOSOME = "chromosome is not in the genome"
    NO_RNA = "RNA is not in the file"
    RNA = "RNA cannot be used"
    POSITION = "position is not on the chromosome"
    POSITION_IN_RNA = "position is not in the RNA"
    NO_ALT = "no alternative allele"
    SYMBOLIC = "symbolic allele"
    LETTERS = "allele has letters other than A, C, G and T"
    SAME = "alternative allele equals the reference"
    REF = "REF differs from the genome"
    REF_IN_RNA = "REF differs from the RNA"
    LONG = "allele is longer than the window"
    OUTSIDE_TRANSCRIPTS = "outside annotated transcripts"
    OUTSIDE_REGIONS = "outside the regions"
    # Behind it stands the reason of `rna.sites.Reason`.
    WINDOW = "window cannot be scored"


class Fault(NamedTuple):
    """Why an allele has no score.

    Attributes:
      reason: One of the phrases of `Reason`.
      detail: What came; may be empty.
    """

    reason: str
    detail: str = ""


class Template(NamedTuple):
    """One RNA: a chromosome read on one strand, a transcript, or a sequence.

    Attributes:
      n_nucleotides: Its length.
      letters: Returns its DNA letters, upper case, from a start (from 0 at the 5' end)
        to an end behind the last.
    """

    n_nucleotides: int
    letters: Callable[[int, int], str]


class Change(NamedTuple):
    """One allele against the reference, on an RNA.

    Attributes:
      template: The RNA.
      start: Of the reference letters, from 0 at the 5' end.
      ref: Reference letters on the RNA's strand, in DNA letters, at least one.
      alt: What takes their place, at least one letter.
    """

    template: Template
    start: int
    ref: str
    alt: str


class Pair(NamedTuple):
    """The windows of both alleles.

    Attributes:
      before: Letters of the windows before the variant.
      ref: DNA letters with the reference allele.
      alt: The same with the alternative allele.
    """

    before: int
    ref: str
    alt: str


def allele_fault(ref: str, alt: str) -> Fault | None:
    """Returns why an alternative allele cannot be scored, or None.

    >>> allele_fault("A", "<DEL>")
    Fault(reason='symbolic allele', detail='<DEL>')

    Args:
      ref: Letters in upper case.
      alt: As the file has it, letters in upper case.
    """
    for allele in (ref, alt):
        if not _ALLELE.fullmatch(allele):
            return Fault(Reason.SYMBOLIC, allele[:40])
        if not _LETTERS.fullmatch(allele):
            return Fault(Reason.LETTERS, allele[:40])
    return Fault(Reason.SAME, ref[:40]) if ref == alt else None


def trimmed(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Drops letters that both alleles begin or end with, but leaves each one letter.

    >>> trimmed(100, "CAG", "CG")
    (100, 'CA', 'C')
    >>> trimmed(100, "ACT", "AGT")
    (101, 'C', 'G')

    Args:
      position: Of the first letter of `ref`.
      ref: Reference letters.
      alt: Alternative letters.
    """
    while min(len(ref), len(alt)) > 1 and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while min(len(ref), len(alt)) > 1 and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def pairs(change: Change, window: int, every: bool) -> Iterator[Pair]:
    """Yields the windows of both alleles, first those with the variant in the middle.

    Args:
      change: The allele; not longer than the window.
      window: Length of a window, in nucleotides.
      every: Whether to yield every window that covers the variant; then those in the
        middle come once more, in their place.
    """
    template, start, ref, alt = change
    longest, shortest = sorted((len(ref), len(alt)), reverse=True)
    room = template.n_nucleotides - start - len(ref)
    most = min(start, window - longest)
    least = max(0, min(most, window - longest - room))
    middle = min(max((window - longest + 1) // 2, least), most)
    first, last = (least, most) if every else (middle, middle)
    head = template.letters(start - last, start)
    n_behind = min(room, window - shortest - first)
    tail = template.letters(start + len(ref), start + len(ref) + n_behind)
    for before in (middle, *(range(first, last + 1) if every else ())):
        left = head[len(head) - before :]
        yield Pair(
            before,
            left + ref + tail[: window - before - len(ref)],
            left + alt + tail[: window - before - len(alt)],
        )
