"""Networks over windows on all cores, in processes: threads of NumPy would wait."""

import concurrent.futures
import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import threadpoolctl

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.networks.window_network import WindowNetwork
from deeprke_tf.system import processes

# Of one call of a network: its values stay in the cache of a core.
_WINDOWS_AT_ONCE = 64
# A task takes some hundredths of a second.
_WINDOWS_PER_TASK = 8 * _WINDOWS_AT_ONCE


class WindowPool:
    """Computes the probabilities of windows, in the order in which they were given.

    A context manager. The processes start when there is something for them to do.

    Args:
      networks: For windows of one length and distance.
      workers: Processes; all cores if None.

    Raises:
      UserError: `workers` is below 1.
    """

    def __init__(self, networks: Sequence[WindowNetwork], workers: int | None = None):
        require_positive(workers=workers)
        self._networks = tuple(networks)
        self._workers = workers or processes.n_cores()
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> "WindowPool":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def start(
        self, ids: np.ndarray, n_windows: int, few: bool = False
    ) -> Callable[[], np.ndarray]:
        """Starts to compute the probabilities of neighboring windows.

        Args:
          ids: Of neighboring k-mers, int64 [n]; see `WindowNetwork`. Where they end
            within the last windows, padding is added.
          n_windows: Number of windows.
          few: Whether there are so few in all that this process does it alone, as
            others take a second to start.

        Returns:
          A function that waits for the probabilities and returns them, float32
          [n_networks, n_windows]; it raises a UserError if a process died.
        """
        stride, n_kmers = self._networks[0].stride, self._networks[0].n_kmers
        ids = _padded(ids, (n_windows - 1) * stride + n_kmers)
        tasks = [
            ids[first * stride : (first + _WINDOWS_PER_TASK - 1) * stride + n_kmers]
            for first in range(0, n_windows, _WINDOWS_PER_TASK)
        ]
        nothing = np.zeros((len(self._networks), 0), np.float32)
        if few or self._workers == 1:

            def here() -> np.ndarray:
                with threadpoolctl.threadpool_limits(1, user_api="blas"):
                    each = [probabilities(self._networks, task) for task in tasks]
                return np.concatenate([nothing, *each], axis=1)[:, :n_windows]

            return here
        pool = self._running()
        with _death_told():
            started = [pool.submit(_in_worker, task) for task in tasks]

        def wait() -> np.ndarray:
            with _death_told():
                each = [task.result() for task in started]
            return np.concatenate([nothing, *each], axis=1)[:, :n_windows]

        return wait

    def _running(self) -> concurrent.futures.ProcessPoolExecutor:
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self._workers,
                mp_context=processes.SpawnContext(),
                initializer=_begin,
                initargs=(self._networks,),
            )
        return self._pool


@contextlib.contextmanager
def _death_told() -> Iterator[None]:
    try:
        yield
    except concurrent.futures.BrokenExecutor as error:
        raise UserError(
            "A scoring process died, most likely for lack of memory; use fewer "
            "`workers`. What was scored is kept."
        ) from error


def probabilities(networks: Sequence[WindowNetwork], ids: np.ndarray) -> np.ndarray:
    """Returns those of the windows that begin in `ids`, float32 [n_networks, n].

    Each call has as many windows, so that a window has the same probability to the last
    bit wherever it lies.
    """
    stride, n_kmers = networks[0].stride, networks[0].n_kmers
    step = _WINDOWS_AT_ONCE * stride
    length = step - stride + n_kmers
    calls = [
        _padded(ids[start : start + length], length)
        for start in range(0, len(ids) - n_kmers + 1, step)
    ]
    each = [
        np.concatenate([network(call, _WINDOWS_AT_ONCE) for call in calls])
        for network in networks
    ]
    return np.stack(each)


def _padded(ids: np.ndarray, length: int) -> np.ndarray:
    return np.pad(ids, (0, max(0, length - len(ids))), constant_values=PAD_ID)


_networks: Sequence[WindowNetwork] = ()  # of a worker


def _begin(networks: Sequence[WindowNetwork]) -> None:
    global _networks
    processes.end_with_parent()
    threadpoolctl.threadpool_limits(1, user_api="blas")
    _networks = networks


def _in_worker(ids: np.ndarray) -> np.ndarray:
    return probabilities(_networks, ids)
