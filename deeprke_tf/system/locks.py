"""Who may write into a directory, where several processes or machines might.

A run is trained, a scan made and a model exported by the one process that holds the
lock of its directory, the file `.NAME.lock` beside it. A process that dies leaves its
lock free, and its work to the next one, which goes on from what is whole.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from deeprke_tf.runs import run


def lock_file(directory: Path) -> Path:
    """Returns the file that the process at a directory holds; it is beside it."""
    return directory.with_name(f".{directory.name}.lock")


@contextlib.contextmanager
def only_process(directory: Path, *, wait: bool = False) -> Iterator[bool]:
    """Keeps other processes of this package from a directory.

    Args:
      directory: It need not be there yet.
      wait: Wait for a process that is at it.

    Yields:
      Whether it may be written here; not while another process is at it.

    Raises:
      UserError: There is no place for the directory.
    """
    path = directory.resolve()
    if path.is_dir() and not os.access(path.parent, os.W_OK):
        # A mounted directory, as containers have it: there is no place beside it.
        yield True
        return
    run.make_directory(path.parent)
    lock = filelock.FileLock(lock_file(path))
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # Deleted while it is held: who opened it meanwhile sees that it is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
