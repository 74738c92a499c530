"""Tables as text: aligned for a terminal, or Markdown."""

from collections.abc import Sequence

from tabulate import tabulate


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as aligned lines.

    >>> print(text_table([["AUROC", "0.87"], ["sites", "300"]]))
    AUROC  0.87
    sites  300
    """
    lines = tabulate(rows, tablefmt="plain", disable_numparse=True).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown, its columns as wide as their widest cell.

    >>> print(markdown_table(["RBP", "AUROC"], [["QKI", "0.87"]]))
    | RBP   | AUROC   |
    |:------|:--------|
    | QKI   | 0.87    |
    """
    return tabulate(rows, headers=header, tablefmt="pipe", disable_numparse=True)
