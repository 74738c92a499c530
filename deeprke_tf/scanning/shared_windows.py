"""Scores windows of sequence-only models together, where a network allows it.

Neighboring windows share k-mer ids, k-mer counts and the first convolution; see
`networks.window_network`. Left to be scored one by one are windows with an unknown
letter, and RNAs shorter than a window.
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

    Raises:
      UserError: `workers` is below 1.
    """
    if run.reads_structure:
        return None
    # SciPy and h5py, which models that read structure do without.
    from deeprke_tf.networks.window_network import window_network
    from deeprke_tf.networks.window_pool import WindowPool

    n_kmers = tiling.window - run.encoding.k + 1
    networks = []
    for each in run.trainings:
        weights = each.weights
        if weights is None:
            return None
        config = each.config.model
        network = window_network(weights, config, n_kmers, tiling.stride)
        if network is None:
            return None
        networks.append(network)
    return SharedWindows(WindowPool(networks, workers), run.encoding, tiling)


class SharedWindows:
    """The windows of several RNAs, laid behind each other in steps of the stride.

    A context manager, as is its pool.

    Args:
      pool: The networks of all trainings.
      encoding: How k-mer ids are made.
      tiling: Where the windows lie.
    """

    def __init__(self, pool: "WindowPool", encoding: Encoding, tiling: Tiling):
        self._pool, self._encoding, self._tiling = pool, encoding, tiling
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
          few: Whether there are few windows in all; see `WindowPool`.

        Returns:
          A function that waits for the scores of each RNA, float64 [n_windows] each;
          NaN for a window that is to be scored alone.
        """
        ids, slots = self._laid_out(rnas)
        n_slots = len(ids) // self._tiling.stride
        wait = self._pool.start(ids, n_slots, few)

        def scores() -> Scored:
            mean, sd = mean_and_sd(list(wait()))
            mean[self._are_odd(ids, n_slots)] = np.nan
            mean, sd = np.append(mean, np.nan), np.append(sd, np.nan)
            return [(mean[of_rna], sd[of_rna]) for of_rna in slots]

        return scores

    def _laid_out(self, rnas: Sequence[Rna]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Lays RNAs behind each other, and so that each window begins at a slot.

        Returns:
          Ids, int64 [n_slots * stride]; for each RNA the slot of each window, int64
          [n_windows], -1 if it is shorter than a window.
        """
        stride, window = self._tiling.stride, self._tiling.window
        stretches, slots, first = [np.zeros(0, np.int64)], [], 0

        def lay(ids: np.ndarray) -> int:
            nonlocal first
            begun = first
            behind = -len(ids) % stride
            stretches.append(np.pad(ids, (0, behind), constant_values=PAD_ID))
            first += len(stretches[-1]) // stride
            return begun

        for rna in rnas:
            starts, _ends = self._tiling.place(len(rna.sequence))
            if len(rna.sequence) < window:
                slots.append(np.full(len(starts), -1))
                continue
            ids = np.asarray(self._encoding.encode_sequence(rna.sequence))
            of_rna = lay(ids) + starts // stride
            if starts[-1] % stride:
                of_rna[-1] = lay(ids[-self._n_kmers :])
            slots.append(of_rna)
        return np.concatenate(stretches), slots

    def _are_odd(self, ids: np.ndarray, n_slots: int) -> np.ndarray:
        """Tells which slots have no whole window, or one with an unknown letter."""
        starts = self._tiling.stride * np.arange(n_slots)
        # Unknown k-mers have N, and N at the ends of a window are cut off.
        is_odd = np.isin(ids, [UNKNOWN_ID, PAD_ID])
        n_odd = np.concatenate([[0], np.cumsum(is_odd)])
        ends = np.minimum(starts + self._n_kmers, len(ids))
        return n_odd[ends] > n_odd[starts]
