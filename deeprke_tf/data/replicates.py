"""Which datasets are of one RBP: replicates, other cells, other labs.

A table of two columns, without a header: the name of a dataset and that of its RBP.
"""

from collections.abc import Sequence
from pathlib import Path

from deeprke_tf.errors import UserError


def read(path: Path) -> dict[str, str]:
    """Reads the RBP of each dataset.

    Lines that begin with # are comments. Columns are separated by tabs or spaces.

    Raises:
      UserError: The file cannot be read, a line has not two columns, or a dataset is
        named twice.
    """
    rbps: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read `replicates` {path}: {error}.") from error
    for number, line in enumerate(lines, start=1):
        columns = line.split()
        if not columns or line.startswith("#"):
            continue
        if len(columns) != 2:
            raise UserError(
                f"{path}, line {number}: {line[:80]!r}; a line has two columns, the "
                "name of a dataset and that of its RBP."
            )
        if columns[0] in rbps:
            raise UserError(f"{path}, line {number}: {columns[0]} is named twice.")
        rbps[columns[0]] = columns[1]
    return rbps


def held_out(
    names: Sequence[str], hold_out: Sequence[str], rbps: dict[str, str]
) -> list[str]:
    """Returns the datasets to hold out: those named, and their replicates.

    >>> held_out(["QKI_1", "QKI_2", "FUS"], ["QKI_1"], {"QKI_1": "QKI", "QKI_2": "QKI"})
    ['QKI_1', 'QKI_2']

    Args:
      names: All datasets.
      hold_out: Names of datasets or RBPs.
      rbps: Of `read`; datasets that it lacks have no replicates.

    Raises:
      UserError: A name of `hold_out` is neither that of a dataset nor that of an RBP.
    """
    rbp_of = {name: rbps.get(name, name) for name in names}
    for name in hold_out:
        if name not in rbp_of and name not in rbp_of.values():
            raise UserError(
                f"`hold_out` {name!r} is no dataset or RBP; there are: "
                f"{', '.join(names)}."
            )
    away = {rbp_of.get(name, name) for name in hold_out}
    return [name for name, rbp in rbp_of.items() if rbp in away]
