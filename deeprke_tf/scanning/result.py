"""A finished scan: tables and tracks from its files."""

import functools
import itertools
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf.errors import UserError
from deeprke_tf.runs.table import SD_COLUMN
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.scanning.tracks import NO_VALUE, SITE_COLUMNS
from deeprke_tf.system.files import bytes_written_aside, read_json
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    import pandas as pd

# Columns of numbers that may be missing.
_NUMBERS = ("probability", "calibrated_probability", "q_value", SD_COLUMN)


class Scan:
    """A finished scan: its sites, and the files it wrote.

    Args:
      directory: Where its files lie; `deeprke_tf.scanning.files` lists them.
      kept: Kept as long as the scan is, such as a temporary directory.

    Attributes:
      directory: The same.
      manifest: The contents of `scan.json`.
    """

    def __init__(self, directory: Path, kept: object = None):
        self.directory = directory
        self.manifest = read_json(directory / scan_files.MANIFEST)
        self._kept = kept

    def __repr__(self) -> str:
        counts = self.manifest["counts"]
        return (
            f"<Scan of {counted(counts['rnas'], 'RNA')}: "
            f"{counted(counts['sites'], 'site')} on "
            f"{counts['rnas_with_sites']:,} of them>"
        )

    @property
    def threshold(self) -> float | None:
        """Probability from which windows were called; None: none could be."""
        return self.manifest["threshold"]

    @functools.cached_property
    def sites(self) -> "pd.DataFrame":
        """The called sites, a row each, in the columns of `sites.bed`.

        Positions count from 0 on the RNA `chrom`, ends are exclusive; `q_value` is NaN
        where no FDR was asked for. For an ensemble, `probability_sd` of the best window
        is added.
        """
        sites = self._table(scan_files.SITES, SITE_COLUMNS)
        if SD_COLUMN in self._table(scan_files.WINDOWS, n_rows=0):
            windows = self.windows
            summits = (windows["start"] + windows["end"]) // 2
            places = zip(windows["name"], summits, strict=True)
            sds = dict(zip(places, windows[SD_COLUMN], strict=True))
            best = zip(sites["chrom"], sites["summit"], strict=True)
            sites[SD_COLUMN] = [sds[place] for place in best]
        return sites

    @functools.cached_property
    def windows(self) -> "pd.DataFrame":
        """All windows, a row each, in the columns of `windows.tsv`."""
        return self._table(scan_files.WINDOWS)

    @functools.cached_property
    def skipped(self) -> "pd.DataFrame":
        """The RNAs that were not scanned, and why, in the columns of `skipped.tsv`."""
        return self._table(scan_files.SKIPPED)

    def to_bed(self, path: Path | str) -> Path:
        """Writes the called sites as BED; returns the path."""
        return self._copy(scan_files.SITES, path)

    def to_bedgraph(self, path: Path | str) -> Path:
        """Writes the highest probability over each position as bedGraph."""
        return self._copy(scan_files.BEDGRAPH, path)

    def to_bigwig(self, path: Path | str) -> Path:
        """Writes the same profile as bigWig.

        Raises:
          UserError: pyBigWig is not installed.
        """
        if scan_files.BIGWIG not in self.manifest["files"]:
            raise UserError(
                "bigWig needs pyBigWig, and an RNA: pip install 'deeprke_tf[tracks]'."
            )
        return self._copy(scan_files.BIGWIG, path)

    def _table(
        self, name: str, columns: Sequence[str] | None = None, n_rows: int | None = None
    ) -> "pd.DataFrame":
        """Reads a table whose columns are given, or named in its first row."""
        import pandas as pd

        with open(self.directory / name, encoding="utf-8") as file:
            n_head = sum(1 for _ in itertools.takewhile(_is_head, file))
        return pd.read_csv(
            self.directory / name,
            sep="\t",
            skiprows=n_head,
            nrows=n_rows,
            names=columns,
            dtype={"chrom": str, "name": str, "skipped": str},
            keep_default_na=False,
            na_values={name: ["", NO_VALUE] for name in _NUMBERS},
        )

    def _copy(self, name: str, path: Path | str) -> Path:
        path = Path(path)
        with (
            open(self.directory / name, "rb") as source,
            bytes_written_aside(path) as file,
        ):
            shutil.copyfileobj(source, file)
        return path


def _is_head(line: str) -> bool:
    return line.startswith(("#", "track "))
