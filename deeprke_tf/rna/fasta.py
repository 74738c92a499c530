"""Reading FASTA files as a stream: records, and RNAs in the coordinates of records.

`deeprke_tf.rna.site_files` reads sites, whose N padding is dropped. Here an RNA keeps
every letter, so that a position in `Rna.sequence` is the position in the record.
Letters are cleaned and refused as in sites.
"""

import codecs
import contextlib
import dataclasses
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dnaio

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site, SkippedSite, clean_site, skip_site
from deeprke_tf.system.streams import (
    UNREADABLE,
    LineCounter,
    TextError,
    open_bytes,
    unreadable,
)

NAME_TAKEN = "name of an earlier record"

LONGEST_RECORD = 1 << 28  # letters, more than human chromosome 1 has; memory is finite

_BLOCK_SIZE = 1 << 17  # bytes
_PADDING = re.compile("[^ACGTU]*", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
# As ViennaRNA writes: the sequence, then its structure and perhaps the energy.
_VIENNA = re.compile(r"([A-Za-z]+)([().]+)(?:\s+\(\s*[-+.\d]+\))?\s*")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # as "surrogateescape" decodes it


class _Record(NamedTuple):
    """A record as dnaio makes it; may hold letters that are not ASCII."""

    name: str
    sequence: str
    qualities: None = None


def fasta_records(stream: io.BufferedReader) -> Iterator[tuple[str, str, str | None]]:
    r"""Yields header, sequence and structure of the records of a FASTA file.

    The structure, in dot-bracket notation, stands below the sequence in files of
    ViennaRNA; it is None in all others.

    Records of nothing but letters are cut out of whole blocks, in half of the time;
    dnaio reads the others. A header that is not UTF-8 is taken for Latin-1.

    >>> from deeprke_tf.system.streams import replay
    >>> lines = replay(b"# two\n>site 1\nAC\nGU\n>site 2\nA C\n", io.BytesIO())
    >>> [record[:2] for record in fasta_records(lines)]
    [('site 1', 'ACGU'), ('site 2', 'A C')]

    Args:
      stream: The file, from its beginning.

    Raises:
      TextError: It is not UTF-8, or a line does not end.
      dnaio.FileFormatError: There is text before the first header.
    """
    mark, line = "", 1
    for text in _cut_at_headers(stream):
        header, _line_end, lines = text.partition("\n")
        sequence = lines.replace("\n", "")
        if mark and sequence.isalpha():
            name = header if header.isascii() else _as_latin_1(header)
            yield name.rstrip(), sequence, None
        else:
            for record in _odd_records(mark + text, line):
                vienna = _VIENNA.fullmatch(record.sequence)
                letters, fold = vienna.groups() if vienna else (record.sequence, None)
                yield record.name, letters, fold
        line += text.count("\n") + 1
        mark = ">"


def _odd_records(text: str, first_line: int) -> dnaio.FastaReader:
    if _NOT_UTF8.search(text):
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if _NOT_UTF8.search(line) and not line.startswith((">", "#")):
                raise TextError("this is not UTF-8 text", first_line + number)
        text = "\n".join(map(_as_latin_1, lines))
    return dnaio.FastaReader(io.BytesIO(text.encode()), sequence_class=_Record)


def _as_latin_1(text: str) -> str:
    if not _NOT_UTF8.search(text):
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _cut_at_headers(stream: io.BufferedReader) -> Iterator[str]:
    """Cuts a file into parts before each header, without the `>`."""
    decoder = io.IncrementalNewlineDecoder(
        codecs.getincrementaldecoder("utf-8")("surrogateescape"), translate=True
    )
    parts: list[str] = []
    n_lines = n_letters = 0
    line_end = ""  # Held back: it belongs to the header that may follow.
    is_whole = False
    while not is_whole:
        data = stream.read1(_BLOCK_SIZE)
        is_whole = not data
        block = line_end + decoder.decode(data, final=is_whole)
        line_end = "\n" if block.endswith("\n") else ""
        first, *others = block.removesuffix("\n").split("\n>")
        parts.append(first)
        for other in others:
            yield "".join(parts)
            parts = [other]
            n_letters = 0
        n_letters += len(parts[-1])
        n_lines += block.count("\n")
        if n_letters > LONGEST_RECORD:
            raise TextError(
                f"a record has more than {LONGEST_RECORD:,} letters", n_lines + 1
            )
    yield "".join(parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Rna:
    """One RNA of any length.

    Attributes:
      name: The first word of its header.
      row: Its number in the file, from 1.
      sequence: Letters A, C, G, U and N (unknown), as long as the record.
    """

    name: str
    row: int
    sequence: str


def read_rnas(
    path: Path, k: int, *, unique_names: bool = True
) -> Iterator[Rna | SkippedSite]:
    """Yields the RNAs of a file in order; unusable ones as `SkippedSite`.

    Args:
      path: A FASTA file, plain or compressed.
      k: Length of the k-mers; an RNA needs one without N.
      unique_names: Skip an RNA that has the name of an earlier one.

    Raises:
      UserError: The file cannot be read to its end, or holds no record.
    """
    n_read = 0
    rows: dict[str, int] = {}
    lines = None
    try:
        with contextlib.ExitStack() as closing:
            lines = LineCounter(open_bytes(path, closing))
            records = enumerate(fasta_records(lines), start=1)
            for n_read, (header, sequence, _structure) in records:
                name = _first_word(header) or f"{path.name}:{n_read}"
                first = rows.setdefault(name, n_read) if unique_names else n_read
                if first == n_read:
                    yield clean_rna(name, n_read, sequence, k)
                else:
                    yield skip_site(name, n_read, NAME_TAKEN, f"record {first}")
    except (*UNREADABLE, dnaio.FileFormatError) as error:
        raise unreadable(str(path), error, lines) from error
    if not n_read:
        raise UserError(f"{path} holds no FASTA record ('>name' and a sequence).")


def _first_word(header: str) -> str:
    r"""Returns the first word, fit for one cell of a table.

    >>> _first_word(" ENST01.2|GENE1 protein coding")
    'ENST01.2|GENE1'
    >>> _first_word("sim000000; class:1")  # of labelled sites
    'sim000000'
    """
    return _UNPRINTABLE.sub("_", (header.split() or [""])[0]).rstrip(";")


def clean_rna(name: str, row: int, letters: str, k: int) -> Rna | SkippedSite:
    """Makes an RNA of a record, or gives the reason to skip it.

    >>> clean_rna("rna", 1, "nnACGTrn", k=3).sequence
    'NNACGUNN'

    Args:
      name: Name of the RNA.
      row: Its number in its file, from 1.
      letters: DNA or RNA letters of either case; white space is dropped.
      k: Length of the k-mers; an RNA needs one without N.
    """
    letters = "".join(letters.split())
    site = clean_site(name, row, letters, k=k)
    if isinstance(site, SkippedSite):
        return site
    return Rna(name, row, _padded_as(letters, site))


def _padded_as(letters: str, site: Site) -> str:
    """Gives a cleaned sequence its N padding back."""
    padding = _PADDING.match(letters)
    n_before = padding.end() if padding else 0
    n_after = len(letters) - n_before - len(site.sequence)
    return "N" * n_before + site.sequence + "N" * n_after
