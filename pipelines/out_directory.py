"""The directory of a dataset: written aside, it takes its name when it is whole."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deeprke_tf import dataset_info
from deeprke_tf.errors import UserError

SKIPPED_FILE_NAME = "skipped.tsv"
_LOCK_FILE_NAME = "lock"


@contextlib.contextmanager
def written_aside(out: Path, overwrite: bool) -> Iterator[Path]:
    """Gives a directory to write in; if that ends well it becomes `out`.

    If it does not, nothing of it stays and what was at `out` is as before.

    Args:
      out: The directory to make.
      overwrite: Whether a dataset that is there already is replaced.

    Raises:
      UserError: Something is in the way, or the disk cannot be written.
    """
    try:
        # Absolute and not a link: it can be moved, and what lies beside it has a name.
        out = out.resolve()
        _refuse_what_is_in_the_way(out, overwrite)
        partial = out.with_name(out.name + ".partial")
        if partial.exists() and not _is_left_by_a_run(partial):
            raise UserError(f"{partial} is in the way; rename it.")
        partial.mkdir(parents=True, exist_ok=True)
        lock = _locked(partial / _LOCK_FILE_NAME, out)
        try:
            _remove_leftovers(partial)
            yield partial
            lock.close()
            (partial / _LOCK_FILE_NAME).unlink()
            _put_in_place(partial, out)
        finally:
            lock.close()
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, sqlite3.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot write {out}: {cause}.") from error


def _refuse_what_is_in_the_way(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a directory.")
    if out.is_mount():
        raise UserError(f"--out {out} is a mount point; name a directory in it.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not overwrite:
        raise UserError(f"--out {out} is not empty; name another, or add --overwrite.")
    if not (out / dataset_info.FILE_NAME).is_file():
        raise UserError(
            f"--out {out} holds other files but no dataset ({dataset_info.FILE_NAME}); "
            "--overwrite replaces a dataset only. Name another directory."
        )


def _is_left_by_a_run(partial: Path) -> bool:
    names = [path.name for path in partial.iterdir()] if partial.is_dir() else [""]
    return not names or _LOCK_FILE_NAME in names


def _locked(path: Path, out: Path) -> sqlite3.Connection:
    """Returns a lock that ends with this process, be it by kill -9."""
    lock = sqlite3.connect(path, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        raise UserError(
            f"Another run is writing --out {out}; wait for it, or name another."
        ) from error
    return lock


def _remove_leftovers(partial: Path) -> None:
    """Removes what a killed run left: none of it is needed, the folds are cached."""
    for path in partial.iterdir():
        if path.name != _LOCK_FILE_NAME:
            path.unlink()


def _put_in_place(partial: Path, out: Path) -> None:
    """Moves a whole dataset to `out`; files of others that lie there stay there."""
    if not out.exists():
        os.replace(partial, out)
        return
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f"{out.name}.replaced-"))
    os.replace(out, aside / out.name)
    os.replace(partial, out)
    for path in (aside / out.name).iterdir():
        if not _is_of_a_dataset(path.name):
            os.replace(path, out / path.name)
    shutil.rmtree(aside)


def _is_of_a_dataset(file_name: str) -> bool:
    return file_name.endswith(".tfrecord.gz") or file_name in (
        dataset_info.FILE_NAME,
        SKIPPED_FILE_NAME,
    )
