"""Structures permuted over sites: what a model reads of structure that is not a site's.

A network that gains nothing from the structures of the sites themselves, over those of
other sites, learned nothing of structure.
"""

from collections.abc import Sequence

import numpy as np

SHUFFLE_SEED = 1


def permutation(lengths: Sequence[int], split: str) -> np.ndarray:
    """Returns whose structure each site gets: that of another site as long as it.

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
