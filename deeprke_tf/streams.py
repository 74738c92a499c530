"""Text files as bytes: plain or gzip, on disk, from a pipe or standard input."""

import contextlib
import gzip
import io
import sys
from typing import Any, Protocol, cast, runtime_checkable

_GZIP_MAGIC = b"\x1f\x8b"
_UTF8_MARK = b"\xef\xbb\xbf"
_BUFFER_SIZE = 1 << 17  # bytes
_LONGEST_LINE = 1 << 20  # bytes; a binary file may have no line end at all


@runtime_checkable
class File(Protocol):
    """What reading asks of a file, wherever it lies; a `pathlib.Path` is one."""

    @property
    def name(self) -> str:
        """The last part of its path."""

    def exists(self) -> bool:
        """Tells whether anything is there."""

    def is_file(self) -> bool:
        """Tells whether it can be read more than once."""

    def open(self, mode: str, /) -> Any:
        """Opens it; asked for the mode "rb" alone, its bytes as they are."""


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
          error: What reading ended with.
        """
        n_behind = 0
        if isinstance(error, UnicodeDecodeError):
            # The bytes are decoded many at once; some lines lie behind the wrong one.
            n_behind = error.object.count(b"\n", error.start)
        return self._n_line_ends - n_behind + 1


def replay(head: bytes, rest: io.BufferedIOBase) -> io.BufferedReader:
    """Returns a stream of `head` and, after it, `rest`.

    >>> replay(b">site", io.BytesIO(b" 1")).read()
    b'>site 1'
    """
    return io.BufferedReader(_Replayed(head, rest), _BUFFER_SIZE)


def open_bytes(path: File | None, closing: contextlib.ExitStack) -> io.BufferedReader:
    """Opens a file, plain or gzip by its first bytes.

    Args:
      path: The file; None: standard input, which stays open.
      closing: Closes what is opened here.

    Returns:
      The uncompressed bytes, without the byte order mark of UTF-8.

    Raises:
      OSError: The file cannot be opened.
      EOFError, OSError, zlib.error: The gzip data are cut off or damaged; also raised
        by a later read of the stream.
    """
    stream: io.BufferedIOBase
    if path is None:
        stream = cast(io.BufferedIOBase, sys.stdin.buffer)
    else:
        stream = closing.enter_context(path.open("rb"))
    magic = stream.read(len(_GZIP_MAGIC))
    stream = replay(magic, stream)
    if magic == _GZIP_MAGIC:
        stream = closing.enter_context(gzip.GzipFile(fileobj=stream, mode="rb"))
    mark = stream.read(len(_UTF8_MARK))
    return replay(b"" if mark == _UTF8_MARK else mark, stream)


def first_line(stream: io.BufferedReader) -> tuple[str, int, io.BufferedReader]:
    r"""Reads the line that tells what a file is.

    >>> first_line(replay(b"# by hand\n", io.BytesIO(b">site 1\nAC")))[:2]
    ('>site 1', 2)

    Args:
      stream: The file from its beginning.

    Returns:
      The first FASTA header, if only comments (`#`) precede it, else the first line
      that is not blank, without white space around it; empty if there is none. Its
      number, from 1. And the file, again from its beginning.

    Raises:
      UnicodeDecodeError: The line is not UTF-8.
    """
    head = b""
    first, number = "", 0
    for row, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), 1):
        head += line
        # A letter may be cut where a very long line is.
        is_cut = len(line) == _LONGEST_LINE and not line.endswith(b"\n")
        text = line.decode("utf-8", "ignore" if is_cut else "strict")
        # `readline` takes a file with the line ends of old Macs for one line.
        text = text.strip().partition("\r")[0]
        if text.startswith(">"):
            first, number = text, row
            break
        if not first:
            first, number = text, row
        if text and not text.startswith("#"):
            break
    return first, number, replay(head, stream)
