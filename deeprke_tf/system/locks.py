"""Crash-safe exclusive locks: which process may write a file or a directory.

The lock of a path is the file `.NAME.lock` beside it. The operating system frees it
when its process dies, however it dies; the next process can then take over.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock


def lock_file(path: Path) -> Path:
    """Returns the lock file of a path, beside it."""
    return path.with_name(f".{path.name}.lock")


@contextlib.contextmanager
def held(path: Path, seconds: float = 0.0) -> Iterator[bool]:
    """Holds the lock of a file or a directory, which need not exist yet.

    Args:
      path: Absolute; the directory that it lies in must be there.
      seconds: How long to wait for another process that holds it; negative: until it
        is free.

    Yields:
      Whether the lock is held; if not, another process has it.
    """
    if path.is_dir() and not os.access(path.parent, os.W_OK):
        # A mounted directory, as containers have it: there is no place beside it.
        yield True
        return
    lock = filelock.FileLock(lock_file(path))
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # Deleted while it is held: a process that has opened it sees that it is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
