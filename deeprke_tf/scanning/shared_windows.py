"""Scores windows of sequence-only models together, where a network allows it.

Neighboring windows share k-mer ids, k-mer counts and the first convolution; see
`networks.window_network`. Left to be scored one by one are windows with an unknown
letter, the last window of an RNA where it is out of step, and RNAs shorter than a
window.
"""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import PAD_ID, UNKNOWN_ID
from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.folding import n_cores
from deeprke_tf.runs.ensemble import mean_and_sd
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning.windows import Tiling

if TYPE_CHECKING:
    from deeprke_tf.networks.window_network import WindowNetwork

# Of one call of a network: its values stay in the cache of a core.
_WINDOWS_AT_ONCE = 128


def shared_windows(run: Run, tiling: Tiling) -> "SharedWindows | None":
    """Returns a scorer of windows that share work; None: a network does not allow it.

    Args:
      run: The model.
      tiling: Where the windows lie.
    """
    n_kmers = tiling.window - run.encoding.k + 1
    if run.reads_structure:
        return None
    models = [(each.model, each.config.model) for each in run.trainings]
    # It brings Keras, which small scans do without.
    from deeprke_tf.networks.window_network import window_network

    networks = [
        window_network(model, config, n_kmers, tiling.stride)
        for model, config in models
    ]
    known = [network for network in networks if network is not None]
    if len(known) < len(networks):
        return None
    return SharedWindows(known, run.encoding, tiling)


class SharedWindows:
    """The windows of several RNAs, laid behind each other in steps of the stride.

    Args:
      networks: Of each training.
      encoding: How k-mer ids are made.
      tiling: Where the windows lie.
    """

    def __init__(
        self, networks: Sequence["WindowNetwork"], encoding: Encoding, tiling: Tiling
    ):
        self._networks, self._encoding, self._tiling = networks, encoding, tiling
        self._n_kmers = networks[0].n_kmers

    def score(self, rnas: Sequence[Rna]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns probabilities and standard deviations of the windows of each RNA.

        Returns:
          float64 [n_windows] each; NaN for a window that is to be scored alone.
        """
        stride = self._tiling.stride
        stretches = []
        for rna in rnas:
            ids = self._encoding.encode_sequence(rna.sequence)
            behind = -len(ids) % stride
            stretches.append(np.pad(ids, (0, behind), constant_values=PAD_ID))
        n_slots = sum(map(len, stretches)) // stride
        n_calls = -(-n_slots // _WINDOWS_AT_ONCE)
        size = (n_calls * _WINDOWS_AT_ONCE - 1) * stride + self._n_kmers
        ids = np.full(max(size, n_slots * stride), PAD_ID, np.int64)
        if stretches:
            ids[: n_slots * stride] = np.concatenate(stretches)
        mean, sd = mean_and_sd(self._scored(ids, n_calls))
        starts = stride * np.arange(n_calls * _WINDOWS_AT_ONCE)
        # Unknown k-mers have N, and N at the ends of a window are cut off.
        is_odd = (ids == UNKNOWN_ID) | (ids == PAD_ID)
        n_odd = np.concatenate([[0], np.cumsum(is_odd)])
        mean[n_odd[starts + self._n_kmers] > n_odd[starts]] = np.nan
        return self._by_rna(rnas, stretches, mean, sd)

    def _scored(self, ids: np.ndarray, n_calls: int) -> list[np.ndarray]:
        """Returns the probabilities of all windows by each network."""
        stride = self._tiling.stride
        step = _WINDOWS_AT_ONCE * stride
        length = step - stride + self._n_kmers
        calls = [ids[i * step : i * step + length] for i in range(n_calls)]
        # Cores work on calls of their own; within a call, threads would wait.
        with (
            threadpoolctl.threadpool_limits(1, user_api="blas"),
            ThreadPoolExecutor(n_cores()) as threads,
        ):
            of_networks = [
                list(threads.map(functools.partial(_called, network), calls))
                for network in self._networks
            ]
        return [np.concatenate([np.zeros(0), *each]) for each in of_networks]

    def _by_rna(
        self,
        rnas: Sequence[Rna],
        stretches: Sequence[np.ndarray],
        mean: np.ndarray,
        sd: np.ndarray,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the scores of the windows of each RNA, in its order."""
        stride, window = self._tiling.stride, self._tiling.window
        found, first = [], 0
        for rna, ids in zip(rnas, stretches, strict=True):
            starts, _ends = self._tiling.place(len(rna.sequence))
            probabilities = np.full((2, len(starts)), np.nan)
            in_step = (starts % stride == 0) & (starts + window <= len(rna.sequence))
            slots = first + starts[in_step] // stride
            probabilities[:, in_step] = mean[slots], sd[slots]
            found.append((probabilities[0], probabilities[1]))
            first += len(ids) // stride
        return found


def _called(network: "WindowNetwork", ids: np.ndarray) -> np.ndarray:
    return network(ids, _WINDOWS_AT_ONCE)
