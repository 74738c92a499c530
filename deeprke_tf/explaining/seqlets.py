"""Seqlets: the short stretches of sites that attributions single out.

The idea of TF-MoDISco (Shrikumar et al., arXiv:1811.00416), on one strand. The
attributions of a stretch are added up; it counts where its sum is larger than nearly
all sums of stretches that lower the log odds, as many of which noise would make.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

WIDTH = 7  # nucleotides whose attributions are added up
# Between two of a site: else one would hold the end of a motif that the other has.
_APART = 4
_MOST_PER_SITE = 4
# Generous, as false ones do not look alike: no motif is made of them.
_FDR = 0.3


class Seqlet(NamedTuple):
    """A stretch of `WIDTH` nucleotides of a site.

    Attributes:
      site: Place of its site.
      start: First nucleotide, from 0.
      score: Sum of its attributions, log odds.
    """

    site: int
    start: int
    score: float


def find_seqlets(attributions: Sequence[np.ndarray]) -> list[Seqlet]:
    """Returns the stretches that stand out, the highest sum first.

    They are the first of `peaks`.

    Args:
      attributions: By nucleotide, of each site, float [length].
    """
    found = peaks(attributions)
    by_chance = peaks([-row for row in attributions])
    scores = np.array([seqlet.score for seqlet in found])
    chance = np.sort([seqlet.score for seqlet in by_chance])
    n_chance = len(chance) - np.searchsorted(chance, scores)
    fdr = n_chance / np.arange(1, len(found) + 1)
    # The largest number of seqlets that keeps the target.
    kept = np.flatnonzero(fdr <= _FDR)
    return found[: kept[-1] + 1] if len(kept) else []


def peaks(attributions: Sequence[np.ndarray]) -> list[Seqlet]:
    """Returns the highest stretches of each site that lie apart, the highest first.

    Only those that raise the log odds.
    """
    found = []
    for site, row in enumerate(attributions):
        if len(row) < WIDTH:
            continue
        sums = np.convolve(row, np.ones(WIDTH), "valid")
        for _ in range(_MOST_PER_SITE):
            start = int(np.argmax(sums))
            if sums[start] <= 0:
                break
            found.append(Seqlet(site, start, float(sums[start])))
            reach = WIDTH + _APART
            sums[max(0, start - reach + 1) : start + reach] = -np.inf
    return sorted(found, key=lambda seqlet: -seqlet.score)
