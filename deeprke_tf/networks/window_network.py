"""A network over overlapping windows of long RNAs, in NumPy: shared work is done once.

The first convolution of a window is that of its RNA, apart from the few places at the
window's ends that read padding; so are k-mer counts. What depends on where in its
window a position lies is computed for each window: positional embedding, and all that
follows it. There convolutions go by Fourier transforms, as all windows have one length.

Values are [length, batch, channels], so that a transform is one matrix product.
"""

from typing import Any

import numpy as np
from scipy import special

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID
from deeprke_tf.networks import kmer_counts
from deeprke_tf.networks.fourier_conv import FourierConv1D
from deeprke_tf.rna.sites import NUCLEOTIDES

# As large as tables of pairs of k-mers may be; see `onnx_tables`.
_MOST_PAIRS = 5_000
_ROWS_AT_ONCE = 256  # that stay in the processor's cache
_N_LETTERS = len(NUCLEOTIDES)


def window_network(
    network: Any, config: ModelConfig, n_kmers: int, stride: int
) -> "WindowNetwork | None":
    """Returns a network for the windows of a scan; None: it must see each window alone.

    Args:
      network: Result of `deeprke.build_model` with one output.
      config: Its shape.
      n_kmers: Of a window.
      stride: From one window to the next.
    """
    if config.network != "deeprke" or config.structure or config.batch_norm:
        return None
    layer = network.get_layer("sequence_cnn_conv_1")
    if layer.get_config()["n_ids"] ** 2 > _MOST_PAIRS:
        return None
    return WindowNetwork(network, config, n_kmers, stride)


class WindowNetwork:
    """The probabilities of windows at regular distances; see `window_network`."""

    def __init__(self, network: Any, config: ModelConfig, n_kmers: int, stride: int):
        self._config, self.n_kmers, self.stride = config, n_kmers, stride

        def weights(name: str) -> list[np.ndarray]:
            return network.get_layer(name).get_weights()

        self._first = _FirstConvolution(network, config, n_kmers, stride)
        length = (n_kmers + 1) // 2
        n_more = len(config.shape_of("sequence")[0])
        names = [f"sequence_cnn_conv_{i}" for i in range(2, n_more + 1)]
        self._view, length = _convolutions([weights(name) for name in names], length)
        self._narrow = weights("union_narrowed")[0] if config.union_size else None
        n_union = len(config.shape_of("union")[0])
        names = [f"union_cnn_conv_{i}" for i in range(1, n_union + 1)]
        self._union, _length = _convolutions([weights(name) for name in names], length)
        self._lstm = weights("bilstm") if config.lstm_units else None
        self._dense, self._log_odds = weights("dense"), weights("log_odds")
        self._counts = None
        if config.counts_kmers:
            layer = network.get_layer("kmer_counts")
            self._counts = _Counts(layer, n_kmers, stride)

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
        if self._lstm is not None:
            x = _bilstm(x, self._lstm)
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
        return special.expit(log_odds.astype(np.float32))


def _convolutions(
    weights: list[list[np.ndarray]], length: int
) -> tuple[list[FourierConv1D], int]:
    """Returns convolutions one after another, and the length behind them."""
    made: list[FourierConv1D] = []
    for kernel, bias in weights:
        made.append(FourierConv1D(kernel, bias, length))
        length = made[-1].pooled_length
    return made, length


class _FirstConvolution:
    """The first convolution, computed once for a stretch, then pooled by window."""

    def __init__(self, network: Any, config: ModelConfig, n_kmers: int, stride: int):
        layer = network.get_layer("sequence_cnn_conv_1")
        vectors = layer.vectors.get_weights()[0].copy()
        vectors[PAD_ID] = 0
        kernel, bias = layer.convolution.get_weights()
        self._n_kmers, self._stride = n_kmers, stride
        self._before = (len(kernel) - 1) // 2
        self._after = len(kernel) - 1 - self._before
        # Row i of table j: what k-mer i adds at the jth place of the kernel.
        self._tables = vectors @ kernel  # [kernel_size, n_ids, filters]
        n_offsets, n_ids, n_filters = self._tables.shape
        self._pairs = [
            np.repeat(self._tables[j], n_ids, axis=0)
            + np.tile(self._tables[j + 1], (n_ids, 1))
            for j in range(0, n_offsets - 1, 2)
        ]
        self._added = np.broadcast_to(bias, (n_kmers, n_filters))
        if config.position_size:
            places = np.arange(n_kmers)
            start, end, mixed = network.get_layer("sequence_positions").get_weights()
            last = len(start) - 1
            vectors = start[np.minimum(places, last)]
            vectors = vectors + end[np.minimum(n_kmers - 1 - places, last)]
            self._added = vectors @ mixed + bias  # [n_kmers, filters]

    def __call__(self, ids: np.ndarray, n_windows: int) -> np.ndarray:
        """Returns the pooled convolution, float32 [n_kmers / 2, n_windows, filters]."""
        n_kmers, filters = self._n_kmers, self._tables.shape[2]
        whole = self._summed(ids)
        row, column = whole.strides
        by_place = np.lib.stride_tricks.as_strided(
            *(whole, (n_kmers, n_windows, filters), (row, self._stride * row, column)),
            writeable=False,
        )
        starts = self._stride * np.arange(n_windows)
        pooled = np.empty(((n_kmers + 1) // 2, n_windows, filters), np.float32)
        other = np.empty((n_windows, filters), np.float32)

        def at(place: int, out: np.ndarray) -> None:
            is_inner = self._before <= place < n_kmers - self._after
            x = by_place[place] if is_inner else self._at_end(ids, starts, place)
            np.add(x, self._added[place], out=out)

        for half, out in enumerate(pooled):
            at(2 * half, out)
            if 2 * half + 1 < n_kmers:
                at(2 * half + 1, other)
                np.maximum(out, other, out=out)
            np.maximum(out, 0, out=out)
        return pooled

    def _summed(self, ids: np.ndarray) -> np.ndarray:
        """Returns the convolution of a stretch, without bias, float32 [n, filters]."""
        n_offsets, n_ids, n_filters = self._tables.shape
        padded = np.pad(ids, (self._before, self._after), constant_values=PAD_ID)
        pairs = padded[:-1] * n_ids + padded[1:]
        terms = [(table, pairs[2 * i :]) for i, table in enumerate(self._pairs)]
        if n_offsets % 2:
            terms.append((self._tables[-1], padded[n_offsets - 1 :]))
        summed = np.empty((len(ids), n_filters), np.float32)
        term = np.empty((_ROWS_AT_ONCE, n_filters), np.float32)
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            out = summed[start : start + _ROWS_AT_ONCE]
            for number, (table, rows) in enumerate(terms):
                some = rows[start : start + len(out)]
                into = term[: len(out)] if number else out
                # "clip" writes into place; all rows are in the table.
                np.take(table, some, axis=0, out=into, mode="clip")
                if number:
                    out += into
        return summed

    def _at_end(self, ids: np.ndarray, starts: np.ndarray, place: int) -> np.ndarray:
        """Returns the same at one place of each window, whose kernel reads padding."""
        first = place - self._before
        offsets = [
            j for j in range(len(self._tables)) if 0 <= first + j < self._n_kmers
        ]
        return sum(self._tables[j][ids[starts + first + j]] for j in offsets)


def _bilstm(x: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """Returns the last states of both directions, float32 [batch, 2 units].

    Args:
      x: float32 [length, batch, channels].
      weights: Kernel, recurrent kernel and bias, forward and backward.
    """
    last = []
    for first, order in ((0, 1), (3, -1)):
        kernel, recurrent, bias = weights[first : first + 3]
        units = len(recurrent)
        state = np.zeros((x.shape[1], units), np.float32)
        memory = np.zeros_like(state)
        for inputs in (x @ kernel + bias)[::order]:
            gates = inputs + state @ recurrent
            candidate = np.tanh(gates[:, 2 * units : 3 * units])
            # The logistic function by tanh, which does not overflow.
            opened = 0.5 * np.tanh(0.5 * gates) + 0.5
            memory = opened[:, units : 2 * units] * memory
            memory += opened[:, :units] * candidate
            state = opened[:, 3 * units :] * np.tanh(memory)
        last.append(state)
    return np.concatenate(last, axis=1)


class _Counts:
    """The k-mer counts of windows, from sums along a stretch; see `kmer_counts`."""

    def __init__(self, layer: Any, n_kmers: int, stride: int):
        (table,) = layer.get_weights()
        self._table = table.reshape(-1).astype(np.float64)
        self._k, self._share = layer.k, layer.share
        self._n_kmers, self._stride = n_kmers, stride
        first = 1 + sum(_N_LETTERS**n for n in kmer_counts.lengths(layer.k))
        by_offset = self._table[first:].reshape(-1, _N_LETTERS)
        # By place in the window: what a letter adds there.
        offsets = np.arange(n_kmers) - n_kmers // 2 + kmer_counts.REACH
        self._letters = np.zeros((n_kmers, _N_LETTERS))
        near = (offsets >= 0) & (offsets < len(by_offset))
        self._letters[near] = by_offset[offsets[near]]

    def mixed(self, log_odds: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Returns the log odds with those of the regression, float64 [n_windows]."""
        numbers = ids - FIRST_KMER_ID
        starts = self._stride * np.arange(len(log_odds))
        total = np.zeros(len(log_odds))
        first = 1
        for length in kmer_counts.lengths(self._k):
            more = length - self._k
            n_more = _N_LETTERS**more
            earlier, later = numbers[: len(ids) - more], numbers[more:]
            places = np.where(
                (earlier >= 0) & (later >= 0),
                earlier * n_more + later % n_more + first,
                0,
            )
            weights = np.where(places > 0, self._table[places], 0)
            sums = np.concatenate([[0], np.cumsum(weights)])
            total += sums[starts + self._n_kmers - more] - sums[starts]
            first += _N_LETTERS**length
        regression = self._table[0] + kmer_counts.PER_KMERS * total / self._n_kmers
        letters = np.maximum(numbers, 0) // _N_LETTERS ** (self._k - 1)
        for place, weights in enumerate(self._letters):
            of_letter = weights[letters[starts + place]]
            regression += np.where(numbers[starts + place] >= 0, of_letter, 0)
        return (1 - self._share) * log_odds + self._share * regression
