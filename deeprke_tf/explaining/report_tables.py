"""Tables of a report: what is shown, and by which value it is sorted."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

NO_BREAK = "\N{NO-BREAK SPACE}"


class Cell(NamedTuple):
    """A cell: its text, and the number by which it is sorted; None: by its text."""

    text: str
    value: float | None = None


class Table(NamedTuple):
    """A table of a report.

    Attributes:
      caption: What it shows.
      columns: Their heads.
      rows: Cells of each row, as many as columns.
    """

    caption: str
    columns: Sequence[str]
    rows: list[list[Cell]]


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell | str]]
) -> Table:
    """Returns a table; a cell that is only text is sorted by it."""
    cells = [
        [cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows
    ]
    return Table(caption, columns, cells)


def number(value: float | None, form: str = ".3f") -> Cell:
    """Returns a cell with a number.

    >>> number(1204, ",d").text, number(None).text
    ('1,204', '–')
    """
    return Cell("–") if value is None else Cell(format(value, form), float(value))


def interval(ends: Sequence[float] | None, form: str = ".3f") -> str:
    """Returns a confidence interval in words.

    >>> interval([0.75, 0.875], ".2f").replace(NO_BREAK, " ")
    '0.75 to 0.88'
    """
    if not ends:
        return "–"
    return f"{ends[0]:{form}} to {ends[1]:{form}}".replace(" ", NO_BREAK)
