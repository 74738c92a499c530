"""Scores windows of sequence-only models together, where a network allows it.

Neighboring windows share k-mer ids, k-mer counts and the first convolution; see
`networks.window_network`. Windows without neighbors are laid side by side, and share
nothing. Left to be scored one by one are windows with an unknown letter, and RNAs
shorter than a window.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import PAD_ID, UNKNOWN_ID
from deeprke_tf.rna.fasta import Rna
from deeprke_tf.runs.ensemble import mean_and_sd
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning.windows import Tiling

if TYPE_CHECKING:
    from deeprke_tf.networks.window_pool import WindowPool

# Of the windows of each RNA: probabilities, and their standard deviations.
Scored = list[tuple[np.ndarray, np.ndarray]]


def shared_windows(
    run: Run, tiling: Tiling, workers: int | None = None
) -> "SharedWindows | None":
    """Returns a scorer of windows that share work; None: a network does not allow it.

    Args:
      run: The model.
      tiling: Where the windows lie.
      workers: Processes; all cores if None.
    """
    if run.reads_structure:
        return None
    # It brings h5py, which models that read structure do without.
    from deeprke_tf.networks.window_pool import WindowNetworks, WindowPool

    saved = [each.saved_network for each in run.trainings]
    networks = WindowNetworks(
        tuple(each for each in saved if each is not None),
        tuple(each.config.model for each in run.trainings),
        n_kmers=tiling.window - run.encoding.k + 1,
    )
    if len(networks.saved) < len(saved) or not networks.are_possible():
        return None
    return SharedWindows(WindowPool(networks, workers), run.encoding, tiling)


class SharedWindows:
    """The windows of several RNAs, scored together.

    A context manager, as is its pool.

    Args:
      pool: The networks of all trainings.
      encoding: How k-mer ids are made.
      tiling: Where the windows lie.

    Attributes:
      n_ahead: Windows that keep all processes busy.
    """

    def __init__(self, pool: "WindowPool", encoding: Encoding, tiling: Tiling):
        self._pool, self._encoding, self._tiling = pool, encoding, tiling
        self.n_ahead = 2 * pool.workers * pool.windows_per_task
        self._n_kmers = tiling.window - encoding.k + 1

    def __enter__(self) -> "SharedWindows":
        self._pool.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.__exit__(*exception)

    def start(self, rnas: Sequence[Rna], few: bool = False) -> Callable[[], Scored]:
        """Starts to score RNAs.

        Args:
          rnas: Some of the RNAs.
          few: Whether there are few windows in all; see `WindowPool.start`.

        Returns:
          A function that waits for the scores of each RNA, float64 [n_windows] each;
          NaN for a window that is to be scored alone.
        """
        neighbors = _Row(self._tiling.stride, self._n_kmers)
        apart = _Row(self._n_kmers, self._n_kmers)
        places = [self._laid(rna, neighbors, apart) for rna in rnas]
        rows = [row for row in (neighbors, apart) if row.n_windows]
        started = [
            self._pool.start(row.ids(), row.n_windows, row.stride, few) for row in rows
        ]

        def scores() -> Scored:
            for row, wait in zip(rows, started, strict=True):
                row.take(*mean_and_sd(list(wait())))
            return [_scores_of(*of_rna) for of_rna in places]

        return scores

    def _laid(
        self, rna: Rna, neighbors: "_Row", apart: "_Row"
    ) -> tuple[int, list[tuple["_Row", np.ndarray]]]:
        """Lays the windows of an RNA.

        Returns:
          Their number; in order, which windows of which row they are.
        """
        starts, _ends = self._tiling.place(len(rna.sequence))
        if len(rna.sequence) < self._tiling.window:
            return len(starts), []
        ids = np.asarray(self._encoding.encode_sequence(rna.sequence))
        stride = self._tiling.stride
        in_step = len(starts) - bool(starts[-1] % stride)
        # Behind the last window in step there is room for windows that do not exist.
        if in_step <= (self._n_kmers - 1) // stride:
            in_step = 0
        places = []
        if in_step:
            first = neighbors.lay(ids[: starts[in_step - 1] + self._n_kmers])
            places.append((neighbors, first + np.arange(in_step)))
        lonely = [apart.lay(ids[s : s + self._n_kmers]) for s in starts[in_step:]]
        if lonely:
            places.append((apart, np.array(lonely)))
        return len(starts), places


class _Row:
    """Stretches of k-mers behind each other, each begun at a multiple of the stride."""

    def __init__(self, stride: int, n_kmers: int):
        self.stride, self._n_kmers = stride, n_kmers
        self.n_windows = 0
        self._stretches: list[np.ndarray] = []

    def lay(self, ids: np.ndarray) -> int:
        """Adds a stretch; returns the number of the window that begins with it."""
        begun = self.n_windows
        behind = -len(ids) % self.stride
        self._stretches.append(np.pad(ids, (0, behind), constant_values=PAD_ID))
        self.n_windows += len(self._stretches[-1]) // self.stride
        return begun

    def ids(self) -> np.ndarray:
        """Returns all k-mers, int64 [n_windows * stride]."""
        return np.concatenate(self._stretches)

    def take(self, mean: np.ndarray, sd: np.ndarray) -> None:
        """Takes the scores of its windows, float64 [n_windows] each."""
        ids = self.ids()
        starts = self.stride * np.arange(self.n_windows)
        # Unknown k-mers have N, and N at the ends of a window are cut off.
        n_odd = np.cumsum(np.isin(ids, [UNKNOWN_ID, PAD_ID]))
        n_odd = np.concatenate([[0], n_odd])
        ends = np.minimum(starts + self._n_kmers, len(ids))
        self._mean = np.where(n_odd[ends] > n_odd[starts], np.nan, mean)
        self._sd = sd

    def scores_at(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the scores of some windows; NaN where one has an unknown letter."""
        return self._mean[windows], self._sd[windows]


def _scores_of(
    n_windows: int, places: Sequence[tuple[_Row, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns those of an RNA; NaN, if its windows are in no row."""
    if not places:
        return np.full(n_windows, np.nan), np.full(n_windows, np.nan)
    means, sds = zip(*(row.scores_at(windows) for row, windows in places), strict=True)
    return np.concatenate(means), np.concatenate(sds)
