"""The files of a panel.

panel.tsv        a row for each site and RBP: `name`, `rbp`, `probability`,
                 `calibrated_probability`, `p_value`, `q_value`, `called` (1 where the
                 q-value is at most the target FDR), and, where sites have them,
                 coordinates and gene; or, if asked for, a row for each site with the
                 calibrated probability of each RBP, and its q-value as `RBP q_value`
enrichment.tsv   a row for each RBP; not without a background
heatmap.png      calibrated probabilities, clustered
skipped.tsv      sites that were not scored, and why
panel.html       all that as a page
panel.json       settings, counts and methods; the last file
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.data.stages import SkippedTable
from deeprke_tf.panels.calls import Output, at_levels, levels_of
from deeprke_tf.panels.store import ScoreStore, StoredSites
from deeprke_tf.rna.site_loci import PLACE_COLUMNS
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.system import directories
from deeprke_tf.system.files import written_aside

TABLE, ENRICHMENT, SKIPPED = "panel.tsv", "enrichment.tsv", "skipped.tsv"
HEATMAP, PAGE, MANIFEST = "heatmap.png", "panel.html", "panel.json"
PANEL = directories.Kind(
    "panel", MANIFEST, r"(panel|enrichment|skipped)\.tsv|heatmap\.png|panel\.html"
)
COLUMNS = (
    *("name", "rbp", "probability", "calibrated_probability", "p_value", "q_value"),
    "called",
)
SKIPPED_COLUMNS = ("of", "row", "name", "reason", "detail")


class SkippedWriter:
    """Writes `skipped.tsv`; a context manager."""

    def __init__(self, directory: Path):
        self._file = (directory / SKIPPED).open("w", encoding="utf-8", newline="")
        self._rows = csv.writer(self._file, SkippedTable)
        self._rows.writerow(SKIPPED_COLUMNS)

    def __enter__(self) -> "SkippedWriter":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()

    def write(self, of: str, skipped: Sequence[SkippedSite]) -> None:
        """Writes skipped sites; `of` is "sites" or "background"."""
        for site in skipped:
            self._rows.writerow([of, site.row, site.name, site.reason, site.detail])


def write_table(
    store: ScoreStore,
    outputs: Sequence[Output],
    q_values: Sequence[np.ndarray],
    fdr: float,
    out: Path,
    *,
    wide: bool,
    with_places: bool,
) -> np.ndarray:
    """Writes `panel.tsv`; returns the number of calls of each RBP, int64 [n_rbps].

    Args:
      store: The scores.
      outputs: The RBPs.
      q_values: Of each level of each RBP.
      fdr: Largest q-value of a call.
      out: The directory.
      wide: Whether there is a row for each site.
      with_places: Whether to write coordinates and genes.
    """
    rbps = [output.rbp for output in outputs]
    columns = list(COLUMNS)
    if wide:
        columns = ["name", *(c for rbp in rbps for c in (rbp, f"{rbp} q_value"))]
    columns += PLACE_COLUMNS if with_places else ()
    rows_of: Callable[..., Iterator[list[Any]]] = _wide_rows if wide else _long_rows
    n_called = np.zeros(len(rbps), np.int64)
    with written_aside(out / TABLE) as file:
        writer = csv.writer(file, SkippedTable)
        writer.writerow(columns)
        for some in store:
            levels = levels_of(outputs, some.probabilities)
            q = at_levels(q_values, levels)
            p = at_levels([output.p_values for output in outputs], levels)
            n_called += (q <= fdr).sum(axis=0)
            writer.writerows(rows_of(some, rbps, p, q, fdr, with_places))
    return n_called


def _long_rows(
    some: StoredSites,
    rbps: Sequence[str],
    p_values: np.ndarray,
    q_values: np.ndarray,
    fdr: float,
    with_places: bool,
) -> Iterator[list[Any]]:
    scores = (some.probabilities, some.calibrated, p_values, q_values)
    for (name, *places), *of_site in zip(some.cells, *scores, strict=True):
        place = places if with_places else []
        for rbp, probability, calibrated, p, q in zip(rbps, *of_site, strict=True):
            numbers = f"{probability:.6f}", *(f"{v:.6g}" for v in (calibrated, p, q))
            yield [name, rbp, *numbers, int(q <= fdr), *place]


def _wide_rows(
    some: StoredSites,
    _rbps: Sequence[str],
    _p_values: np.ndarray,
    q_values: np.ndarray,
    _fdr: float,
    with_places: bool,
) -> Iterator[list[Any]]:
    for (name, *places), calibrated, q in zip(
        some.cells, some.calibrated, q_values, strict=True
    ):
        both = np.stack([calibrated, q], axis=1).ravel()
        place = places if with_places else []
        yield [name, *(f"{value:.6g}" for value in both), *place]
