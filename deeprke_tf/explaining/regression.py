"""Attributions of the k-mer regression that is part of the output of some networks."""

import numpy as np
from keras import ops

from deeprke_tf.explaining.letters import ids_of
from deeprke_tf.networks.counted_kmers import PER_KMERS, lengths
from deeprke_tf.networks.kmer_counts import KmerCounts, places


def regression_attributions(
    layer: KmerCounts, site: np.ndarray, baseline: np.ndarray
) -> np.ndarray:
    """Spreads the difference of the regression over the letters that differ.

    Args:
      layer: Holds the weights.
      site: Numbers of its letters, -1 unknown, -2 padding, int [batch, length].
      baseline: The same of the baseline, which has the same letters unknown.

    Returns:
      By nucleotide, float64 [batch, length]; a row adds up to the difference of the
      log odds that the regression gives.
    """
    n_kmers = np.sum(site >= -1, axis=1, keepdims=True) - layer.k + 1
    weights_of = [_weights(layer, digits) for digits in (site, baseline)]
    differs = (site != baseline).astype(np.float64)
    spread = np.zeros(site.shape)
    for length, of_site, of_baseline in zip(
        [*lengths(layer.k), 1], *weights_of, strict=True
    ):
        scale = 1.0 if length == 1 else PER_KMERS / n_kmers
        spread += _spread((of_site - of_baseline) * scale, differs, length)
    return spread


def _weights(layer: KmerCounts, digits: np.ndarray) -> list[np.ndarray]:
    """Returns the weight that each stretch adds, for each length and for letters."""
    of_kmers, of_letters = places(ids_of(digits, "sequence_kmers", layer.k), layer.k)
    table = np.asarray(layer.table, np.float64)
    found = [np.asarray(ops.convert_to_numpy(p)) for p in (*of_kmers, of_letters)]
    # Place 0, for unknown k-mers, holds the intercept.
    return [np.where(some > 0, table[some], 0.0) for some in found]


def _spread(values: np.ndarray, differs: np.ndarray, length: int) -> np.ndarray:
    """Spreads the value of each stretch evenly over those of its letters that differ.

    Args:
      values: Of the stretches that begin at each k-mer, [batch, n_kmers].
      differs: 1 where letters differ, [batch, n_letters].
      length: Letters of a stretch.
    """
    n_stretches, n_letters = values.shape[1], differs.shape[1]
    padded = np.pad(differs, [(0, 0), (0, length)])
    columns = [padded[:, j : j + n_stretches] for j in range(length)]
    each = values / np.maximum(sum(columns), 1)
    spread = np.zeros((len(values), n_letters + length))
    for j, column in enumerate(columns):
        spread[:, j : j + n_stretches] += each * column
    return spread[:, :n_letters]
