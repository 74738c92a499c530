"""Fits the logistic regression of k-mer counts that `kmer_counts` applies."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.counted_kmers import PER_KMERS, n_weights
from deeprke_tf.networks.kmer_counts import places

# Inverse strength of L2: small, since most k-mers carry no signal.
_C = 0.003

# Limits of the training sites that are used, since memory grows with both.
MOST_SITES = 40_000
MOST_KMERS = 5_000_000


def fit(
    sites: Sequence[np.ndarray],
    labels: np.ndarray,
    k: int,
    class_weights: tuple[float, float],
) -> np.ndarray:
    """Fits the regression, with L2 and by liblinear, which is deterministic.

    Args:
      sites: The sequence k-mer ids of each training site, int [n_kmers].
      labels: 1 bound, 0 background, [n_sites].
      k: Letters of a k-mer.
      class_weights: Weight in the loss of a background and of a bound site.

    Returns:
      The intercept and the weights, as `kmer_counts.places` indexes them, float32
      [n_weights]; all 0 if the sites are of one class.
    """
    weights = np.zeros(n_weights(k), np.float32)
    if labels.min() == labels.max():
        return weights
    regression = LogisticRegression(
        C=_C,
        solver="liblinear",
        # Large, so that the intercept is hardly regularized.
        intercept_scaling=PER_KMERS,
        class_weight=dict(enumerate(class_weights)),
        random_state=0,
    )
    regression.fit(_counts(sites, k), labels)
    weights[0] = regression.intercept_[0]
    weights[1:] = regression.coef_[0]
    return weights


def _counts(sites: Sequence[np.ndarray], k: int) -> sparse.csr_matrix:
    """Returns the features of each site, float32 [n_sites, n_weights - 1]."""
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
        values = np.array(per_site, np.float32)[rows]
        values[where >= len(of_kmers) * padded.shape[1]] = 1  # letters by position
        shape = (len(some), n_weights(k) - 1)
        entries = (values, (rows, columns[rows, where] - 1))
        parts.append(sparse.csr_matrix(entries, shape))
    return sparse.vstack(parts, format="csr")
