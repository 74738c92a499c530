"""The files of a scan, except for `scan.json`.

sites.bed          called sites on the RNAs, BED6 and five more columns
sites.genome.bed   the same on the genome, BED12, if an annotation or a genome is given
unmapped.tsv       RNAs of a FASTA file without a place in that annotation, and why
profile.bedgraph   highest probability of the windows over each position
profile.bw         the same as bigWig, if pyBigWig is installed
profile.plus.*     of a genome, the profile of each strand on its chromosomes, bedGraph
profile.minus.*    and bigWig
windows.tsv        every window: its probability and q-value, or why it has none; for
                   an ensemble also probability_sd
skipped.tsv        RNAs that were not scanned, and why
plots/             figures of single RNAs, on request
scores.sqlite      `deeprke_tf.scanning.store`

Windows and skipped RNAs are in file order, tracks in the order of
`LC_ALL=C sort -k1,1 -k2,2n`. The first lines begin with `#` and name model, windows,
threshold and calibration.
"""

import contextlib
import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from deeprke_tf.evaluation.calibration import Calibration, describe
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.runs import bed
from deeprke_tf.runs.table import SD_COLUMN
from deeprke_tf.scanning import tracks
from deeprke_tf.scanning.store import ScoredRna, ScoreStore
from deeprke_tf.scanning.windows import CalledSite, Tiling, call_sites, profile
from deeprke_tf.system.files import path_aside, written_aside

SITES = "sites.bed"
UNMAPPED = "unmapped.tsv"
BEDGRAPH = "profile.bedgraph"
BIGWIG = "profile.bw"
WINDOWS = "windows.tsv"
SKIPPED = "skipped.tsv"
SCORES = "scores.sqlite"
PLOTS = "plots"
MANIFEST = "scan.json"

WINDOW_COLUMNS = (
    *("name", "start", "end", "probability", "calibrated_probability", "q_value"),
    "skipped",
)


@dataclasses.dataclass(frozen=True)
class ScanWriter:
    """Writes the files of one finished scan.

    Attributes:
      out: Directory of the scan.
      store: The scores.
      tiling: Where the windows lie.
      calling: Which windows are called.
      calibration: Result of `Run.applied_calibration`.
      prior: Fraction of bound windows to expect; None: that of the calibration.
      model: Name of the model, for the headers.
      calibrated: Whether the calibration is that of the model, for the headers.
      with_sd: Whether windows have the column `probability_sd`, as for an ensemble.
    """

    out: Path
    store: ScoreStore
    tiling: Tiling
    calling: Calling
    calibration: Calibration
    prior: float | None
    model: str
    calibrated: bool = True
    with_sd: bool = False

    def sites_of(self, rna: ScoredRna) -> list[CalledSite]:
        """Returns the called sites of an RNA."""
        starts, ends = self.tiling.place(rna.length)
        return call_sites(starts, ends, rna.probabilities, self.calling.threshold)

    def write_windows(self) -> dict[str, int]:
        """Writes every window; returns counts of RNAs and windows."""
        counts = {"rnas": 0, "nt": 0, "windows": 0, "without_probability": 0}
        columns = (*WINDOW_COLUMNS, SD_COLUMN) if self.with_sd else WINDOW_COLUMNS
        with self._table(WINDOWS, columns) as writer:
            for rna in self.store.scored("scanned"):
                writer.writerows(self._window_rows(rna))
                counts["rnas"] += 1
                counts["nt"] += rna.length
                counts["windows"] += len(rna.probabilities)
                counts["without_probability"] += len(rna.reasons)
        return counts

    def write_skipped(self) -> int:
        """Writes the RNAs that were not scanned; returns their number."""
        n_skipped = 0
        with self._table(SKIPPED, ("row", "name", "reason", "detail")) as writer:
            for rna in self.store.skipped("scanned"):
                writer.writerow([rna.row, rna.name, rna.reason, rna.detail])
                n_skipped += 1
        return n_skipped

    def write_sites(self) -> dict[str, int]:
        """Writes the called sites; returns counts of sites and RNAs."""
        counts = {"sites": 0, "rnas_with_sites": 0}
        with written_aside(self.out / SITES) as file:
            attributes = {"useScore": "1"}
            file.write(self.header("sites", attributes, tracks.SITE_COLUMNS))
            for rna in self.store.scored("scanned", order="name"):
                sites = self.sites_of(rna)
                bed.write_rows(file, self._bed_rows(rna, sites))
                counts["sites"] += len(sites)
                counts["rnas_with_sites"] += bool(sites)
        return counts

    def write_profile(self) -> list[str]:
        """Writes the profile as bedGraph and, with pyBigWig, bigWig; returns names."""
        lengths = self.store.lengths("scanned")
        with contextlib.ExitStack() as closing:
            file = closing.enter_context(written_aside(self.out / BEDGRAPH))
            bigwig = None
            if lengths and tracks.bigwig_is_available():
                path = closing.enter_context(path_aside(self.out / BIGWIG))
                bigwig = closing.enter_context(tracks.BigWig(path, lengths))
            file.write(self.profile_header("profile"))
            for rna in self.store.scored("scanned", order="name"):
                places = self.tiling.place(rna.length)
                starts, ends, values = profile(*places, rna.probabilities)
                bed.write_rows(file, bedgraph_rows(rna.name, starts, ends, values))
                if bigwig:
                    bigwig.add(rna.name, starts, ends, values)
        return [BEDGRAPH, BIGWIG] if bigwig else [BEDGRAPH]

    def write_unmapped(self, rows: Sequence[Sequence[str | int]]) -> dict[str, int]:
        """Writes the RNAs without a place on the genome; returns counts.

        Args:
          rows: Name, reason and number of called sites of each.
        """
        with self._table(UNMAPPED, ("name", "reason", "n_sites")) as writer:
            writer.writerows(rows)
        n_sites = sum(int(row[-1]) for row in rows)
        return {"unmapped_sites": n_sites, "unmapped_rnas": len(rows)}

    def _window_rows(self, rna: ScoredRna) -> Iterator[list[str | int]]:
        starts, ends = (places.tolist() for places in self.tiling.place(rna.length))
        calibrated = self._calibrated(rna.probabilities)
        q_values = self.calling.q_values(rna.probabilities)
        for i, probability in enumerate(rna.probabilities.tolist()):
            row = [rna.name, starts[i], ends[i]]
            if i in rna.reasons:
                row += ["", "", "", rna.reasons[i]]
            else:
                q_value = "" if q_values is None else f"{q_values[i]:.4g}"
                row += [f"{probability:.6f}", f"{calibrated[i]:.6g}", q_value, ""]
            if self.with_sd:
                sd = rna.probability_sds[i]
                row.append("" if np.isnan(sd) else f"{sd:.6f}")
            yield row

    def _bed_rows(self, rna: ScoredRna, sites: list[CalledSite]) -> Iterator[list[str]]:
        best = [site.best for site in sites]
        calibrated = self._calibrated(rna.probabilities[best])
        q_values = self.calling.q_values(rna.probabilities[best])
        for i, site in enumerate(sites):
            yield tracks.bed_row(
                *(rna.name, i + 1, site),
                q_value=None if q_values is None else float(q_values[i]),
                calibrated_probability=float(calibrated[i]),
            )

    def _calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities; NaN stays NaN."""
        calibrated = np.full(len(probabilities), np.nan)
        known = ~np.isnan(probabilities)
        calibrated[known] = self.calibration(probabilities[known], self.prior)
        return calibrated

    def header(
        self, what: str, attributes: dict[str, str], columns: Sequence[str] = ()
    ) -> str:
        """Returns the head of a track: how it was made, and how to draw it."""
        comments = self._comments()
        if columns:
            comments.append(" ".join(columns))
        name = f"{self.model} {what}"
        named = {"name": name, "description": f"{name}, threshold {self.calling}"}
        return bed.header(comments, {**named, "color": bed.COLOR, **attributes})

    def _comments(self) -> list[str]:
        return [
            f"deeprke scan, model {self.model}, windows of {self.tiling.window} nt "
            f"every {self.tiling.stride} nt, each scored alone",
            f"threshold {self.calling}",
            describe([self.calibration], self.prior, applied=self.calibrated),
        ]

    def profile_header(self, what: str) -> str:
        """Returns the head of a bedGraph file; `what` names its track."""
        attributes = {"type": "bedGraph", "viewLimits": "0:1", "autoScale": "off"}
        if np.isfinite(self.calling.threshold):
            threshold = f"{self.calling.threshold:.4f}"
            attributes |= {"yLineMark": threshold, "yLineOnOff": "on"}
        return self.header(what, attributes)

    @contextlib.contextmanager
    def _table(self, name: str, columns: Sequence[str]) -> Iterator:
        with written_aside(self.out / name) as file:
            file.write(bed.header(self._comments()))
            writer = csv.writer(file, "excel-tab", lineterminator="\n")
            writer.writerow(columns)
            yield writer


def bedgraph_rows(
    name: str, starts: np.ndarray, ends: np.ndarray, values: np.ndarray
) -> Iterator[list[str]]:
    """Yields the rows of intervals on an RNA or a chromosome."""
    for start, end, value in zip(starts, ends, values, strict=True):
        yield [name, str(start), str(end), f"{value:.6f}"]
