"""Files: written whole or not at all; JSON; digests.

A file that is being written lies beside its place, as `.NAME.partial`, and takes its
place by one rename. A lock beside it keeps two processes from writing it at once; a
killed process leaves both, and the next one that writes the file clears them away.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

from deeprke_tf.errors import UserError
from deeprke_tf.system import locks

_SECONDS_TO_WAIT = 10.0  # for another process that writes the same file


class Readable(Protocol):
    """What a digest needs of a file, wherever it lies; a `pathlib.Path` is one."""

    def open(self, mode: str, /) -> Any:
        """Opens it, asked for the mode "rb" alone."""


@contextlib.contextmanager
def path_aside(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`; what is written there becomes `path`.

    For libraries that want a path. The temporary name keeps the ending, which some of
    them read the format from. Nothing stays of it when the block raises.

    Args:
      path: The file to make or to replace; of a link, the file that it leads to.

    Yields:
      The path to write to; no file is there.

    Raises:
      UserError: Another process is writing the same file.
    """
    path = path.resolve()
    partial = partial_path(path)
    with locks.held(path, _SECONDS_TO_WAIT) as is_held:
        if not is_held:
            raise UserError(
                f"Another process is writing {path}; wait for it, or name another file."
            )
        partial.unlink(missing_ok=True)
        try:
            yield partial
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Returns where a file lies while it is written.

    >>> partial_path(Path("runs/QKI/model.keras")).as_posix()
    'runs/QKI/.model.partial.keras'
    """
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[TextIO]:
    """Opens a UTF-8 text file that takes its place when it is whole.

    A pipe or a device, such as `/dev/null`, is written to as it is.
    """
    with _opened(path, "w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.contextmanager
def bytes_written_aside(path: Path) -> Iterator[BinaryIO]:
    """Opens a binary file, as `written_aside` opens a text file."""
    with _opened(path, "wb") as file:
        yield file


@contextlib.contextmanager
def _opened(path: Path, mode: str, **settings: Any) -> Iterator[Any]:
    if path.exists() and not path.is_file():
        with open(path, mode, **settings) as file:
            yield file
        return
    # The file is closed before its path takes its place.
    with path_aside(path) as partial, open(partial, mode, **settings) as file:
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
