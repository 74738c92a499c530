"""Counts of GC, N and repeat letters in many windows of a genome at once.

Windows that lie close together are read as one stretch, whose letters are counted once.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

# A stretch to be read goes on over shorter gaps: seeking takes longer than reading on.
_GAP = 2_000
# Windows that begin in different stretches of this length are read apart.
_STRETCH = 1 << 20

# Three counts are added up in one number, of so many bits each: no window is longer.
_BITS = 21


def _table() -> np.ndarray:
    """Returns what each letter adds to the three counts, int64 [256]."""
    letters = [chr(code) for code in range(256)]
    is_counted = [
        [letter in "GCgc" for letter in letters],
        [letter in "acgtun" for letter in letters],
        [letter not in "ACGTUacgtu" for letter in letters],
    ]
    return (np.array(is_counted, np.int64).T << (_BITS * np.arange(3))).sum(axis=1)


_COUNTED = _table()


class Composition(NamedTuple):
    """Letters of windows, each int64 [n_windows].

    Attributes:
      n_gc: Number of G and C.
      n_lower: Number of letters in lower case, as repeats are in genomes of UCSC.
      n_unknown: Number of letters other than A, C, G, T and U.
    """

    n_gc: np.ndarray
    n_lower: np.ndarray
    n_unknown: np.ndarray


def composition(
    letters: Callable[[int, int, int], str],
    template: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
) -> Composition:
    """Counts letters of windows in any order.

    >>> composition(lambda *at: "ACGTnacc"[at[1]:at[2]], *np.array([[0], [1], [6]]))
    Composition(n_gc=array([2]), n_lower=array([2]), n_unknown=array([1]))

    Args:
      letters: Returns the letters of a stretch: of a template, by its number, from a
        start to an end.
      template: Number of the template that a window lies on, int64 [n_windows].
      start: First position of each window, from 0, [n_windows].
      end: Position behind the last, [n_windows].
    """
    counts = np.zeros(len(start), np.int64)
    order = np.lexsort([start, template])
    for run in _runs(template[order], start[order], end[order]):
        windows = order[run]
        first, last = int(start[windows[0]]), int(end[windows].max())
        text = letters(int(template[windows[0]]), first, last).encode("ascii")
        up_to = np.zeros(len(text) + 1, np.int64)
        _COUNTED[np.frombuffer(text, np.uint8)].cumsum(out=up_to[1:])
        counts[windows] = up_to[end[windows] - first] - up_to[start[windows] - first]
    return Composition(*(counts >> _BITS * i & (1 << _BITS) - 1 for i in range(3)))


def _runs(template: np.ndarray, start: np.ndarray, end: np.ndarray) -> list[slice]:
    """Splits sorted windows into runs to be read as one stretch each."""
    if not len(start):
        return []
    is_new = template[1:] != template[:-1]
    is_new |= start[1:] // _STRETCH != start[:-1] // _STRETCH
    # Where windows differ in length, a run may be split early: no harm is done.
    is_new |= start[1:] > end[:-1] + _GAP
    edges = [0, *(np.flatnonzero(is_new) + 1).tolist(), len(start)]
    return [slice(*pair) for pair in itertools.pairwise(edges)]
