"""A network over overlapping windows of long RNAs, in NumPy: shared work is done once.

The first convolution of a window is that of its RNA, apart from the few places at the
window's ends that read padding; so are k-mer counts. What depends on where in its
window a position lies is computed for each window: positional embedding, and all that
follows it. There convolutions go by Fourier transforms, as all windows have one length.

Values are [length, batch, channels], so that a transform is one matrix product.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import FIRST_KMER_ID
from deeprke_tf.networks import counted_kmers
from deeprke_tf.networks.shared_convolution import SharedConvolution
from deeprke_tf.networks.window_convolution import WindowConvolution
from deeprke_tf.rna.sites import NUCLEOTIDES

if TYPE_CHECKING:
    from deeprke_tf.networks.saved_weights import Weights

# As large as tables of pairs of k-mers may be; see `onnx_tables`.
_MOST_PAIRS = 5_000
# Transforms of longer windows, which grow with the square of the length, do not pay.
_MOST_KMERS = 1_000
_N_LETTERS = len(NUCLEOTIDES)


def is_possible(weights: "Weights", config: ModelConfig, n_kmers: int) -> bool:
    """Tells whether there is a `WindowNetwork`; else windows are to be seen alone.

    Args:
      weights: Of a network of one RBP.
      config: Its shape.
      n_kmers: Of a window.
    """
    if config.network != "deeprke" or config.structure or config.batch_norm:
        return False
    (vectors,) = weights["sequence_cnn_conv_1/vectors"]
    return len(vectors) ** 2 <= _MOST_PAIRS and n_kmers <= _MOST_KMERS


class WindowNetwork:
    """The probabilities of windows at regular distances, where `is_possible`.

    One thread at a time may call it: it uses its arrays again.

    Args:
      weights: Of a network of one RBP.
      config: Its shape.
      n_kmers: Of a window.
      stride: From one window to the next.
    """

    def __init__(
        self, weights: "Weights", config: ModelConfig, n_kmers: int, stride: int
    ):
        self._config, self.n_kmers, self.stride = config, n_kmers, stride
        n_more = len(config.shape_of("sequence")[0]) - 1
        narrow = weights["union_narrowed"][0] if config.union_size else None
        self._first = SharedConvolution(
            *(weights, config, n_kmers, stride), narrow=None if n_more else narrow
        )
        self._narrow = narrow if n_more else None
        names = [f"sequence_cnn_conv_{i + 2}" for i in range(n_more)]
        self._view, length = _convolutions(
            [weights[name] for name in names], (n_kmers + 1) // 2
        )
        n_union = len(config.shape_of("union")[0])
        names = [f"union_cnn_conv_{i}" for i in range(1, n_union + 1)]
        self._union, _length = _convolutions([weights[name] for name in names], length)
        self._bilstm = None
        if config.lstm_units:
            ways = ("forward", "backward")
            self._bilstm = _BiLSTM(
                *(weights[f"bilstm/{way}_layer/cell"] for way in ways)
            )
        self._dense, self._log_odds = weights["dense"], weights["log_odds"]
        self._counts = None
        if config.counts_kmers:
            n_ids = len(weights["sequence_cnn_conv_1/vectors"][0])
            k = round(math.log(n_ids, _N_LETTERS))
            (table,) = weights["kmer_counts"]
            self._counts = _Counts(table, k, config.kmer_weight, n_kmers, stride)

    def __call__(self, ids: np.ndarray, n_windows: int) -> np.ndarray:
        """Returns the probabilities of windows, float32 [n_windows].

        Args:
          ids: Of neighboring k-mers, int64 [n]; those of a window begin at each
            multiple of `stride`, and none of them may be padding.
          n_windows: Number of windows.
        """
        x = self._first(ids, n_windows)
        for convolution in self._view:
            x = convolution(x)
        if self._narrow is not None:
            x = x @ self._narrow
            np.maximum(x, 0, out=x)
        union = x
        for convolution in self._union:
            x = convolution(x)
        if self._bilstm is not None:
            x = self._bilstm(x)
        else:
            x = np.concatenate([x.mean(axis=0), x.max(axis=0)], axis=1)
        kernel, bias = self._dense
        x = np.maximum(x @ kernel + bias, 0)
        if self._config.union_mean:
            x = np.concatenate([x, union.mean(axis=0)], axis=1)
        kernel, bias = self._log_odds
        log_odds = (x @ kernel + bias)[:, 0]
        if self._counts is not None:
            log_odds = self._counts.mixed(log_odds, ids)
        return np.exp(-np.logaddexp(0, -log_odds)).astype(np.float32)


def _convolutions(
    weights: Sequence[Sequence[np.ndarray]], length: int
) -> tuple[list[WindowConvolution], int]:
    """Returns convolutions one after another, and the length behind them."""
    made: list[WindowConvolution] = []
    for kernel, bias in weights:
        made.append(WindowConvolution(kernel, bias, length))
        length = made[-1].pooled_length
    return made, length


class _BiLSTM:
    """The last states of both directions, which are computed side by side.

    The logistic function is computed by tanh, which does not overflow: s(x) = (tanh(x /
    2) + 1) / 2. Halves are in the weights, so the states here are twice those of Keras.

    Args:
      forward: Kernel, recurrent kernel and bias.
      backward: The same of the other direction.
    """

    def __init__(self, forward: Sequence[np.ndarray], backward: Sequence[np.ndarray]):
        kernels, recurrent, biases = zip(forward, backward, strict=True)
        self._units = units = len(recurrent[0])
        scale = np.full(4 * units, 0.5, np.float32)
        scale[2 * units : 3 * units] = 1  # the candidate, by tanh alone
        both = np.tile(scale, 2)
        self._kernel = np.concatenate(kernels, axis=1) * both  # [channels, 8 units]
        self._bias = np.concatenate(biases) * both
        self._recurrent = np.stack(recurrent) * scale * np.float32(0.5)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns float32 [batch, 2 units] of float32 [length, batch, channels]."""
        units = self._units
        inputs = x @ self._kernel
        inputs += self._bias
        state = np.zeros((2, x.shape[1], units), np.float32)
        memory = np.zeros_like(state)
        gates = np.empty((2, x.shape[1], 4 * units), np.float32)
        of_input, of_memory, candidate, of_state = np.split(gates, 4, axis=2)
        for ahead, behind in zip(inputs, inputs[::-1], strict=True):
            np.matmul(state, self._recurrent, out=gates)
            gates[0] += ahead[:, : 4 * units]
            gates[1] += behind[:, 4 * units :]
            np.tanh(gates, out=gates)
            gates[:, :, : 2 * units] += 1
            memory *= of_memory
            memory += of_input * candidate
            memory *= 0.5
            np.tanh(memory, out=state)
            of_state += 1
            state *= of_state
        return np.concatenate(list(state), axis=1) * np.float32(0.5)


class _Counts:
    """The k-mer counts of windows, from sums along a stretch; see `kmer_counts`."""

    def __init__(
        self, table: np.ndarray, k: int, share: float, n_kmers: int, stride: int
    ):
        self._table = table.reshape(-1).astype(np.float64)
        self._k, self._share = k, share
        self._n_kmers, self._stride = n_kmers, stride
        first = 1 + sum(_N_LETTERS**n for n in counted_kmers.lengths(k))
        by_offset = self._table[first:].reshape(-1, _N_LETTERS)
        # By place in the window: what a letter adds there; the last one is unknown.
        offsets = np.arange(n_kmers) - n_kmers // 2 + counted_kmers.REACH
        self._letters = np.zeros((n_kmers, _N_LETTERS + 1))
        near = (offsets >= 0) & (offsets < len(by_offset))
        self._letters[near, :_N_LETTERS] = by_offset[offsets[near]]

    def mixed(self, log_odds: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Returns the log odds with those of the regression, float64 [n_windows]."""
        numbers = ids - FIRST_KMER_ID
        starts = self._stride * np.arange(len(log_odds))
        total = np.zeros(len(log_odds))
        first = 1
        for length in counted_kmers.lengths(self._k):
            more = length - self._k
            n_more = _N_LETTERS**more
            earlier, later = numbers[: len(ids) - more], numbers[more:]
            places = np.where(
                (earlier >= 0) & (later >= 0),
                earlier * n_more + later % n_more + first,
                0,
            )
            weights = np.where(places > 0, self._table[places], 0)
            if self._n_kmers > more:
                sums = np.concatenate([[0], np.cumsum(weights)])
                total += sums[starts + self._n_kmers - more] - sums[starts]
            first += _N_LETTERS**length
        regression = self._table[0] + counted_kmers.PER_KMERS * total / self._n_kmers
        letters = numbers // _N_LETTERS ** (self._k - 1)
        letters = np.where(numbers >= 0, letters, _N_LETTERS)
        windows = np.lib.stride_tricks.sliding_window_view(letters, self._n_kmers)
        rows = windows[:: self._stride][: len(log_odds)]
        regression += self._letters[np.arange(self._n_kmers), rows].sum(axis=1)
        return (1 - self._share) * log_odds + self._share * regression
