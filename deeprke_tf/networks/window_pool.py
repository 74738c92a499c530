"""Networks over windows on all cores, in processes: threads of NumPy would wait."""

import concurrent.futures
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks import window_network
from deeprke_tf.networks.window_network import WindowNetwork
from deeprke_tf.system import processes

if TYPE_CHECKING:
    from deeprke_tf.networks.saved_weights import SavedNetwork

# Of one call of a network: its values stay in the cache of a core.
_WINDOWS_AT_ONCE = 64
_DIED = (
    "A scoring process died, most likely for lack of memory; use fewer `workers`. What "
    "was scored is kept."
)


@dataclasses.dataclass(frozen=True)
class WindowNetworks:
    """The networks of all trainings of a model, for windows of one length.

    Small, as it is sent to processes: a process that died could not take much.

    Attributes:
      saved: Where each lies.
      configs: The shape of each.
      n_kmers: Of a window.
    """

    saved: tuple["SavedNetwork", ...]
    configs: tuple[ModelConfig, ...]
    n_kmers: int

    def are_possible(self) -> bool:
        """Tells whether there is a network over windows for each."""
        for saved, config in zip(self.saved, self.configs, strict=True):
            weights = saved.weights()
            if weights is None:
                return False
            if not window_network.is_possible(weights, config, self.n_kmers):
                return False
        return True

    def load(self, stride: int) -> list[WindowNetwork]:
        """Reads the networks, which are possible, for windows at this distance."""
        networks = []
        for saved, config in zip(self.saved, self.configs, strict=True):
            weights = saved.weights()
            assert weights is not None
            networks.append(WindowNetwork(weights, config, self.n_kmers, stride))
        return networks


class WindowPool:
    """Computes the probabilities of windows, in the order in which they were given.

    A context manager. The processes start when there is something for them to do.

    Args:
      networks: Of all trainings; they are possible.
      workers: Processes; all cores if None.

    Attributes:
      workers: Number of processes.
    """

    # A task takes some hundredths of a second.
    windows_per_task = 8 * _WINDOWS_AT_ONCE

    def __init__(self, networks: WindowNetworks, workers: int | None = None):
        self.workers = workers or processes.n_cores()
        self._networks = networks
        self._here = _Loaded(networks)
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> "WindowPool":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._pool:
            processes.shut_down(self._pool)

    def start(
        self, ids: np.ndarray, n_windows: int, stride: int, few: bool = False
    ) -> Callable[[], np.ndarray]:
        """Starts to compute the probabilities of windows at regular distances.

        Args:
          ids: Of neighboring k-mers, int64 [n]; see `WindowNetwork`. Where they end
            within the last windows, padding is added.
          n_windows: Number of windows.
          stride: From one window to the next.
          few: Whether there are so few in all that this process does it alone, as
            others take a while to start.

        Returns:
          A function that waits for the probabilities and returns them, float32
          [n_networks, n_windows]; it raises a UserError if a process died.
        """
        n_kmers = self._networks.n_kmers
        ids = _padded(ids, max(0, n_windows - 1) * stride + n_kmers)
        each = self.windows_per_task
        tasks = [
            ids[first * stride : (first + each - 1) * stride + n_kmers]
            for first in range(0, n_windows, each)
        ]
        nothing = np.zeros((len(self._networks.saved), 0), np.float32)
        if few or self.workers == 1:

            def here() -> np.ndarray:
                with threadpoolctl.threadpool_limits(1, user_api="blas"):
                    found = [self._here.probabilities(task, stride) for task in tasks]
                return np.concatenate([nothing, *found], axis=1)[:, :n_windows]

            return here
        with processes.death_told(_DIED):
            started = [
                self._running().submit(_in_worker, task, stride) for task in tasks
            ]

        def wait() -> np.ndarray:
            with processes.death_told(_DIED):
                found = [task.result() for task in started]
            return np.concatenate([nothing, *found], axis=1)[:, :n_windows]

        return wait

    def _running(self) -> concurrent.futures.ProcessPoolExecutor:
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self.workers,
                mp_context=processes.SpawnContext(),
                initializer=_begin,
                initargs=(self._networks,),
            )
        return self._pool


class _Loaded:
    """Networks that are read when windows at their distance are first asked for."""

    def __init__(self, networks: WindowNetworks):
        self._networks = networks
        self._by_stride: dict[int, list[WindowNetwork]] = {}

    def probabilities(self, ids: np.ndarray, stride: int) -> np.ndarray:
        """Returns those of the windows that begin in `ids`, float32 [n_networks, n].

        Each call of a network has as many windows, as products of other shapes round
        differently.
        """
        if stride not in self._by_stride:
            self._by_stride[stride] = self._networks.load(stride)
        n_kmers = self._networks.n_kmers
        step = _WINDOWS_AT_ONCE * stride
        length = step - stride + n_kmers
        calls = [
            _padded(ids[start : start + length], length)
            for start in range(0, len(ids) - n_kmers + 1, step)
        ]
        each = [
            np.concatenate([network(call, _WINDOWS_AT_ONCE) for call in calls])
            for network in self._by_stride[stride]
        ]
        return np.stack(each)


def _padded(ids: np.ndarray, length: int) -> np.ndarray:
    return np.pad(ids, (0, max(0, length - len(ids))), constant_values=PAD_ID)


_loaded: _Loaded  # of a worker


def _begin(networks: WindowNetworks) -> None:
    global _loaded
    processes.end_with_parent()
    threadpoolctl.threadpool_limits(1, user_api="blas")
    _loaded = _Loaded(networks)


def _in_worker(ids: np.ndarray, stride: int) -> np.ndarray:
    return _loaded.probabilities(ids, stride)
