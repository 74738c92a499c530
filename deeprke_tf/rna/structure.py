"""RNA secondary structure: the MFE fold and the loop context of every nucleotide.

A structure is dot-bracket notation without pseudoknots: `(` and `)` are the two
partners of a base pair, `.` is an unpaired nucleotide. A loop context is the letter of
the loop that a nucleotide lies in:

    F  dangling start: unpaired, before the first base pair (or there is none)
    T  dangling end: unpaired, after the last base pair
    I  internal loop or bulge: its closing pair has one inner pair
    H  hairpin: its closing pair has no inner pair
    M  multiloop: its closing pair has two or more inner pairs; also between exterior
       stems
    S  stem: paired

These are the letters and the rules of Deng et al., BMC Genomics 21, 866 (2020).
"""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
import RNA

from deeprke_tf.config import FoldSettings
from deeprke_tf.system.arguments import checked

# Order is part of the record format: k-mer ids depend on it.
LOOP_CONTEXTS = "FTIHMS"

# ViennaRNA names a pair by its loop, in upper case, and exterior positions by `e`.
_OF_ELEMENTS = bytes.maketrans(b"ehimEHIM", b"MHIMSSSS")

VIENNARNA_VERSION: str = RNA.__version__


@checked
def fold(sequence: str, settings: FoldSettings = FoldSettings()) -> tuple[str, float]:
    """Folds an RNA into its minimum free energy (MFE) structure.

    >>> fold("GGGGAAAACCCC")[0]
    '((((....))))'

    Args:
      sequence: RNA letters; `N` pairs with nothing.
      settings: Temperature, longest pair, whether lonely pairs may form.

    Returns:
      The structure in dot-bracket notation, as long as the sequence, and its free
      energy in kcal/mol.

    Raises:
      ValueError: The sequence is empty; ViennaRNA would report 100000 kcal/mol.
    """
    if not sequence:
        raise ValueError("Cannot fold an empty sequence.")
    dot_bracket, mfe = RNA.fold_compound(sequence, model_details(settings)).mfe()
    return dot_bracket, mfe


def energy(
    sequence: str, dot_bracket: str, settings: FoldSettings = FoldSettings()
) -> float:
    """Returns the free energy of a structure in kcal/mol, without folding.

    For an MFE structure, such as a cached one, this is the MFE.

    >>> round(energy("GGGGAAAACCCC", "((((....))))"), 1)
    -5.4

    Args:
      sequence: RNA letters.
      dot_bracket: A structure of it.
      settings: As it was folded.
    """
    compound = RNA.fold_compound(sequence, model_details(settings))
    return compound.eval_structure(dot_bracket)


@functools.lru_cache
def model_details(settings: FoldSettings) -> RNA.md:
    """Returns fold settings as ViennaRNA takes them, not to be changed."""
    return new_model_details(settings)


def new_model_details(settings: FoldSettings) -> RNA.md:
    """Returns the same as an object of the caller's own."""
    details = RNA.md()
    details.temperature = settings.temperature
    details.noLP = int(not settings.lonely_pairs)
    if settings.max_bp_span is not None:
        details.max_bp_span = settings.max_bp_span
    return details


@checked
def loop_contexts(dot_bracket: str) -> str:
    r"""Names the loop that each nucleotide lies in, in `LOOP_CONTEXTS` letters.

    >>> print("..((.((...)).)).(...).\n" + loop_contexts("..((.((...)).)).(...)."))
    ..((.((...)).)).(...).
    FFSSISSHHHSSISSMSHHHST

    Args:
      dot_bracket: A structure without pseudoknots.

    Returns:
      One letter for each position of `dot_bracket`.

    Raises:
      ValueError: A bracket has no partner, or a symbol is not `(`, `)` or `.`.
    """
    contexts = ["S"] * len(dot_bracket)
    unpaired: list[int] = []  # of the innermost open loop; exterior at the bottom
    n_branches = 0  # inner pairs of the innermost open loop
    enclosing: list[tuple[list[int], int]] = []
    for position, symbol in enumerate(dot_bracket):
        if symbol == ".":
            unpaired.append(position)
        elif symbol == "(":
            enclosing.append((unpaired, n_branches))
            unpaired, n_branches = [], 0
        elif symbol == ")":
            if not enclosing:
                raise ValueError(
                    f"Unopened ')', symbol {position + 1} of {dot_bracket!r}."
                )
            letter = "H" if n_branches == 0 else "I" if n_branches == 1 else "M"
            for inside in unpaired:
                contexts[inside] = letter
            unpaired, n_branches = enclosing.pop()
            n_branches += 1
        else:
            raise ValueError(
                f"{symbol!r}, symbol {position + 1} of {dot_bracket!r}, is not one of "
                "'(', ')', '.'."
            )
    if enclosing:
        raise ValueError(f"{len(enclosing)} unclosed '(' in {dot_bracket!r}.")
    _fill_exterior(contexts, unpaired, dot_bracket)
    return "".join(contexts)


def all_loop_contexts(dot_brackets: Sequence[str]) -> list[str]:
    """Names the loops of many structures at once, several times faster.

    ViennaRNA's C code finds the same loops, under other letters.

    Args:
      dot_brackets: Structures without pseudoknots.

    Returns:
      What `loop_contexts` gives for each.

    Raises:
      ValueError: As `loop_contexts` does.
    """
    # ViennaRNA takes the process down where a bracket has no partner.
    if not are_balanced(dot_brackets):
        return list(map(loop_contexts, dot_brackets))
    elements = map(RNA.db_to_element_string, dot_brackets)
    # Translating all at once costs next to nothing.
    joined = "".join(map(_with_ends, elements)).encode().translate(_OF_ELEMENTS)
    ends = itertools.accumulate(map(len, dot_brackets), initial=0)
    return [joined[a:b].decode() for a, b in itertools.pairwise(ends)]


def are_balanced(dot_brackets: Sequence[str]) -> bool:
    """Tells whether each is dot-bracket notation in which all brackets are paired."""
    joined = "".join(dot_brackets).encode("ascii", "replace")
    if joined.translate(None, b"(.)"):
        return False
    symbols = np.frombuffer(joined, np.uint8)
    steps = (symbols == ord("(")).view(np.int8) - (symbols == ord(")")).view(np.int8)
    n_open = np.cumsum(steps, dtype=np.int32)
    ends = np.cumsum([len(text) for text in dot_brackets if text], dtype=int)
    return n_open.min(initial=0) == 0 and not n_open[ends - 1].any()


def layout(dot_bracket: str) -> np.ndarray:
    """Places the nucleotides of a structure on a plane, to draw it.

    It is ViennaRNA's radial layout or, where stems cross in it, that of Naview.

    Args:
      dot_bracket: A structure without pseudoknots.

    Returns:
      x and y of each nucleotide, float64 [n_nucleotides, 2]; in the
      radial layout neighbors are 15 apart.

    Raises:
      ValueError: A bracket has no partner, or a symbol is unknown.
    """
    if not are_balanced([dot_bracket]):
        loop_contexts(dot_bracket)  # says what is wrong
    if not dot_bracket:
        return np.zeros((0, 2))
    both = []
    for place in (RNA.simple_xy_coordinates, RNA.naview_xy_coordinates):
        # ViennaRNA appends a place, and has none for a single nucleotide.
        places = [(p.X, p.Y) for p in place(dot_bracket)[: len(dot_bracket)]]
        both.append(np.nan_to_num(places))
    return max(both, key=_closest)


def _closest(places: np.ndarray) -> float:
    """Returns the least distance of two places."""
    squares = np.square(places[:, np.newaxis] - places).sum(axis=2)
    return float(np.sqrt(squares[np.triu_indices(len(places), 1)].min(initial=np.inf)))


def base_pairs(dot_bracket: str) -> list[tuple[int, int]]:
    """Returns the base pairs of a structure, positions from 0, by their 5' ends.

    >>> base_pairs("((..).)")
    [(0, 6), (1, 4)]

    Args:
      dot_bracket: A balanced structure.
    """
    opened: list[int] = []
    found = []
    for position, symbol in enumerate(dot_bracket):
        if symbol == "(":
            opened.append(position)
        elif symbol == ")":
            found.append((opened.pop(), position))
    return sorted(found)


def _with_ends(elements: str) -> str:
    """Names the dangling ends, which ViennaRNA calls exterior.

    >>> _with_ends("eeHHhhhHHeee")
    'FFHHhhhHHTTT'
    """
    n = len(elements)
    return elements.lstrip("e").rjust(n, "F").rstrip("e").ljust(n, "T")


def _fill_exterior(contexts: list[str], unpaired: list[int], dot_bracket: str) -> None:
    """Letters the unpaired positions that no pair encloses, in place."""
    first_pair, last_pair = dot_bracket.find("("), dot_bracket.rfind(")")
    for position in unpaired:
        if first_pair < 0 or position < first_pair:
            contexts[position] = "F"
        else:
            contexts[position] = "T" if position > last_pair else "M"
