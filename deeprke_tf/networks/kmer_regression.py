"""A logistic regression of how often k-mers occur in a site, and of letters by place.

Its log odds have a share in those of the network (`kmer_counts`).
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.kmer_counts import PER_KMERS, n_weights, places

# Inverse strength of L2: small, as most k-mers say nothing.
_C = 0.003

# What it is fitted to at most: its memory grows with them.
MOST_SITES = 40_000
MOST_KMERS = 5_000_000


def fit(
    sites: Sequence[np.ndarray],
    labels: np.ndarray,
    k: int,
    class_weights: tuple[float, float],
) -> np.ndarray:
    """Fits the regression: L2, liblinear, which gives the same weights each time.

    Args:
      sites: The sequence k-mer ids of each training site, int [n_kmers].
      labels: 1 bound, 0 background, [n_sites].
      k: Letters of a k-mer.
      class_weights: Of a background and of a bound site in the loss.

    Returns:
      The intercept and the weights by `places`, float32 [n_weights]; all 0 where the
      sites are of one class.
    """
    weights = np.zeros(n_weights(k), np.float32)
    if labels.min() == labels.max():
        return weights
    regression = LogisticRegression(
        C=_C,
        solver="liblinear",
        # Large, so that the intercept is not held back as the weights are.
        intercept_scaling=PER_KMERS,
        class_weight=dict(enumerate(class_weights)),
        random_state=0,
    )
    regression.fit(_counts(sites, k), labels)
    weights[0] = regression.intercept_[0]
    weights[1:] = regression.coef_[0]
    return weights


def _counts(sites: Sequence[np.ndarray], k: int) -> sparse.csr_matrix:
    """Counts what the weights behind the intercept are of, for each site.

    Returns:
      float32 [n_sites, n_weights - 1].
    """
    parts = []
    for start in range(0, len(sites), 1_000):
        some = sites[start : start + 1_000]
        padded = np.full((len(some), max(map(len, some))), PAD_ID, np.int32)
        for row, ids in zip(padded, some, strict=True):
            row[: len(ids)] = ids
        of_kmers, of_letters = places(padded, k)
        columns = np.concatenate([*map(np.asarray, of_kmers), of_letters], axis=1)
        rows, where = np.nonzero(columns)
        per_site = [PER_KMERS / len(ids) for ids in some]
        worth = np.array(per_site, np.float32)[rows]
        worth[where >= len(of_kmers) * padded.shape[1]] = 1  # a letter at its place
        shape = (len(some), n_weights(k) - 1)
        entries = (worth, (rows, columns[rows, where] - 1))
        parts.append(sparse.csr_matrix(entries, shape))
    return sparse.vstack(parts, format="csr")
