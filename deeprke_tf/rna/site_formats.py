"""What the first line of a sites file is, in words for messages."""

import csv
import re

from deeprke_tf.rna.sites import label_of

DELIMITERS: dict[str, str] = {
    ",": "table (comma)",
    "\t": "table (tab)",
    ";": "table (semicolon)",
}
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?")


def cells_of(line: str, delimiter: str) -> list[str]:
    """Returns the cells of the first line of a table, without a `#` before them."""
    cells = next(csv.reader([line.removeprefix("#")], delimiter=delimiter), [])
    return [cell.strip() for cell in cells]


def what_it_is(line: str) -> str:
    """Describes the first line of a file whose format is unknown, and what to do."""
    cells = max((cells_of(line, delimiter) for delimiter in DELIMITERS), key=len)
    has_positions = len(cells) > 2 and all(map(_NUMBER.fullmatch, cells[1:3]))
    if has_positions or re.match(r"(track|browser)\s", line):
        return (
            "this looks like BED, which has no sequences; `deeprke extract --peaks` "
            "cuts them out of a genome."
        )
    if line.startswith("@"):
        return (
            "this looks like FASTQ, reads with qualities; make FASTA of it with "
            "`seqtk seq -a`."
        )
    found = shorten(", ".join(map(repr, cells)))
    return (
        "expected a FASTA header ('>name') or a table header with a column 'sequence', "
        "tabs, commas or semicolons between columns; found "
        f"{'the columns ' if len(cells) > 1 else ''}{found}."
    )


def labels_are_needed(found: str) -> str:
    """Says how to give labels.

    Args:
      found: What came.
    """
    return (
        f"found {found}, but labels are needed: give a labelled FASTA ('>name; "
        "class:1'), a table with the columns 'sequence' and 'label', or a pair of "
        "files, positives and negatives."
    )


def is_label(stated: re.Match[str]) -> bool:
    """Tells whether a class in a FASTA header is a label: a known one, at its end."""
    rest = stated.string[stated.end() :]
    return label_of(stated[1]) is not None and not rest.strip()


def shorten(text: str, longest: int = 60) -> str:
    """Returns a text, or its beginning where it is longer than `longest`."""
    return text if len(text) <= longest else text[: longest - 3] + "..."
