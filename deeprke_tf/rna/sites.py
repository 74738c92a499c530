"""Sites: RNA windows with a label, cleaned into the letters that the model knows.

A site that cannot be used is not an error: `clean_site` returns a `SkippedSite` with
one of the phrases of `Reason`, so that a run can count them and go on. Normalized
silently: letter case, T for U, white space, codes for several nucleotides (they become
N), and N padding at the ends.
"""

import dataclasses
import functools
import re
from typing import NamedTuple

from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.structure import loop_contexts

NUCLEOTIDES = "ACGU"

_AMBIGUOUS = "RYSWKMBDHVN"  # IUPAC codes for more than one nucleotide
_PLAIN = re.compile(f"[{NUCLEOTIDES}T]+")
_FOREIGN = re.compile(f"[^{NUCLEOTIDES}N]")
_LABELS = {
    **dict.fromkeys(("1", "+1", "bound", "positive", "true"), 1),
    **dict.fromkeys(("0", "-1", "background", "negative", "false"), 0),
}
_ZEROS = re.compile(r"(?<=\d)\.0*$")
_LONGEST_DETAIL = 80  # characters


def _either_case(letters: str, replacements: str) -> dict[int, int]:
    return str.maketrans(letters + letters.lower(), replacements * 2)


_TO_RNA = _either_case(
    NUCLEOTIDES + "T" + _AMBIGUOUS, NUCLEOTIDES + "U" + "N" * len(_AMBIGUOUS)
)
# `+` upper case, `-` lower case, `N` no mark: padding is often of the other case.
_TO_CASE = {
    **str.maketrans("ACGTU", "+++++"),
    **str.maketrans("acgtu", "-----"),
    **_either_case(_AMBIGUOUS, "N" * len(_AMBIGUOUS)),
}


class Reason:
    """Why a site is skipped: fixed phrases, so that they can be counted."""

    EMPTY = "empty sequence"
    NOT_NUCLEOTIDES = "letters that are not nucleotides"
    ONLY_N = "nothing but N"
    SHORT = "shorter than k"
    NO_KMER = "no k-mer without N"
    NO_LABEL = "no label"
    WRONG_LABEL = "label is not 0 or 1"
    WRONG_SPLIT = "split is not train, validation or test"
    OTHER_SPLIT = "split is not test, but its file is"
    MISSING_CELLS = "missing cells"
    EXTRA_CELLS = "more cells than columns"
    STRUCTURE_LENGTH = "structure and sequence differ in length"
    STRUCTURE_SYMBOLS = "structure is not balanced dot-bracket"
    STRUCTURE_PADDING = "structure pairs the N padding"
    TOO_LONG = "longer than the maximum length"
    NOT_FOLDED = "could not be folded"


class Site(NamedTuple):
    """One RNA window, as the model may see it.

    Attributes:
      name: One line of text, not necessarily unique.
      sequence: Letters A, C, G, U and N (unknown); the first and the last are not N.
      label: 1 bound, 0 background; None: not labelled.
      dot_bracket: Structure given by the user, as long as `sequence`; None: to be
        folded.
      viewpoint: Half-open positions in `sequence` of the stretch in upper case, where
        letter case marks one (flanks in lower case, as in GraphProt's data); else None.
      locus: Where the sequence lies on its genome, as long as it; None: not known.
      gene: Name of its gene; may be empty.
      split: "train", "validation" or "test", where the file says it; else empty.
    """

    name: str
    sequence: str
    label: int | None = None
    dot_bracket: str | None = None
    viewpoint: tuple[int, int] | None = None
    locus: Locus | None = None
    gene: str = ""
    split: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SkippedSite:
    """A site of a file that cannot be used.

    Attributes:
      name: As of a `Site`.
      row: Number of the site in its file, from 1.
      reason: One of the phrases of `Reason`.
      detail: What came, shortened; may be empty.
    """

    name: str
    row: int
    reason: str
    detail: str


def clean_site(
    name: str,
    row: int,
    sequence: str,
    *,
    k: int,
    label: int | None = None,
    dot_bracket: str | None = None,
    locus: Locus | None = None,
) -> Site | SkippedSite:
    """Makes a site of a record in a file, or gives the reason to skip it.

    >>> site = clean_site("site 1", 1, "nnacgTTRACacgn", k=3, label=1)
    >>> site.sequence, site.viewpoint
    ('ACGUUNACACG', (3, 8))
    >>> clean_site("site 2", 2, "ACGZ", k=3).detail
    "'Z', first as letter 4 of 4"

    Args:
      name: Name of the site.
      row: Number of the site in its file, from 1.
      sequence: DNA or RNA letters of either case; white space is dropped.
      k: Length of the k-mers; a site needs one without N.
      label: 1 bound, 0 background; None: not labelled.
      dot_bracket: A structure as long as `sequence` without its white space; None: to
        be folded.
      locus: Where it lies on its genome, N padding included; None: not known.

    Returns:
      The site, or the reason to skip it.
    """
    # The fast path of nearly all sites.
    if dot_bracket is None and len(sequence) >= k and _PLAIN.fullmatch(sequence):
        return Site(name, sequence.replace("T", "U"), label, locus=locus)
    sequence = "".join(sequence.split())
    letters = rna_letters(sequence)
    start = len(letters) - len(letters.lstrip("N"))
    stripped = letters.strip("N")
    fault = _sequence_fault(letters, stripped, k)
    if fault is None and dot_bracket is not None:
        end = start + len(stripped)
        fault = _structure_fault(dot_bracket, len(letters), start, end)
        dot_bracket = dot_bracket[start:end]
    if fault is not None:
        return skip_site(name, row, *fault)
    if locus is not None:
        locus = locus.part(start, start + len(stripped))
    viewpoint = _viewpoint(sequence, start)
    return Site(name, stripped, label, dot_bracket, viewpoint, locus)


@functools.lru_cache
def label_of(text: str) -> int | None:
    """Returns the label that a text stands for, or None.

    >>> [label_of(text) for text in ("1.0", "-1", "Bound", "2")]
    [1, 0, 1, None]
    """
    return _LABELS.get(_ZEROS.sub("", text.lower()))


def rna_letters(sequence: str) -> str:
    """Returns RNA letters: upper case, U for T, N for codes of several nucleotides.

    >>> rna_letters("acgtRYz")
    'ACGUNNz'

    Args:
      sequence: Letters as they came; invalid ones stay as they are.
    """
    return sequence.translate(_TO_RNA)


def skip_site(name: str, row: int, reason: str, detail: str = "") -> SkippedSite:
    """Returns a `SkippedSite`, its detail shortened to one short line."""
    detail = " ".join(detail.split())
    if len(detail) > _LONGEST_DETAIL:
        detail = detail[: _LONGEST_DETAIL - 3] + "..."
    return SkippedSite(name, row, reason, detail)


def refuse_long(
    site: Site | SkippedSite, row: int, max_length: int
) -> Site | SkippedSite:
    """Skips a site that would take too long to fold.

    Args:
      site: A site, or one that is skipped already.
      row: Its number in its file, from 1.
      max_length: Longest site to fold, in nucleotides.
    """
    if isinstance(site, SkippedSite) or len(site.sequence) <= max_length:
        return site
    detail = f"{len(site.sequence)} nt, at most {max_length}"
    return skip_site(site.name, row, Reason.TOO_LONG, detail)


def _sequence_fault(letters: str, stripped: str, k: int) -> tuple[str, str] | None:
    """Returns the reason and the detail, or None.

    Args:
      letters: RNA letters, with the N padding.
      stripped: The same without the padding.
      k: Length of the k-mers.
    """
    if foreign := _FOREIGN.search(letters):
        kinds = ", ".join(map(repr, dict.fromkeys(_FOREIGN.findall(letters))))
        if len(kinds) > 40:
            kinds = kinds[:37] + "..."
        place = f"first as letter {foreign.start() + 1} of {len(letters)}"
        return Reason.NOT_NUCLEOTIDES, f"{kinds}, {place}"
    if not letters:
        return Reason.EMPTY, ""
    if not stripped:
        return Reason.ONLY_N, f"{len(letters)} letters"
    if len(stripped) < k:
        return Reason.SHORT, stripped
    if not _known_kmer(k).search(stripped):
        return Reason.NO_KMER, stripped
    return None


@functools.lru_cache
def _known_kmer(k: int) -> re.Pattern[str]:
    return re.compile(f"[{NUCLEOTIDES}]{{{k}}}")


def _structure_fault(
    dot_bracket: str, n_letters: int, start: int, end: int
) -> tuple[str, str] | None:
    """Returns the reason and the detail, or None.

    Args:
      dot_bracket: The structure, with the N padding.
      n_letters: Length of the sequence, with the N padding.
      start: Where the sequence begins after the padding.
      end: Where the padding begins again.
    """
    if len(dot_bracket) != n_letters:
        lengths = f"{len(dot_bracket)} symbols for {n_letters} letters"
        return Reason.STRUCTURE_LENGTH, lengths
    try:
        loop_contexts(dot_bracket)
    except ValueError as error:
        return Reason.STRUCTURE_SYMBOLS, str(error)
    if (dot_bracket[:start] + dot_bracket[end:]).strip("."):
        return Reason.STRUCTURE_PADDING, dot_bracket
    return None


def _viewpoint(sequence: str, start: int) -> tuple[int, int] | None:
    """Returns where the letters are upper case, counted from `start`.

    >>> _viewpoint("nnacgUUGacgn", start=2)
    (3, 6)

    Args:
      sequence: Letters as they came, with the N padding.
      start: Length of the padding at the front.

    Returns:
      Half-open positions; None where one case is absent or the upper case broken.
    """
    if sequence.isupper() or sequence.islower():
        return None
    cases = sequence.translate(_TO_CASE)
    first, end = cases.find("+"), cases.rfind("+") + 1
    if "-" not in cases or "+" not in cases or "-" in cases[first:end]:
        return None
    return first - start, end - start
