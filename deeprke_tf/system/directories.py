"""Output directories: made, locked for one process, or replaced in one step."""

import contextlib
import ctypes
import dataclasses
import errno
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.system import files, locks

# Arguments of `renameat2` of Linux.
_CURRENT_DIRECTORY, _EXCHANGE = -100, 2


def make_directory(path: Path) -> None:
    """Makes a directory for output and its parents, unless it exists.

    Raises:
      UserError: A file has this name, or the directory cannot be written to.
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
    """Holds the lock of a directory, so that one process at a time writes there.

    Args:
      directory: Need not exist; its parents are made.
      wait: Wait for the process that holds the lock.

    Yields:
      Whether the lock is held; if not, another process has it.

    Raises:
      UserError: The parents cannot be made.
    """
    path = directory.resolve()
    if not path.is_dir():
        make_directory(path.parent)
    with locks.held(path, -1.0 if wait else 0.0) as is_held:
        yield is_held


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a directory holds, such as a dataset.

    Attributes:
      noun: The word for it in messages.
      marker: Name of the file that is written last and marks a complete one.
      others: Regular expression that matches the names of its other files.
    """

    noun: str
    marker: str
    others: str

    def owns(self, file_name: str) -> bool:
        """Tells whether a file is part of it, and is deleted when it is replaced."""
        return file_name == self.marker or bool(re.fullmatch(self.others, file_name))

    def refuse_to_replace(
        self, out: str, names: Sequence[str], overwrite: bool
    ) -> None:
        """Refuses a directory that is not empty, unless it may be replaced.

        Args:
          out: The directory.
          names: Names of the files in it.
          overwrite: Whether one of this kind may be replaced.

        Raises:
          UserError: The directory must stay.
        """
        if names and not overwrite:
            raise UserError(
                f"`out` {out} is not empty; name another, or give `overwrite=True`."
            )
        if names and self.marker not in names:
            raise UserError(
                f"`out` {out} holds other files but no {self.noun} ({self.marker}); "
                f"`overwrite=True` replaces a {self.noun} only. Name another directory."
            )


@contextlib.contextmanager
def directory_aside(out: Path, overwrite: bool, kind: Kind) -> Iterator[Path]:
    """Yields an empty directory that becomes `out` when the block ends well.

    It lies beside `out`, as `.NAME.partial`. When the block raises, it is removed and
    `out` stays as it was. After a kill at any moment the same call starts again, and
    files in `out` that are not of this kind are kept.

    Args:
      out: The directory to make.
      overwrite: Whether to replace a directory of this kind.
      kind: What the directory will hold.

    Raises:
      UserError: `out` must stay or cannot be written, or another process writes it.
    """
    try:
        # Absolute and no link, so that it can be renamed and has a parent.
        out = out.resolve()
        if out.exists() and not out.is_dir():
            raise UserError(f"`out` {out} is a file; name a directory.")
        if out.is_mount():
            raise UserError(f"`out` {out} is a mount point; name a directory in it.")
        make_directory(out.parent)
        with locks.held(out) as is_held:
            if not is_held:
                raise UserError(
                    f"Another process is writing `out` {out}; wait for it, or name "
                    "another."
                )
            partial = out.with_name(f".{out.name}.partial")
            was_being_replaced = overwrite and (partial / kind.marker).exists()
            _clear_up(partial, out, kind)
            if out.exists() and not was_being_replaced:
                names = [path.name for path in out.iterdir()]
                kind.refuse_to_replace(str(out), names, overwrite)
            partial.mkdir()
            try:
                yield partial
                _put_in_place(partial, out, kind)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise UserError(f"Cannot write {out}: {error.strerror or error}.") from error


def _put_in_place(partial: Path, out: Path, kind: Kind) -> None:
    """Moves a complete directory to `out`; files of other kinds stay in `out`."""
    if not out.exists():
        os.replace(partial, out)
    elif out == Path.cwd().resolve():
        # The directory must stay: a shell may be in it.
        _move_into(partial, out, kind)
    else:
        if not _exchange(partial, out):
            os.replace(out, _replaced(partial))
            os.replace(partial, out)
        _clear_up(partial, out, kind)


def _clear_up(partial: Path, out: Path, kind: Kind) -> None:
    """Removes a replaced directory, and leftovers of a killed process beside `out`."""
    if _replaced(partial).exists() and not out.exists():
        os.replace(_replaced(partial), out)
    temporary = files.unfinished_names(kind.marker)
    for left in (partial, _replaced(partial)):
        if out.is_dir() and (left / kind.marker).exists():
            for path in left.iterdir():
                if not kind.owns(path.name) and path.name not in temporary:
                    os.replace(path, out / path.name)
        if left.exists():
            shutil.rmtree(left)


def _replaced(partial: Path) -> Path:
    return partial.with_suffix(".replaced")


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two directories in one step, where the operating system can."""
    names = os.fsencode(first), os.fsencode(second)
    try:
        swap = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):  # not Linux
        return False
    return (
        swap(_CURRENT_DIRECTORY, names[0], _CURRENT_DIRECTORY, names[1], _EXCHANGE) == 0
    )


def _move_into(partial: Path, out: Path, kind: Kind) -> None:
    """Replaces the files of one kind; without the marker they never look complete."""
    old = [path for path in out.iterdir() if kind.owns(path.name)]
    for path in sorted(old, key=lambda path: path.name != kind.marker):
        path.unlink()
    for path in sorted(partial.iterdir(), key=lambda path: path.name == kind.marker):
        os.replace(path, out / path.name)
