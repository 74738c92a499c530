"""Simple features of a site, each sorted into a few categories.

A category is the base at one position, or the range that a number such as the length
falls into. Positions are counted from an anchor:

    5' end, center, 3' end   of the sequence
    site start, site end     first and last base of the site, where letter case marks
                             one in its flanks; +1 is the base after it
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna import structure
from deeprke_tf.rna.sites import NUCLEOTIDES, Site

Kind = Literal["length", "N", "position", "composition", "structure", "place"]

N_CLASSES = 10  # ranges of a numeric feature
MISSING = -1
_UNMARKED = -1_000_000  # position of an unknown edge: outside of every sequence
# A position that more sites lack reflects their length.
_MAX_MISSING = 0.1
REACH = 50  # positions on each side of an anchor


@dataclasses.dataclass(frozen=True)
class Feature:
    """One feature of many sites.

    Attributes:
      name: In words.
      kind: Its kind.
      codes: Category of each site, or `MISSING`, int8 [n_sites].
      n_categories: Number of categories, at most `N_CLASSES`.
      values: Values of a numeric feature, float64 [n_sites]; else None.
      unit: Unit of the values.
      anchor: The anchor of a position; empty for other features.
      offset: The position, 0 at the anchor.
      categories: Names of the categories, where there are no values.
    """

    name: str
    kind: Kind
    codes: np.ndarray
    n_categories: int
    values: np.ndarray | None = None
    unit: str = ""
    anchor: str = ""
    offset: int = 0
    categories: Sequence[str] = NUCLEOTIDES


def sequence_features(sites: Sequence[Site]) -> list[Feature]:
    """Returns the features that need no folding: length, N, composition, positions."""
    letters = _Letters(sites)
    features = composition_features(sites)
    edges = _edges(sites)
    if edges is not None:
        starts, ends = edges
        lengths = letters.lengths.astype(float)
        for name, values in (
            ("length of the site", ends - starts),
            ("length of the 5' flank", starts),
            ("length of the 3' flank", lengths - ends),
        ):
            # The few unmarked sites get the median.
            known = np.where(starts == _UNMARKED, np.median(values), values)
            features.append(numeric_feature(name, "length", known, "nt"))
    for anchor, places in _anchors(letters.lengths, edges).items():
        features += _positions(letters, anchor, places)
    return [feature for feature in features if _is_useful(feature)]


def composition_features(sites: Sequence[Site]) -> list[Feature]:
    """Returns length and composition, also where all sites agree in them."""
    letters = _Letters(sites)
    lengths = letters.lengths.astype(float)
    length = numeric_feature("length of the sequence", "length", lengths, "nt")
    return [length, *_composition(letters)]


def numeric_feature(
    name: str, kind: Kind, values: np.ndarray, unit: str = ""
) -> Feature:
    """Bins numbers into ranges of about equally many sites, without using labels.

    Args:
      name: Name of the feature, in words.
      kind: Its kind.
      values: NaN where a site has no value, [n_sites].
      unit: Unit of the values.
    """
    values = np.asarray(values, np.float64)
    known = values[~np.isnan(values)]
    if not len(known):
        return Feature(name, kind, np.full(len(values), MISSING), N_CLASSES, values)
    edges = np.quantile(known, np.linspace(0, 1, N_CLASSES + 1)[1:-1])
    # If most sites have the largest value, the others get a range of their own.
    below = known[known < known.max()]
    edges = np.minimum(edges, below.max(initial=known.min()))
    codes = np.searchsorted(np.unique(edges), values)
    codes = np.where(np.isnan(values), MISSING, codes).astype(np.int8)
    return Feature(name, kind, codes, N_CLASSES, values, unit)


def structure_features(
    sites: Sequence[Site], dot_brackets: Sequence[str], fold: FoldSettings
) -> list[Feature]:
    """Returns the features of structure: loop contexts and free energy.

    Args:
      sites: The sites.
      dot_brackets: The structure of each.
      fold: Fold settings.
    """
    contexts = [structure.loop_contexts(dot_bracket) for dot_bracket in dot_brackets]
    lengths = np.array([len(site.sequence) for site in sites])
    energies = np.array(
        [
            structure.energy(site.sequence, dot_bracket, fold)
            for site, dot_bracket in zip(sites, dot_brackets, strict=True)
        ]
    )
    features = [
        numeric_feature(
            f"fraction of loop context {letter}",
            "structure",
            np.array([text.count(letter) for text in contexts]) / lengths,
        )
        for letter in structure.LOOP_CONTEXTS
    ]
    features += [
        numeric_feature("free energy", "structure", energies, "kcal/mol"),
        numeric_feature(
            "free energy per nucleotide", "structure", energies / lengths, "kcal/mol"
        ),
    ]
    return [feature for feature in features if _is_useful(feature)]


class _Letters:
    """The letters of all sites, concatenated, as digits; 4 is N.

    Attributes:
      digits: int8 [sum of lengths].
      starts: Index of the first letter of each site, int64 [n_sites].
      lengths: int64 [n_sites].
    """

    def __init__(self, sites: Sequence[Site]):
        self.lengths = np.array([len(site.sequence) for site in sites])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        table = np.full(256, len(NUCLEOTIDES), np.int8)
        for digit, letter in enumerate(NUCLEOTIDES):
            table[ord(letter)] = digit
        text = "".join(site.sequence for site in sites).encode("ascii")
        self.digits = table[np.frombuffer(text, np.uint8)]

    def fractions(self, hits: np.ndarray, n_places: np.ndarray) -> np.ndarray:
        """Returns the fraction of positions with a hit in each site, [n_sites]."""
        return np.add.reduceat(hits.astype(float), self.starts) / n_places

    def at(self, places: np.ndarray) -> np.ndarray:
        """Returns the digit at a position of each site; `MISSING` for N or outside."""
        inside = (places >= 0) & (places < self.lengths)
        found = self.digits[self.starts + np.where(inside, places, 0)]
        return np.where(inside & (found < len(NUCLEOTIDES)), found, MISSING).astype(
            np.int8
        )


def _composition(letters: _Letters) -> Iterator[Feature]:
    """Yields the content of N, GC, each nucleotide and each dinucleotide."""
    digits, lengths = letters.digits, letters.lengths
    yield numeric_feature("content of N", "N", letters.fractions(digits == 4, lengths))
    single = {f"content of {letter}": letter for letter in NUCLEOTIDES}
    for name, chosen in {"GC content": "GC", **single}.items():
        numbers = [NUCLEOTIDES.index(letter) for letter in chosen]
        fractions = letters.fractions(np.isin(digits, numbers), lengths)
        yield numeric_feature(name, "composition", fractions)
    following = np.append(digits[1:], 4)
    following[letters.starts[1:] - 1] = 4  # the last base of a site has none
    n_pairs = np.maximum(lengths - 1, 1)
    for first, one in enumerate(NUCLEOTIDES):
        for second, other in enumerate(NUCLEOTIDES):
            hits = (digits == first) & (following == second)
            fractions = letters.fractions(hits, n_pairs)
            yield numeric_feature(
                f"dinucleotide {one}{other}", "composition", fractions
            )


def _edges(sites: Sequence[Site]) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns starts and ends, `_UNMARKED` where unmarked; None if too many are."""
    marked = [site.viewpoint or (_UNMARKED, _UNMARKED) for site in sites]
    if sum(site.viewpoint is None for site in sites) > _MAX_MISSING * len(sites):
        return None
    starts, ends = np.array(marked).T
    return starts, ends


def _anchors(
    lengths: np.ndarray, edges: tuple[np.ndarray, np.ndarray] | None
) -> dict[str, tuple[np.ndarray, int, int]]:
    """Returns, by anchor, its position in each site, and first and last offset.

    If all sites have one length, one anchor is enough: the center.
    """
    anchors = {"center": (lengths // 2, -REACH, REACH)}
    if len(np.unique(lengths)) > 1:
        anchors = {
            "5' end": (np.zeros_like(lengths), 0, REACH - 1),
            **anchors,
            "3' end": (lengths - 1, 1 - REACH, 0),
        }
    if edges is not None:
        starts, ends = edges
        anchors["site start"] = (starts, -REACH, REACH)
        anchors["site end"] = (ends - 1, -REACH, REACH)
    return anchors


def _positions(
    letters: _Letters, anchor: str, places: tuple[np.ndarray, int, int]
) -> Iterator[Feature]:
    anchored, first, last = places
    for offset in range(first, last + 1):
        yield Feature(
            name=_place(anchor, offset),
            kind="position",
            codes=letters.at(anchored + offset),
            n_categories=len(NUCLEOTIDES),
            anchor=anchor,
            offset=offset,
        )


def _place(anchor: str, offset: int) -> str:
    """Names a position.

    >>> _place("site end", 0), _place("center", -3)
    ('last base of the site', 'base at the center -3')
    """
    named = {
        "site start": "first base of the site",
        "site end": "last base of the site",
    }
    if not offset and anchor in named:
        return named[anchor]
    return f"base at the {anchor}" + (f" {offset:+d}" if offset else "")


def _is_useful(feature: Feature) -> bool:
    known = feature.codes[feature.codes >= 0]
    enough = len(known) >= (1 - _MAX_MISSING) * len(feature.codes)
    return bool(enough and (known != known[0]).any())
