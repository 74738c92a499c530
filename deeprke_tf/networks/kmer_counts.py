"""The k-mer counts of a site, weighted by a logistic regression, in the output.

For RBPs without a clear motif, k-mer counts predict as well as the network; for others
the two err on different sites, so that their mean is better than either. Counted are
k-mers and longer ones of up to 6 letters, read from two neighboring k-mers (3, 5 and 6
letters if k is 3). Added to them is one weight for each letter at each position around
the center of the site.
"""

from typing import Any

import keras
from keras import layers, ops

from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID
from deeprke_tf.networks.counted_kmers import PER_KMERS, REACH, lengths, n_weights
from deeprke_tf.rna.sites import NUCLEOTIDES

_N_LETTERS = len(NUCLEOTIDES)


def places(ids: Any, k: int) -> tuple[list[Any], Any]:
    """Returns, for each k-mer of a site, the indices of the weights it adds.

    Args:
      ids: Sequence k-mer ids, int [batch, n_kmers].
      k: Letters of a k-mer.

    Returns:
      For the k-mers of each of `lengths`, int32 [batch, n_kmers], the index of their
      weight; and the same for the first letter of each k-mer at its position. 0 where
      there is no k-mer, or one with an unknown letter.
    """
    numbers = ops.cast(ids, "int32") - FIRST_KMER_ID
    of_kmers = []
    first = 1
    for length in lengths(k):
        more = length - k
        # The later k-mer ends with the letters that the earlier one lacks.
        later = ops.pad(numbers, [[0, 0], [0, more]], constant_values=-1)[:, more:]
        known = ops.logical_and(numbers >= 0, later >= 0)
        longer = numbers * _N_LETTERS**more + later % _N_LETTERS**more
        of_kmers.append(ops.where(known, longer + first, 0))
        first += _N_LETTERS**length
    inside = ops.cast(ops.not_equal(ids, PAD_ID), "int32")
    center = ops.sum(inside, axis=1, keepdims=True) // 2
    offsets = ops.cumsum(inside, axis=1) - 1 - center + REACH
    near = ops.logical_and(offsets >= 0, offsets <= 2 * REACH)
    letters = offsets * _N_LETTERS + numbers // _N_LETTERS ** (k - 1)
    known = ops.logical_and(numbers >= 0, near)
    return of_kmers, ops.where(known, letters + first, 0)


@keras.saving.register_keras_serializable("deeprke_tf")
class KmerCounts(layers.Layer):
    """Returns the weighted mean of the log odds of network and logistic regression.

    In training the log odds of the network pass unchanged: it is trained as it would be
    without the regression.

    Args:
      k: Letters of a k-mer.
      share: Weight of the regression, in [0, 1].
      n_outputs: Regressions side by side, one for each RBP of a joint network; None: a
        single one.
    """

    def __init__(
        self, k: int, share: float, n_outputs: int | None = None, **kwargs: Any
    ):
        # In float32 also where the network computes in half precision.
        super().__init__(**{"dtype": "float32", **kwargs})
        self.k = k
        self.share = share
        self.n_outputs = n_outputs

    def build(self, *_shapes: tuple[int | None, ...]) -> None:
        """Makes the weights, which `kmer_regression.fit` gives the values of."""
        self.table = self.add_weight(
            name="weights",
            shape=(n_weights(self.k), *([self.n_outputs] if self.n_outputs else [])),
            initializer="zeros",
            trainable=False,
        )
        self.built = True

    def call(self, log_odds: Any, ids: Any, training: bool | None = None) -> Any:
        """Returns log odds, float32 [batch, n_outputs].

        Args:
          log_odds: Log odds from the network, float [batch, n_outputs].
          ids: Sequence k-mer ids, int [batch, n_kmers].
          training: Whether the network is being trained.
        """
        if training:
            return log_odds
        inside = ops.cast(ops.not_equal(ids, PAD_ID), "float32")
        of_kmers, of_letters = places(ids, self.k)
        total = sum(self._summed_weights(places) for places in of_kmers)
        counted = PER_KMERS * total / ops.sum(inside, axis=1, keepdims=True)
        regression = self.table[0] + counted + self._summed_weights(of_letters)
        return (1 - self.share) * log_odds + self.share * regression

    def _summed_weights(self, places: Any) -> Any:
        # Place 0, for unknown k-mers, holds the intercept.
        weights = ops.take(self.table, places, axis=0)
        if self.n_outputs is None:
            weights = ops.where(places > 0, weights, 0.0)
            return ops.sum(weights, axis=1, keepdims=True)
        known = ops.cast(places > 0, weights.dtype)
        return ops.einsum("bp,bpr->br", known, weights)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        own = {"k": self.k, "share": self.share, "n_outputs": self.n_outputs}
        return super().get_config() | own
