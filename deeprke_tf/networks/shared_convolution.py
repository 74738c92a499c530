"""The first convolution of overlapping windows, in NumPy, once for all of them."""

from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.workspace import Workspace

if TYPE_CHECKING:
    from deeprke_tf.networks.saved_weights import Weights

_ROWS_AT_ONCE = 256  # that stay in the processor's cache


class SharedConvolution:
    """The first convolution, pooled and ReLU, of windows at regular distances.

    Args:
      weights: Of a network of one RBP.
      config: Its shape.
      n_kmers: Of a window.
      stride: From one window to the next.
      narrow: Kernel of a dense layer with ReLU behind it, float32 [filters, channels];
        done position by position, so that what lies between stays in the cache.
    """

    def __init__(
        self,
        weights: "Weights",
        config: ModelConfig,
        n_kmers: int,
        stride: int,
        narrow: np.ndarray | None = None,
    ):
        (vectors,) = weights["sequence_cnn_conv_1/vectors"]
        vectors = vectors.copy()
        vectors[PAD_ID] = 0
        kernel, bias = weights["sequence_cnn_conv_1/convolution"]
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
            start, end, mixed = weights["sequence_positions"]
            last = len(start) - 1
            by_place = start[np.minimum(places, last)]
            by_place = by_place + end[np.minimum(n_kmers - 1 - places, last)]
            self._added = by_place @ mixed + bias  # [n_kmers, filters]
        self._narrow = narrow
        self._workspace = Workspace()

    def __call__(self, ids: np.ndarray, n_windows: int) -> np.ndarray:
        """Returns what is valid until the next call.

        Returns:
          float32 [n_kmers / 2, n_windows, filters or narrowed channels].
        """
        n_kmers, filters = self._n_kmers, self._tables.shape[2]
        by_phase = self._summed(ids)
        starts = self._stride * np.arange(n_windows)
        array = self._workspace.array
        pooled, other = array("pooled", 2, n_windows, filters)
        channels = filters if self._narrow is None else self._narrow.shape[1]
        x = array("result", (n_kmers + 1) // 2, n_windows, channels)

        def at(place: int, out: np.ndarray) -> None:
            if self._before <= place < n_kmers - self._after:
                slot, phase = divmod(place, self._stride)
                summed = by_phase[phase, slot : slot + n_windows]
            else:
                summed = self._at_end(ids, starts, place)
            np.add(summed, self._added[place], out=out)

        for half, out in enumerate(x):
            at(2 * half, pooled)
            if 2 * half + 1 < n_kmers:
                at(2 * half + 1, other)
                np.maximum(pooled, other, out=pooled)
            if self._narrow is None:
                np.maximum(pooled, 0, out=out)
                continue
            np.maximum(pooled, 0, out=pooled)
            np.matmul(pooled, self._narrow, out=out)
            np.maximum(out, 0, out=out)
        return x

    def _summed(self, ids: np.ndarray) -> np.ndarray:
        """Returns the convolution of a stretch, without bias.

        Returns:
          float32 [stride, n_slots, filters], by the place in a step of the stride and
          the step: rows of neighboring windows are neighbors.
        """
        n_offsets, n_ids, n_filters = self._tables.shape
        n_slots = -(-len(ids) // self._stride)
        n_rows = n_slots * self._stride
        behind = self._after + n_rows - len(ids)
        padded = np.pad(ids, (self._before, behind), constant_values=PAD_ID)
        pairs = padded[:-1] * n_ids + padded[1:]

        def by_phase(rows: np.ndarray) -> np.ndarray:
            return rows[:n_rows].reshape(n_slots, self._stride).T.ravel()

        terms = [(tab, by_phase(pairs[2 * i :])) for i, tab in enumerate(self._pairs)]
        if n_offsets % 2:
            terms.append((self._tables[-1], by_phase(padded[n_offsets - 1 :])))
        summed = self._workspace.array("summed", n_rows, n_filters)
        term = self._workspace.array("term", _ROWS_AT_ONCE, n_filters)
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            out = summed[start : start + _ROWS_AT_ONCE]
            for number, (table, rows) in enumerate(terms):
                some = rows[start : start + len(out)]
                into = term[: len(out)] if number else out
                # "clip" writes into place; all rows are in the table.
                np.take(table, some, axis=0, out=into, mode="clip")
                if number:
                    out += into
        return summed.reshape(self._stride, n_slots, n_filters)

    def _at_end(self, ids: np.ndarray, starts: np.ndarray, place: int) -> np.ndarray:
        """Returns the same at one place of each window, whose kernel reads padding."""
        first = place - self._before
        offsets = [
            j for j in range(len(self._tables)) if 0 <= first + j < self._n_kmers
        ]
        return sum(self._tables[j][ids[starts + first + j]] for j in offsets)
