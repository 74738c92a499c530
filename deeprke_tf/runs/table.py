r"""The table of `deeprke predict`: comments, a line of columns, a row for each site.

    # deeprke predict, model QKI
    # threshold 0.365712 (of the model, largest MCC on its validation sites)
    # calibration none, ...
    name    probability    calibrated_probability    bound    skipped

Behind them come `probability_sd` for an ensemble, and, where the sites file has them,
coordinates and genes: `chrom`, `start`, `end`, `strand`, `blocks` of spliced sites and
`gene`.

Comments begin with `#`; no other line does. A cell that holds `#`, a quotation mark or
a tab is quoted: `pandas.read_csv(..., sep="\t", comment="#")`, which takes `#` for a
comment anywhere in a line, then reads every name whole.
"""

import contextlib
import dataclasses
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deeprke_tf.errors import UserError
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.site_loci import PLACE_COLUMNS, place_of
from deeprke_tf.system.directories import make_directory
from deeprke_tf.system.files import written_aside

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("name", "probability", "calibrated_probability", "bound", "skipped")
# Behind them, so that the others keep their places without it.
SD_COLUMN = "probability_sd"
# Behind the name, for joint runs.
RBP_COLUMN = "rbp"

_QUOTED = frozenset('#"\t\r\n')


@dataclasses.dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one site.

    Attributes:
      name: The site's name.
      probability: That the RBP binds it, in [0, 1]; None if it was skipped.
      bound: Whether the probability reaches the threshold; None if skipped, or where no
        threshold is known.
      skipped: Why there is no probability; empty if there is one.
      calibrated_probability: In [0, 1]; None if skipped, or where it is not known.
      probability_sd: Sample standard deviation over the runs of an ensemble; None if
        skipped, or with a single run.
      locus: Where the site lies on its genome; None where it is not known.
      gene: Name of its gene; may be empty.
      rbp: Of a joint run, the RBP; else empty.
    """

    name: str
    probability: float | None
    bound: bool | None
    skipped: str = ""
    calibrated_probability: float | None = None
    probability_sd: float | None = None
    locus: Locus | None = None
    gene: str = ""
    rbp: str = ""


def columns_of(
    with_sd: bool, with_places: bool = False, with_rbp: bool = False
) -> tuple[str, ...]:
    """Returns the columns of the table.

    Args:
      with_sd: Whether there is `probability_sd`, as for ensembles.
      with_places: Whether there are coordinates and genes of the sites.
      with_rbp: Whether there is `rbp`, as for joint runs.
    """
    columns = (*COLUMNS, SD_COLUMN) if with_sd else COLUMNS
    if with_rbp:
        columns = (columns[0], RBP_COLUMN, *columns[1:])
    return (*columns, *PLACE_COLUMNS) if with_places else columns


class TableWriter:
    """Writes predictions.

    Args:
      file: Open for text, without translation of line ends.
      comments: Lines of the header, without `#`.
      with_sd: Whether to write the column `probability_sd`.
      with_places: Whether to write coordinates and genes.
      with_rbp: Whether to write the RBP.
    """

    def __init__(
        self,
        file: TextIO,
        comments: Sequence[str],
        with_sd: bool,
        with_places: bool = False,
        with_rbp: bool = False,
    ):
        self._file = file
        self._with_sd, self._with_places = with_sd, with_places
        self._with_rbp = with_rbp
        columns = columns_of(with_sd, with_places, with_rbp)
        file.write(comment_lines(comments) + "\t".join(columns) + "\n")

    def write(self, prediction: Prediction) -> None:
        """Writes one row; None becomes an empty cell."""
        bound = "" if prediction.bound is None else str(int(prediction.bound))
        cells = [
            _quoted(prediction.name),
            *([_quoted(prediction.rbp)] if self._with_rbp else []),
            _number(prediction.probability),
            # With a small prior all are small: significant digits distinguish them.
            _number(prediction.calibrated_probability, ".6g"),
            *(bound, _quoted(prediction.skipped)),
        ]
        if self._with_sd:
            cells.append(_number(prediction.probability_sd))
        if self._with_places:
            place = place_of(prediction.locus, prediction.gene)
            cells += ("" if cell is None else _quoted(str(cell)) for cell in place)
        self._file.write("\t".join(cells) + "\n")


class WideWriter:
    """Writes a row for each site with the probability of each RBP.

    Args:
      file: Open for text, without translation of line ends.
      comments: Lines of the header, without `#`.
      rbps: Names of the RBPs, in the order of the predictions of a site.
    """

    def __init__(self, file: TextIO, comments: Sequence[str], rbps: Sequence[str]):
        self._file, self._n_rbps = file, len(rbps)
        self._cells: list[str] = []
        columns = ["name", *map(_quoted, rbps), "skipped"]
        file.write(comment_lines(comments) + "\t".join(columns) + "\n")

    def write(self, prediction: Prediction) -> None:
        """Takes the prediction of one RBP; the last one of a site writes its row."""
        self._cells.append(_number(prediction.probability))
        if len(self._cells) == self._n_rbps:
            name, skipped = _quoted(prediction.name), _quoted(prediction.skipped)
            self._file.write("\t".join([name, *self._cells, skipped]) + "\n")
            self._cells = []


def wide_frame_of(
    predictions: Sequence[Prediction], rbps: Sequence[str]
) -> "pd.DataFrame":
    """Returns predictions as a table with a row for each site; see `WideWriter`."""
    import pandas as pd

    n_rbps = len(rbps)
    first = predictions[::n_rbps]
    columns: dict[str, Any] = {"name": [row.name for row in first]}
    for place, rbp in enumerate(rbps):
        of_rbp = [row.probability for row in predictions[place::n_rbps]]
        columns[rbp] = pd.Series(of_rbp, dtype=float)
    return pd.DataFrame(columns | {"skipped": [row.skipped for row in first]})


def frame_of(
    predictions: Iterable[Prediction],
    with_sd: bool,
    with_places: bool = False,
    with_rbp: bool = False,
) -> "pd.DataFrame":
    """Returns predictions as a table with the columns of `deeprke predict`.

    Args:
      predictions: One for each row.
      with_sd: Whether to add the column `probability_sd`.
      with_places: Whether to add coordinates and genes.
      with_rbp: Whether to add the RBP.

    Returns:
      Probabilities as float64, NaN where a site was skipped; `bound`, `start` and `end`
      as nullable types, missing where they are not known.
    """
    import pandas as pd

    rows = list(predictions)
    types = {"bound": "boolean"} | dict.fromkeys(["name", "rbp", "skipped"], object)
    frame = pd.DataFrame(
        {
            column: pd.Series(
                [getattr(row, column) for row in rows], dtype=types.get(column, float)
            )
            for column in columns_of(with_sd, with_rbp=with_rbp)
        }
    )
    if with_places:
        places = places_of([row.locus for row in rows], [row.gene for row in rows])
        frame = frame.assign(**places)
    return frame


def places_of(loci: Sequence[Locus | None], genes: Sequence[str]) -> dict[str, Any]:
    """Returns coordinates and genes of sites as columns of a data frame.

    Args:
      loci: Where the sites lie; None where it is not known, [n_sites].
      genes: Names of their genes, may be empty, [n_sites].
    """
    import pandas as pd

    cells = [place_of(*site) for site in zip(loci, genes, strict=True)]
    types = {"start": "Int64", "end": "Int64"}
    return {
        column: pd.Series(
            [row[place] for row in cells], dtype=types.get(column, object)
        )
        for place, column in enumerate(PLACE_COLUMNS)
    }


def comment_lines(comments: Sequence[str]) -> str:
    r"""Returns the head of a table or a track: each comment on a line behind `#`.

    >>> comment_lines(["model QKI", "threshold\n0.5"])
    '# model QKI\n# threshold 0.5\n'
    """
    return "".join(f"# {' '.join(comment.split())}\n" for comment in comments)


def require_free(out: Path, sites: Path, argument: str = "out") -> None:
    """Makes the directory of a table.

    Args:
      out: The table.
      sites: The file of sites.
      argument: What gives the table its name.

    Raises:
      UserError: `out` is a directory or the sites file, or cannot be made.
    """
    if str(out) == "-":
        return
    if out.is_dir():
        raise UserError(f"`{argument}` {out} is a directory; name a file.")
    make_directory(out.parent)
    if out.exists() and sites.exists() and out.samefile(sites):
        raise UserError(f"`{argument}` {out} is the file of `sites`; name another.")


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Opens a table for UTF-8 text: standard output for `-`, or a file.

    The file takes its place when it is whole.
    """
    if str(path) == "-":
        if sys.stdout is None:
            raise UserError("Standard output is closed; give `out` a file.")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")
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
