"""Text files as bytes: plain or gzip, on disk, from a pipe or standard input."""

import codecs
import contextlib
import gzip
import io
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import dnaio

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


class _Record(NamedTuple):
    """A FASTA record; unlike dnaio's own it bears letters that are not ASCII."""

    name: str
    sequence: str
    qualities: None = None


def fasta_records(stream: io.BufferedReader) -> Iterator[tuple[str, str]]:
    r"""Yields header and sequence of each record of a FASTA file, as dnaio does.

    Records of nothing but letters are cut out of whole blocks, in half of the time;
    dnaio gets the others.

    >>> lines = replay(b"# two\n>site 1\nAC\nGU\n>site 2\nA C\n", io.BytesIO())
    >>> [tuple(record[:2]) for record in fasta_records(lines)]
    [('site 1', 'ACGU'), ('site 2', 'A C')]

    Args:
      stream: The file, from its beginning.

    Raises:
      UnicodeDecodeError: It is not UTF-8.
      dnaio.FileFormatError: There is text before the first header.
    """
    mark = ""
    for text in _cut_at_headers(stream):
        header, _line_end, lines = text.partition("\n")
        sequence = lines.replace("\n", "")
        if mark and sequence.isalpha():
            yield header.rstrip(), sequence
        else:
            odd = io.BytesIO((mark + text).encode())
            for record in dnaio.FastaReader(odd, sequence_class=_Record):
                yield record.name, record.sequence
        mark = ">"


def _cut_at_headers(stream: io.BufferedReader) -> Iterator[str]:
    """Yields a file in parts: each but the first stood behind a `>`."""
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder("utf-8")(), translate=True
    )
    parts: list[str] = []
    line_end = ""  # Held back: it belongs to the header that may follow.
    is_whole = False
    while not is_whole:
        data = stream.read1(_BUFFER_SIZE)
        is_whole = not data
        block = line_end + decoder.decode(data, final=is_whole)
        line_end = "\n" if block.endswith("\n") else ""
        first, *others = block.removesuffix("\n").split("\n>")
        parts.append(first)
        for other in others:
            yield "".join(parts)
            parts = [other]
    yield "".join(parts)


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
