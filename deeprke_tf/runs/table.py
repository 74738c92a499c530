r"""The table of `deeprke predict`: comments, a line of columns, a row for each site.

    # deeprke predict, model QKI
    # threshold 0.365712 (of the model, largest MCC on its validation sites)
    # calibration none, ...
    name    probability    calibrated_probability    bound    skipped

Comments begin with `#`, as those of the tracks of `deeprke scan` do; no other line
does. A cell that holds `#`, a quotation mark or a tab is quoted, so that a reader that
takes `#` for a comment anywhere in a line, as `pandas.read_csv(..., sep="\t",
comment="#")` does, gets every name whole.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from deeprke_tf.scanning import tracks
from deeprke_tf.system.files import written_aside

COLUMNS = ("name", "probability", "calibrated_probability", "bound", "skipped")
# Behind the others, so that those keep their places whether it is there or not.
SD_COLUMN = "probability_sd"

_QUOTED = frozenset('#"\t\r\n')


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one site.

    Attributes:
      name: The site's name.
      probability: That the RBP binds it, in [0, 1]; None if it was skipped.
      bound: Whether the probability reaches the threshold; None if skipped, or where no
        threshold is known.
      skipped: Why there is no probability; empty if there is one.
      calibrated_probability: In [0, 1]; None if skipped, or where a server tells none.
      probability_sd: Sample standard deviation over the runs of an ensemble; None if
        skipped, or with a single run.
    """

    name: str
    probability: float | None
    bound: bool | None
    skipped: str = ""
    calibrated_probability: float | None = None
    probability_sd: float | None = None


class TableWriter:
    """Writes predictions.

    Args:
      file: Open for text, without translation of line ends.
      comments: Lines of the header, without `#`.
      with_sd: Whether to write the column `probability_sd`.
    """

    def __init__(self, file: TextIO, comments: Sequence[str], with_sd: bool):
        self._file = file
        self._with_sd = with_sd
        columns = (*COLUMNS, SD_COLUMN) if with_sd else COLUMNS
        file.write(tracks.header(comments) + "\t".join(columns) + "\n")

    def write(self, prediction: Prediction) -> None:
        """Writes one row; what is None stays empty."""
        bound = "" if prediction.bound is None else str(int(prediction.bound))
        cells = [
            _quoted(prediction.name),
            _number(prediction.probability),
            # A small prior makes all of them small: digits that tell them apart.
            _number(prediction.calibrated_probability, ".6g"),
            *(bound, _quoted(prediction.skipped)),
        ]
        if self._with_sd:
            cells.append(_number(prediction.probability_sd))
        self._file.write("\t".join(cells) + "\n")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Opens standard output for `-`, or a file written aside until it is whole."""
    if str(path) == "-":
        yield sys.stdout
        sys.stdout.flush()
        return
    with written_aside(path) as file:
        yield file


def _number(value: float | None, digits: str = ".6f") -> str:
    return "" if value is None else format(value, digits)


def _quoted(text: str) -> str:
    """Returns a cell as readers of CSV expect it.

    >>> _quoted("chr1:1-9(+)"), _quoted("site #1")
    ('chr1:1-9(+)', '"site #1"')
    """
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
