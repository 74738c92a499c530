"""Seqlets: the short stretches of sites that attributions single out.

The idea of TF-MoDISco (Shrikumar et al., arXiv:1811.00416), on one strand. The
attributions of a stretch are added up, and the highest sums count. That stretches
lower the log odds as much does not make them noise: a model may have learned a motif
of the background, too.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

WIDTH = 7  # nucleotides whose attributions are added up
# Between two of a site: else one would hold the end of a motif that the other has.
_APART = 4
_MOST_PER_SITE = 4
# Of all sites that the model takes for bound. With 1, weaker motifs may be missed, as
# the CA repeats of HNRNPL were; with 2, one motif falls into more variants
# (docs/known_motifs.md).
_CALLED_PER_SITE = 1.5


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


def find_seqlets(attributions: Sequence[np.ndarray], n_bound: int) -> list[Seqlet]:
    """Returns the stretches with the highest sums, the highest first.

    They are the first of `peaks`, three for two sites that the model takes for bound.

    Args:
      attributions: By nucleotide, of each site, float [length].
      n_bound: How many of the sites the model takes for bound.
    """
    return peaks(attributions)[: round(_CALLED_PER_SITE * n_bound)]


def peaks(attributions: Sequence[np.ndarray]) -> list[Seqlet]:
    """Returns the highest stretches of each site that lie apart, the highest first.

    Only those that raise the log odds, four of a site at most.
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
