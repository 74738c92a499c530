"""The RNAs of a FASTA file as a stream, in the coordinates of their records.

`deeprke_tf.rna.site_files` reads sites, whose N padding is dropped. Here an RNA keeps
every letter, so that a position in `Rna.sequence` is the position in the record.
Letters are cleaned and refused as those of sites are.
"""

import contextlib
import dataclasses
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dnaio

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site, SkippedSite, clean_site, skip_site
from deeprke_tf.system.streams import LineCounter, open_bytes

NAME_TAKEN = "name of an earlier record"

_PADDING = re.compile("[^ACGTU]*", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")


class _Record(NamedTuple):
    """A FASTA record, as dnaio makes it."""

    name: str
    sequence: str
    qualities: None


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
    """Yields the RNAs of a file, and those to be skipped, in file order.

    Args:
      path: A FASTA file, plain or gzip.
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
            records = dnaio.FastaReader(lines, sequence_class=_Record)
            for n_read, record in enumerate(records, start=1):
                name = _first_word(record.name) or f"{path.name}:{n_read}"
                first = rows.setdefault(name, n_read) if unique_names else n_read
                if first == n_read:
                    yield _clean_rna(name, n_read, record.sequence, k)
                else:
                    yield skip_site(name, n_read, NAME_TAKEN, f"record {first}")
    except OSError as error:
        if error.strerror:
            raise UserError(f"Cannot read {path}: {error.strerror}.") from error
        raise _damaged(path, lines, error) from error
    except (EOFError, UnicodeError, dnaio.FileFormatError, zlib.error) as error:
        raise _damaged(path, lines, error) from error
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


def _clean_rna(name: str, row: int, letters: str, k: int) -> Rna | SkippedSite:
    """Makes an RNA of a record, or says why it cannot be scanned.

    >>> _clean_rna("rna", 1, "nnACGTrn", k=3).sequence
    'NNACGUNN'
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


def _damaged(path: Path, lines: LineCounter | None, error: Exception) -> UserError:
    cause = str(error).rstrip(".")
    if isinstance(error, UnicodeError):
        cause = "this is not UTF-8 text"
    place = ""
    # dnaio names the line of what is no FASTA itself.
    if lines and not isinstance(error, dnaio.FileFormatError):
        place = f" from line {lines.line_of(error)} on"
    return UserError(
        f"{path} cannot be read{place}; expected FASTA, plain or gzip: {cause}."
    )
