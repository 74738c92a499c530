"""Peaks of a CLIP experiment: BED with 3 to 12 columns, narrowPeak and broadPeak.

    BED         chrom, start, end, name, score, strand; further columns are not read
    narrowPeak  ten columns; the summit counts, the score is the signal value
    broadPeak   nine columns; the score is the signal value

ENCODE gives most of its peaks the score 1000, so that only the signal value tells them
apart. Positions count from 0, ends are exclusive.
"""

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from deeprke_tf.errors import UserError
from deeprke_tf.genome.skips import COLUMNS as SKIPPED_COLUMNS
from deeprke_tf.genome.skips import Reason
from deeprke_tf.system.streams import UNREADABLE, LineCounter, open_bytes, unreadable

if TYPE_CHECKING:
    import pandas as pd

# A missing summit is -1, a missing score NaN.
COLUMNS = (
    *("chrom", "start", "end", "name", "score", "strand", "summit", "file", "line"),
)
NO_SUMMIT = -1

_NO_DATA = re.compile(r"#|(track|browser)(\s|$)")
_NO_VALUE = {"", "."}
# Tables of pandas have 100.0 for 100.
_WHOLE_NUMBER = re.compile(r"([+-]?\d{1,15})(?:\.0*)?")
_N_TRIED = 1000  # bad lines, without a good one, before a file is given up


class Peaks(NamedTuple):
    """The peaks of one or several files.

    Attributes:
      table: One row a peak: chromosome, start, end, name (may be empty), score (NaN:
        none), strand, summit on the chromosome (-1: none), file and line from 1.
      skipped: Lines that are no peaks, in `skips.COLUMNS`.
    """

    table: "pd.DataFrame"
    skipped: "pd.DataFrame"


class _Bad(Exception):  # noqa: N818
    """A line that is no peak: reason and detail."""


def read_peaks(
    path: str | Path, strand: str | None = None, *, needs_strand: bool = True
) -> Peaks:
    """Reads the peaks of a file; lines that are no peaks are listed.

    Args:
      path: BED, narrowPeak or broadPeak, plain or gzip.
      strand: `+` or `-`, for peaks without a strand.
      needs_strand: Whether a peak without a strand is skipped; if not, its strand is
        `.`.

    Raises:
      UserError: The file cannot be read, holds no peak, or no strand at all.
    """
    import pandas as pd

    path = Path(path)
    peaks: list[tuple] = []
    bad: list[tuple] = []
    for number, cells in _rows(path):
        try:
            peak = _peak(cells, strand, needs_strand)
            peaks.append((*peak, str(path), number))
        except _Bad as error:
            bad.append(_bad_row(path, number, cells, *error.args))
            if not peaks and len(bad) == _N_TRIED:
                break
    if not peaks:
        raise _no_peaks(path, bad)
    return Peaks(
        pd.DataFrame(peaks, columns=list(COLUMNS)),
        pd.DataFrame(bad, columns=list(SKIPPED_COLUMNS)),
    )


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields number and cells of the lines that hold data."""
    lines = None
    number = 0
    try:
        with contextlib.ExitStack() as closing:
            lines = LineCounter(open_bytes(path, closing))
            for block in lines:
                # The inner loop is for the line ends of old Macs.
                for raw in block.splitlines():
                    number += 1
                    line = raw.decode()
                    if line.strip() and not _NO_DATA.match(line):
                        tabs = "\t" in line
                        yield number, _cells(line.split("\t") if tabs else line.split())
    except UNREADABLE as error:
        if isinstance(error, UnicodeError):
            raise UserError(f"{path}, line {number}: this is not text.") from error
        raise unreadable(str(path), error) from error


def _cells(cells: list[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _peak(cells: list[str], strand: str | None, needs_strand: bool) -> tuple:
    """Returns chromosome, start, end, name, score, strand and summit.

    >>> _peak("chr1 10 20 . 1000 - 3.5 9.1 -1 4".split(), None, True)
    ('chr1', 10, 20, '', 3.5, '-', 14)
    """
    if len(cells) < 3 or not cells[0]:
        raise _Bad(Reason.COLUMNS, " ".join(cells))
    chrom = cells[0]
    start, end = (_whole_number(cell) for cell in cells[1:3])
    if start is None or end is None:
        raise _Bad(Reason.POSITIONS, f"{cells[1]!r} and {cells[2]!r}")
    if start < 0:
        raise _Bad(Reason.NEGATIVE, str(start))
    if start >= end:
        raise _Bad(Reason.EMPTY if start == end else Reason.REVERSED, f"{start} {end}")
    own_strand = cells[5] if len(cells) > 5 else "."
    if own_strand in _NO_VALUE:
        own_strand = strand or "."
        if own_strand == "." and needs_strand:
            raise _Bad(Reason.NO_STRAND, "")
    elif own_strand not in ("+", "-"):
        raise _Bad(Reason.STRAND, repr(own_strand))
    name = cells[3] if len(cells) > 3 and cells[3] not in _NO_VALUE else ""
    score = _score(cells[6] if _is_encode(cells) else "".join(cells[4:5]))
    summit = NO_SUMMIT
    if len(cells) == 10 and _is_encode(cells):
        summit = _summit(cells[9], start, end)
    return chrom, start, end, name, score, own_strand, summit


def _is_encode(cells: list[str]) -> bool:
    """Tells whether a line is narrowPeak or broadPeak, not BED of as many columns.

    In BED columns 7 and 8 are positions in the peak, and column 9 is a color.
    """
    if len(cells) not in (9, 10):
        return False
    is_number = all(_number(cell) is not None for cell in cells[6:9])
    thick = [_whole_number(cell) for cell in cells[6:8]]
    in_peak = all(
        position is not None and int(cells[1]) <= position <= int(cells[2])
        for position in thick
    )
    return is_number and not (len(cells) == 9 and in_peak)


def _whole_number(cell: str) -> int | None:
    found = _WHOLE_NUMBER.fullmatch(cell)
    return int(found[1]) if found else None


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _score(cell: str) -> float:
    if cell in _NO_VALUE:
        return math.nan
    score = _number(cell)
    if score is None:
        raise _Bad(Reason.SCORE, repr(cell))
    return score


def _summit(cell: str, start: int, end: int) -> int:
    offset = _whole_number(cell)
    if offset == -1:
        return NO_SUMMIT
    if offset is None or not 0 <= offset < end - start:
        raise _Bad(Reason.SUMMIT, f"{cell!r} in a peak of {end - start} nt")
    return start + offset


def _bad_row(
    path: Path, number: int, cells: list[str], reason: str, detail: str
) -> tuple:
    chrom, start, end, name, _score, strand, *_ = [*cells, *[""] * 6]
    shown = (one[:80] for one in (name, chrom, start, end, strand))
    return (str(path), number, *shown, reason, detail[:80])


def _no_peaks(path: Path, bad: list[tuple]) -> UserError:
    if not bad:
        return UserError(f"{path} holds no peaks; expected BED: chrom, start, end, ...")
    if all(row[-2] == Reason.NO_STRAND for row in bad):
        return UserError(
            f"No peak of {path} has a strand (column 6), on which the letters of a "
            "site depend: give `strand` + or -, or a file with strands."
        )
    _file, line, *_, reason, detail = bad[0]
    more = f" ({detail})" if detail else ""
    return UserError(
        f"{path} holds no peak; line {line}: {reason}{more}. Expected BED: chrom, "
        "start, end, name, score, strand."
    )
