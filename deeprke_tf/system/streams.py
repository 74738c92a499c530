"""Text files as bytes: plain or compressed, on disk, from a pipe or standard input."""

import bz2
import contextlib
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from deeprke_tf.errors import UserError

LONGEST_HEAD = 1 << 26  # bytes of comments above a table or FASTA

_UTF8_MARK = b"\xef\xbb\xbf"
_BUFFER_SIZE = 1 << 17  # bytes
_LONGEST_LINE = 1 << 20  # bytes; a binary file may have no line end at all
_MOST_COMPRESSIONS = 3
# What reading compressed data that are cut off or damaged raises; bzip2 an OSError.
DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)
_DAMAGED = (*DAMAGED, OSError)


@runtime_checkable
class File(Protocol):
    """A file on any file system, as reading needs it; a `pathlib.Path` is one."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def exists(self) -> bool:
        """Tells whether it exists."""

    def is_file(self) -> bool:
        """Tells whether it can be read more than once."""

    def open(self, mode: str, /) -> Any:
        """Opens it; the mode is always "rb"."""


class _Replayed(io.RawIOBase):
    """A stream whose first bytes were read already: a pipe cannot go back."""

    def __init__(self, head: bytes, rest: io.BufferedIOBase):
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self._head:
            data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            data = self._rest.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Zstandard(io.RawIOBase):
    """Decompressed frames; the reader of zstandard does not notice missing ones."""

    def __init__(self, stream: io.BufferedIOBase, zstandard: Any):
        self._stream, self._zstandard = stream, zstandard
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._data = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._data:
            # Few bytes at once: they may decompress to 30,000 times as many.
            compressed = self._frame.unused_data or self._stream.read(1 << 10)
            if self._frame.eof:
                if not compressed:
                    return 0
                self._frame = self._zstandard.ZstdDecompressor().decompressobj()
            elif not compressed:
                raise EOFError("the last frame has no end")
            try:
                self._data = self._frame.decompress(compressed)
            except self._zstandard.ZstdError as error:
                raise OSError(str(error)) from error
        data, self._data = self._data[: len(buffer)], self._data[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


class LineCounter(io.BufferedReader):
    r"""A stream that knows where reading ended, for errors that name the line.

    >>> lines = LineCounter(replay(b">site\nACGU\n\xff\n", io.BytesIO()))
    >>> try:
    ...     io.TextIOWrapper(lines, "utf-8").readlines()
    ... except UnicodeDecodeError as error:
    ...     lines.line_of(error)
    3
    """

    def __init__(self, stream: io.BufferedReader):
        super().__init__(stream.detach(), _BUFFER_SIZE)
        self._n_line_ends = 0

    def read1(self, size: int = -1, /) -> bytes:
        """Reads some bytes, as a `TextIOWrapper` does, and counts their lines."""
        data = super().read1(size)
        self._n_line_ends += data.count(b"\n")
        return data

    def line_of(self, error: BaseException) -> int:
        """Returns the number of the line, from 1, that could not be read.

        Args:
          error: The error that ended reading.
        """
        n_behind = 0
        if isinstance(error, UnicodeDecodeError):
            # The bytes are decoded many at once; some lines lie behind the wrong one.
            n_behind = error.object.count(b"\n", error.start)
        return self._n_line_ends - n_behind + 1


class TextError(Exception):
    """Text that cannot be read, with the number of its line from 1."""

    def __init__(self, cause: str, line: int):
        super().__init__(cause)
        self.line = line


UNREADABLE = (*_DAMAGED, UnicodeError, TextError)


def unreadable(
    name: str, error: BaseException, lines: LineCounter | None = None
) -> UserError:
    """Returns the error for a user of a file that cannot be read to its end.

    Args:
      name: The file.
      error: One of `UNREADABLE`.
      lines: The stream that was read, if reading got that far.
    """
    if isinstance(error, OSError) and error.strerror:
        return UserError(f"Cannot read {name}: {error.strerror}.")
    cause = str(error).rstrip(".")
    if isinstance(error, UnicodeError):
        cause = "this is not UTF-8 text; expected FASTA or a table"
    elif isinstance(error, _DAMAGED):
        cause = f"the compressed data are cut off or damaged ({cause})"
    line = getattr(error, "line", None) or (lines and lines.line_of(error))
    place = f" from line {line} on" if line else ""
    return UserError(f"{name} cannot be read{place}: {cause}.")


def is_compressed(head: bytes) -> bool:
    """Tells by the first bytes of a file whether `open_bytes` decompresses it.

    >>> is_compressed(gzip.compress(b">site")), is_compressed(b">site")
    (True, False)
    """
    return any(head.startswith(magic) for magic in _OPENERS)


def replay(head: bytes, rest: io.BufferedIOBase) -> io.BufferedReader:
    """Returns a stream of `head` and, after it, `rest`.

    >>> replay(b">site", io.BytesIO(b" 1")).read()
    b'>site 1'
    """
    return io.BufferedReader(_Replayed(head, rest), _BUFFER_SIZE)


def open_bytes(path: File | None, closing: contextlib.ExitStack) -> io.BufferedReader:
    """Opens a file, and decompresses it if its first bytes are those of a known format.

    Args:
      path: The file: plain, gzip, bzip2, xz or, with the package zstandard, Zstandard;
        also compressed twice. None: standard input, which stays open.
      closing: Closes the opened files.

    Returns:
      The uncompressed bytes, without the byte order mark of UTF-8.

    Raises:
      UserError: The file is a zip archive, or UTF-16 text.
      OSError: The file cannot be opened.
      EOFError, OSError, zlib.error, lzma.LZMAError: The compressed data are cut off or
        damaged; also raised by a later read of the stream.
    """
    stream: io.BufferedIOBase
    if path is None:
        if sys.stdin is None:
            raise UserError("Standard input is closed.")
        stream = cast(io.BufferedIOBase, sys.stdin.buffer)
    else:
        stream = closing.enter_context(path.open("rb"))
    name = "standard input" if path is None else str(path)
    for _ in range(_MOST_COMPRESSIONS):
        head = stream.read(_LONGEST_MAGIC)
        stream = replay(head, stream)
        opener = next((_OPENERS[m] for m in _OPENERS if head.startswith(m)), None)
        if opener is None:
            break
        stream = closing.enter_context(opener(stream))
    for magic, fault in _REFUSED.items():
        if head.startswith(magic):
            raise UserError(f"{name} is {fault}.")
    mark = stream.read(len(_UTF8_MARK))
    return replay(b"" if mark == _UTF8_MARK else mark, stream)


def _zstandard(stream: Any) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise UserError(
            "The file is compressed with Zstandard; decompress it, or install the "
            "package zstandard."
        ) from error
    return io.BufferedReader(_Zstandard(stream, zstandard), _BUFFER_SIZE)


_OPENERS: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
    b"\x28\xb5\x2f\xfd": _zstandard,
}
_REFUSED = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
_LONGEST_MAGIC = max(map(len, _OPENERS))


def first_lines(stream: io.BufferedReader) -> tuple[list[str], io.BufferedReader]:
    r"""Reads the lines that tell the format of a file.

    >>> first_lines(replay(b"# by hand\n", io.BytesIO(b">site 1\nAC")))[0]
    ['# by hand', '>site 1']

    Args:
      stream: The file from its beginning.

    Returns:
      The lines up to the first one that is neither blank nor a comment (`#`), without
      white space around them; and the file, again from its beginning.

    Raises:
      TextError: The comments do not end, or no header is UTF-8 text.
    """
    head: list[bytes] = []
    lines: list[str] = []
    n_bytes = 0
    while data := stream.readline(_LONGEST_LINE):
        head.append(data)
        n_bytes += len(data)
        text = data.decode("utf-8", "replace")
        # `readline` takes a file with the line ends of old Macs for one line.
        lines.append(text.strip().partition("\r")[0])
        if lines[-1] and not lines[-1].startswith("#"):
            break
        if n_bytes > LONGEST_HEAD:
            raise TextError("only comments and blank lines", len(lines))
    # The last letter may be cut where a very long line is.
    if lines and "\ufffd" in lines[-1][:-1] and not lines[-1].startswith(">"):
        raise TextError("this is not UTF-8 text", len(lines))
    return lines, replay(b"".join(head), stream)
