"""Directories of results: made, held by one process, and swapped in when whole."""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.system import locks

_LOCK_FILE_NAME = "lock"


def make_directory(path: Path) -> None:
    """Makes a directory for output, with those above it, unless it is there.

    Raises:
      UserError: A file is in the way, or the directory cannot be written to.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; name a directory.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {path}: {error.strerror}.") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"Cannot write to {path}: {os.strerror(errno.EACCES)}.")


@contextlib.contextmanager
def only_process(directory: Path, *, wait: bool = False) -> Iterator[bool]:
    """Keeps other processes of this package from a directory.

    Args:
      directory: It need not be there yet; those above it are made.
      wait: Wait for the process that has it.

    Yields:
      Whether it may be written here; not while another process holds it.

    Raises:
      UserError: The directories above it cannot be made.
    """
    path = directory.resolve()
    if not path.is_dir():
        make_directory(path.parent)
    with locks.held(path, -1.0 if wait else 0.0) as is_held:
        yield is_held


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a directory holds.

    Attributes:
      noun: One of them, in words.
      marker: The file that tells that one is whole.
      others: What its other files are called, as a regular expression.
    """

    noun: str
    marker: str
    others: str

    def owns(self, file_name: str) -> bool:
        """Tells whether a file is part of one, and goes when it is replaced."""
        return file_name == self.marker or bool(re.fullmatch(self.others, file_name))

    def refuse_to_replace(
        self, out: str, names: Sequence[str], overwrite: bool
    ) -> None:
        """Refuses a directory that holds anything, unless one of these to replace.

        Args:
          out: The directory.
          names: Of the files in it.
          overwrite: Whether it may be replaced.

        Raises:
          UserError: It must stay.
        """
        if names and not overwrite:
            raise UserError(
                f"--out {out} is not empty; name another, or add --overwrite."
            )
        if names and self.marker not in names:
            raise UserError(
                f"--out {out} holds other files but no {self.noun} ({self.marker}); "
                f"--overwrite replaces a {self.noun} only. Name another directory."
            )


@contextlib.contextmanager
def directory_aside(out: Path, overwrite: bool, kind: Kind) -> Iterator[Path]:
    """Gives a directory to write in; if that ends well it becomes `out`.

    If it does not, nothing of it stays and what was at `out` is as before.

    Args:
      out: The directory to make.
      overwrite: Whether what is there already, and of this kind, is replaced.
      kind: What the directory will hold.

    Raises:
      UserError: Something is in the way, or the disk cannot be written.
    """
    try:
        # Absolute and not a link: it can be moved, and what lies beside it has a name.
        out = out.resolve()
        _refuse_what_is_in_the_way(out, overwrite, kind)
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
            _put_in_place(partial, out, kind)
        finally:
            lock.close()
            shutil.rmtree(partial, ignore_errors=True)
    except (OSError, sqlite3.Error) as error:
        cause = getattr(error, "strerror", None) or error
        raise UserError(f"Cannot write {out}: {cause}.") from error


def _refuse_what_is_in_the_way(out: Path, overwrite: bool, kind: Kind) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; name a directory.")
    if out.is_mount():
        raise UserError(f"--out {out} is a mount point; name a directory in it.")
    if out.is_dir():
        names = [path.name for path in out.iterdir()]
        kind.refuse_to_replace(str(out), names, overwrite)


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


def _put_in_place(partial: Path, out: Path, kind: Kind) -> None:
    """Moves what is whole to `out`; files of others that lie there stay there."""
    if not out.exists():
        os.replace(partial, out)
        return
    if out == Path.cwd().resolve():
        # The shell that is in it would be left in a directory that is gone.
        _move_into(partial, out, kind)
        return
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f"{out.name}.replaced-"))
    os.replace(out, aside / out.name)
    os.replace(partial, out)
    for path in (aside / out.name).iterdir():
        if not kind.owns(path.name):
            os.replace(path, out / path.name)
    shutil.rmtree(aside)


def _move_into(partial: Path, out: Path, kind: Kind) -> None:
    """Replaces what a directory holds; without its marker it never looks whole."""
    old = [path for path in out.iterdir() if kind.owns(path.name)]
    for path in sorted(old, key=lambda path: path.name != kind.marker):
        path.unlink()
    for path in sorted(partial.iterdir(), key=lambda path: path.name == kind.marker):
        os.replace(path, out / path.name)
