"""This process and its child processes."""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deeprke_tf.errors import UserError


class _Process(multiprocessing.context.SpawnProcess):
    """A process that does not import the script that started it."""

    def start(self) -> None:
        main: dict[str, Any] = vars(sys.modules["__main__"])
        hidden: dict[str, Any] = {
            name: main.pop(name) for name in ("__spec__", "__file__") if name in main
        }
        main["__spec__"] = None
        try:
            with _interrupts_left_to_parent():
                super().start()
        finally:
            main.update(hidden)


@contextlib.contextmanager
def _interrupts_left_to_parent() -> Iterator[None]:
    """Lets a process begin with interrupts blocked, before it can ignore them itself.

    One that comes meanwhile reaches this process afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class SpawnContext(multiprocessing.context.SpawnContext):
    """Starts fresh processes, as a process that has run TensorFlow must not be forked.

    Unlike with `multiprocessing.get_context("spawn")`, they do not import the main
    module: a script needs no `if __name__ == "__main__"`, and children start fast.
    Functions that they run must lie in a module of this package.
    """

    Process = _Process


def n_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone, even by kill -9.

    An interrupt from the keyboard is left to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def wait_for_parent() -> None:
        if parent is not None:
            multiprocessing.connection.wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=wait_for_parent, daemon=True).start()


@contextlib.contextmanager
def death_told(message: str) -> Iterator[None]:
    """Tells of a process of a pool that died.

    Raises:
      UserError: One died; most likely the system ended it for lack of memory.
    """
    try:
        yield
    except concurrent.futures.BrokenExecutor as error:
        raise UserError(message) from error


def shut_down(pool: concurrent.futures.ProcessPoolExecutor) -> None:
    """Ends the processes of a pool; what waits is canceled.

    In Python 3.10 (CPython issue 94777), where processes died while a task was written
    for them, the pool would wait for them to read it, for ever.
    """
    if sys.version_info >= (3, 11):
        pool.shutdown(cancel_futures=True)
        return
    internals: Any = pool
    manager, tasks = internals._executor_manager_thread, internals._call_queue
    pool.shutdown(wait=False, cancel_futures=True)
    while manager is not None and manager.is_alive():
        manager.join(0.05)
        if internals._broken:
            tasks._reader.close()


def command_line() -> str:
    """Returns the command of this process, fit to be given to a shell again."""
    program = [Path(sys.argv[0]).name]
    # `python -m` leaves the path of the module's file, which is no command.
    if module := getattr(sys.modules["__main__"], "__spec__", None):
        program = ["python", "-m", module.name.removesuffix(".__main__")]
    return shlex.join([*program, *sys.argv[1:]])
