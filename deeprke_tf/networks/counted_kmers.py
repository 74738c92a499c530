"""Which k-mers of a site are counted, and their weights; see `kmer_counts`.

Apart from the layer, so that networks are computed in NumPy without loading Keras.
"""

from deeprke_tf.rna.sites import NUCLEOTIDES

# Counts are scaled to a site of this many k-mers, whatever its length.
PER_KMERS = 100

REACH = 64  # k-mers to either side of the center

_N_LETTERS = len(NUCLEOTIDES)
_LONGEST = 6  # letters, unless k is more: there are 4^6 such k-mers


def lengths(k: int) -> list[int]:
    """Returns the lengths of the k-mers that are counted, ascending.

    >>> lengths(3), lengths(4), lengths(7)
    ([3, 5, 6], [4, 6], [7])
    """
    longer = (min(length, _LONGEST) for length in (2 * k - 1, 2 * k))
    return sorted({k, *(length for length in longer if length > k)})


def n_weights(k: int) -> int:
    """Returns the number of weights: intercept, k-mers, letters by position."""
    n_kmers = sum(_N_LETTERS**length for length in lengths(k))
    return 1 + n_kmers + _N_LETTERS * (2 * REACH + 1)
