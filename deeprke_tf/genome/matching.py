"""Background windows that agree with the bound sites in region, GC and length.

Sites and candidates are sorted into strata: one region, GC content in steps of 2 %,
length in steps of 10 %. Each bound site draws its background from the free candidates
of its own stratum, at random and without replacement. Where none is left it draws from
the nearest strata of the same region, as often from above as from below.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

GC_STEP = 0.02
LENGTH_STEP = math.log(1.1)
REACH = 2  # steps of GC to the farthest stratum drawn from, with one step of length


class Covariates(NamedTuple):
    """What is matched, of each site.

    Attributes:
      region: Labels of regions, [n_sites].
      gc: Fraction of G and C, float64 [n_sites].
      length: In nucleotides, at least 1, int64 [n_sites].
    """

    region: np.ndarray
    gc: np.ndarray
    length: np.ndarray

    @property
    def without_region(self) -> "Covariates":
        """The same, as if all were of one region."""
        return self._replace(region=np.zeros(len(self.gc), np.int64))


class Matching(NamedTuple):
    """Pairs of a bound site and a background window; no window occurs twice.

    Attributes:
      bound: Index of the bound site, ascending, int64 [n_pairs].
      background: Index of the candidate, int64 [n_pairs].
    """

    bound: np.ndarray
    background: np.ndarray


def match(
    bound: Covariates,
    candidates: Covariates,
    wanted: np.ndarray,
    rng: np.random.Generator,
    reach: int = REACH,
) -> Matching:
    """Draws background windows for bound sites, without replacement.

    Of the sites of a stratum, each gets a first window before any gets a second.

    >>> regions, length = np.array(["CDS", "intron"]), np.array([101, 101])
    >>> bound = Covariates(regions, np.array([0.61, 0.41]), length)
    >>> candidates = Covariates(regions, np.array([0.6, 0.3]), length)
    >>> match(bound, candidates, np.array([1, 1]), np.random.default_rng(1))
    Matching(bound=array([0]), background=array([0]))

    Args:
      bound: The bound sites.
      candidates: The windows to draw from.
      wanted: Number of windows for each bound site, int64 [n_bound].
      rng: Source of random numbers.
      reach: Steps of GC to the farthest stratum drawn from; 0: own strata only.
    """
    strata, offered, offsets = _strata(bound, candidates, reach)
    site = np.repeat(np.arange(len(wanted)), wanted)
    turn = np.arange(len(site)) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    by_turn = np.lexsort([rng.random(len(site)), turn])
    site, side = site[by_turn], rng.choice([-1, 1], len(site))
    free = rng.permutation(len(offered))
    pairs = [np.zeros((2, 0), np.int64)]
    for offset, sign in itertools.product(offsets, (1, -1)):
        asked = strata[site] + sign * side * offset
        paired, taken = _first_with_first(asked, offered[free])
        pairs.append(np.stack([site[paired], free[taken]]))
        site, side = np.delete(site, paired), np.delete(side, paired)
        free = np.delete(free, taken)
    bound_index, background = np.concatenate(pairs, axis=1)
    order = np.lexsort([background, bound_index])
    return Matching(bound_index[order], background[order])


def _strata(
    bound: Covariates, candidates: Covariates, reach: int
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Numbers the strata of both, and gives the steps to others, the nearest first."""
    both = [np.concatenate(pair) for pair in zip(bound, candidates, strict=True)]
    region = np.unique(both[0], return_inverse=True)[1]
    # Half a letter more: 0.58 / 0.02 is below 29.
    gc = np.floor(both[1] / GC_STEP + 1e-6).astype(np.int64)
    length = np.floor(np.log(both[2]) / LENGTH_STEP).astype(np.int64)
    # Steps never lead into another region, nor from the highest GC to the lowest.
    n_gc, n_length = round(1 / GC_STEP) + 1 + 2 * reach, int(length.max(initial=0)) + 3
    strata = (region * n_length + length) * n_gc + gc
    steps = [
        (abs(by_gc) + 2 * by_length, by_length * n_gc + by_gc)
        for by_gc in range(-reach, reach + 1)
        for by_length in range(min(reach, 1) + 1)
        # The other half of the plane is reached with the other sign.
        if by_length or by_gc >= 0
    ]
    n = len(bound.gc)
    return strata[:n], strata[n:], [offset for _, offset in sorted(steps)]


def _first_with_first(
    asked: np.ndarray, offered: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs equal strata: the first of a stratum that asks with the first offered.

    >>> _first_with_first(np.array([7, 8, 7]), np.array([6, 7]))
    (array([0]), array([1]))
    """
    n = max(len(asked), len(offered)) + 1
    asking, offering = (strata * n + _rank(strata) for strata in (asked, offered))
    _, paired, taken = np.intersect1d(
        asking, offering, assume_unique=True, return_indices=True
    )
    return paired, taken


def _rank(strata: np.ndarray) -> np.ndarray:
    """Counts the earlier sites of the same stratum.

    >>> _rank(np.array([7, 8, 7]))
    array([0, 0, 1])
    """
    order = np.argsort(strata, kind="stable")
    _, first, counts = np.unique(strata[order], return_index=True, return_counts=True)
    rank = np.empty(len(strata), np.int64)
    rank[order] = np.arange(len(strata)) - np.repeat(first, counts)
    return rank
