"""Calls a function in a new process, which may crash without harm to this one."""

import contextlib
import errno
import logging
import logging.handlers
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from deeprke_tf.errors import UserError
from deeprke_tf.system.processes import SpawnContext, end_with_parent

# How the failure of what found the disk full begins.
NO_ROOM = "there is no room on the disk"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def failure_of(function: Callable[..., object], *arguments: Any) -> str:
    """Calls a function in a new process, which ends with this one.

    A function that runs out of memory or crashes TensorFlow ends only that process. Log
    records of the package are handled here.

    Args:
      function: A module's function; it and its arguments are pickled.
      *arguments: Its arguments.

    Returns:
      Why it failed, in one line; empty if it succeeded.
    """
    context = SpawnContext()
    receiver, sender = context.Pipe(duplex=False)
    level = logging.getLogger("deeprke_tf").getEffectiveLevel()
    process = context.Process(
        target=_call, args=(sender, level, function, arguments), daemon=True
    )
    process.start()
    sender.close()
    answer = None
    try:
        # The pipe ends when the process ends, with or without an answer.
        with contextlib.suppress(EOFError):
            while isinstance(record := receiver.recv(), logging.LogRecord):
                logging.getLogger(record.name).handle(record)
            answer = record
        process.join()
    finally:
        process.kill()
        process.join()
    return _death(process.exitcode or 0) if answer is None else answer


def _death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "killed by the system, most likely out of memory"
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


class _PipeHandler(logging.handlers.QueueHandler):
    """Sends log records through a pipe."""

    def enqueue(self, record: logging.LogRecord) -> None:
        self.queue.send(record)  # type: ignore[attr-defined]


def _call(
    answer: Connection,
    level: int,
    function: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    """Calls the function in this process; sends log records, then why it failed."""
    end_with_parent()
    logger = logging.getLogger("deeprke_tf")
    logger.setLevel(level)
    logger.addHandler(_PipeHandler(answer))  # type: ignore[arg-type]
    answer.send(failure_here(function, *arguments))


def _is_full_disk(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def failure_here(function: Callable[..., object], *arguments: Any) -> str:
    """Calls a function in this process; returns why it failed, or an empty string."""
    try:
        function(*arguments)
    except Exception as error:  # A trial that fails must not end the search.
        if _is_full_disk(error):
            return f"{NO_ROOM}: {error}"
        if isinstance(error, UserError):
            return str(error)
        name = type(error).__name__
        if isinstance(error, MemoryError) or name == "ResourceExhaustedError":
            name = "out of memory"  # of the machine, or of TensorFlow's device
        return f"{name}: {(str(error).splitlines() or [''])[0]}"
    return ""
