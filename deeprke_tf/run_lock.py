"""Who may train a run, where several processes or machines might.

A run is trained by the one process that holds its lock, the file `.NAME.lock` beside
it. A process that dies leaves its lock free, and its run to the next one, which goes on
from the last whole epoch.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from deeprke_tf import runs


def lock_file(run: Path) -> Path:
    """Returns the file that the process at a run holds; it is beside the run."""
    return run.with_name(f".{run.name}.lock")


@contextlib.contextmanager
def only_trainer(run: Path) -> Iterator[bool]:
    """Keeps other processes of `train` from a run.

    Args:
      run: Its directory, which need not be there yet.

    Yields:
      Whether the run may be trained here; not while another process is at it.

    Raises:
      UserError: There is no place for the run.
    """
    path = run.resolve()
    if path.is_dir() and not os.access(path.parent, os.W_OK):
        # A mounted directory, as containers have it: there is no place beside it.
        yield True
        return
    runs.make_directory(path.parent)
    lock = filelock.FileLock(lock_file(path))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        yield False
        return
    try:
        yield True
    finally:
        # Deleted while it is held: who opened it meanwhile sees that it is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
