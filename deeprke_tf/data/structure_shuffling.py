"""Structures permuted over sites: a control for what a model learned from structure.

If a network does not predict better with a site's own structure than with the structure
of another site, it has learned nothing from structure.
"""

from collections.abc import Sequence

import numpy as np

SHUFFLE_SEED = 1


def permutation(lengths: Sequence[int], split: str) -> np.ndarray:
    """Permutes sites of equal length: each gets the structure of another site.

    Args:
      lengths: Of the sites of a split, nucleotides or k-mers.
      split: Its name; each has an order of its own.

    Returns:
      A permutation, int64 [n_sites], the same each time.
    """
    seed = [SHUFFLE_SEED, *split.encode()]
    rng = np.random.default_rng(seed)
    of_length = np.asarray(lengths)
    order = np.arange(len(of_length))
    for length in np.unique(of_length):
        places = np.flatnonzero(of_length == length)
        order[places] = rng.permutation(places)
    return order
