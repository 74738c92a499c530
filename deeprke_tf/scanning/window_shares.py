"""What share of the windows of a scan is bound, by what is known of other windows.

A model takes chance for a site now and then, and more often what only looks like one,
such as the motif of the RBP where it is not bound. Shuffled RNAs tell of the first
alone, background sites of the training data of the second too, but in another share
than an RNA has them. So the windows of a scan are taken for a mixture of three kinds:

    bound       like the bound validation sites
    background  like the background validation sites
    chance      like the windows of shuffled RNAs

and the shares are those under which their probabilities are likeliest. They are found
by expectation maximization, as Saerens et al., Neural Comput 14, 21 (2002), find the
shares of the classes where a classifier is used.
"""

from collections.abc import Sequence

import numpy as np

# Few enough that the bins hold some of the 40 sites that a small validation split has.
_BINS_OF_A_KIND = 10
# Shares move less than this in the end, or after so many rounds.
_TOLERANCE, _MOST_ROUNDS = 1e-7, 5_000


def fit_shares(probabilities: np.ndarray, kinds: Sequence[np.ndarray]) -> np.ndarray:
    """Returns what share of windows is of each kind.

    Where two kinds look alike, so that nothing tells them apart, they share evenly.

    >>> windows = np.repeat([0.9, 0.5, 0.1], [10, 30, 60])
    >>> fit_shares(windows, [np.repeat(p, 999) for p in (0.9, 0.5, 0.1)]).round(2)
    array([0.1, 0.3, 0.6])

    Args:
      probabilities: Of the windows, in [0, 1], [n].
      kinds: Of each kind, what is known to be of it, in [0, 1], [n_kind]; none empty.

    Returns:
      float64 [n_kinds], the sum 1; equal shares where there are no windows.
    """
    edges = np.unique(np.concatenate([_quantiles(kind) for kind in kinds]))
    n_bins = len(edges) + 1

    def counts(values: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(edges, values, "right"), minlength=n_bins)

    # Half a window more in each bin: what a kind lacks so far is not impossible to it.
    densities = np.array(
        [(counts(kind) + 0.5) / (len(kind) + 0.5 * n_bins) for kind in kinds]
    )
    weights = counts(probabilities) / max(1, len(probabilities))
    shares = np.full(len(kinds), 1 / len(kinds))
    for _ in range(_MOST_ROUNDS if len(probabilities) else 0):
        each = shares[:, np.newaxis] * densities
        before, shares = shares, (each / each.sum(axis=0)) @ weights
        if np.abs(shares - before).max() < _TOLERANCE:
            break
    return shares


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Returns the borders between equally full bins."""
    return np.quantile(values, np.linspace(0, 1, _BINS_OF_A_KIND + 1)[1:-1])
