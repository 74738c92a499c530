"""Atomic writes, JSON and digests of files.

A file is written to a temporary path beside its own (`partial_path`) and then renamed:
it is never seen half written. A lock file (`locks.lock_file`) keeps two processes from
writing it at once. A killed process leaves both; the next one to write the file removes
them.
"""

import contextlib
import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

from deeprke_tf.errors import UserError
from deeprke_tf.system import locks

SECONDS_TO_WAIT = 10.0  # for another process that writes the same file
_DISK_IS_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Readable(Protocol):
    """A file on any file system, as `sha256` reads it; a `pathlib.Path` is one."""

    def open(self, mode: str, /) -> Any:
        """Opens the file; the mode is always "rb"."""


@contextlib.contextmanager
def path_aside(path: Path) -> Iterator[Path]:
    """Yields a temporary path whose file replaces `path` when the block ends well.

    For libraries that take a path, not an open file. The temporary path has the suffix
    of `path`, from which some of them tell the format. It is removed when the block
    raises. A pipe or a device, such as `/dev/null`, is not replaced: its own path is
    yielded.

    Args:
      path: The file to make or replace. A link stays; its target is replaced.

    Raises:
      UserError: Another process is writing the same file.
      OSError: The file cannot be written; `filename` is `path`.
    """
    if _is_stream(path):
        yield path
        return
    target = path.resolve()
    partial = partial_path(target)
    try:
        with locks.held(target, SECONDS_TO_WAIT) as is_held:
            if not is_held:
                raise UserError(
                    f"Another process is writing {path}; wait for it, or name another "
                    "file."
                )
            partial.unlink(missing_ok=True)
            try:
                yield partial
                os.replace(partial, target)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        # A user knows the file by its own name; a failed write has no name at all.
        is_full = error.filename is None and error.errno in _DISK_IS_FULL
        if is_full or error.filename in (str(partial), str(locks.lock_file(target))):
            error.filename = str(path)
        raise


def _is_stream(path: Path) -> bool:
    # `/dev/stdout` may lead to a regular file, which others write to as well.
    if path.absolute().parent in (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd")):
        return True
    return path.exists() and not path.is_file()


def partial_path(path: Path) -> Path:
    """Returns the temporary path of a file that is being written.

    >>> partial_path(Path("runs/QKI/model.keras")).as_posix()
    'runs/QKI/.model.partial.keras'
    """
    return path.with_name(f".{path.stem}.partial{path.suffix}")


def unfinished_names(name: str) -> set[str]:
    """Returns the names of the files that a killed process leaves beside a file."""
    return {partial_path(Path(name)).name, locks.lock_file(Path(name)).name}


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[TextIO]:
    """Opens a UTF-8 text file to write by `path_aside`."""
    with (
        bytes_written_aside(path) as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as file,
    ):
        yield file


@contextlib.contextmanager
def bytes_written_aside(path: Path) -> Iterator[BinaryIO]:
    """Opens a binary file to write by `path_aside`."""
    with (
        path_aside(path) as partial,
        # Standard output that a shell appends to a file must not be cut off.
        open(partial, "ab") if partial == path else open(partial, "wb") as file,
    ):
        yield file


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
      UserError: It cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {error}.") from error


def write_json(path: Path, contents: Any) -> None:
    """Writes JSON, indented, by `written_aside`."""
    with written_aside(path) as file:
        file.write(json.dumps(contents, indent=2) + "\n")


def sha256(path: Readable) -> str:
    """Returns the SHA-256 of a file, hexadecimal, reading it in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
