"""Files of an extraction.

sites.tsv     the sites, ready for `preprocess --sites` and `audit --sites`
sites.bed     where they lie; BED12 where one lies on several exons
skipped.tsv   peaks that are no sites, and why
matching.*    how well the background matches: table, JSON and figure
extract.json  settings, counts and SHA-256 of the inputs; written last, so that a
directory that has it is whole
"""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import deeprke_tf
from deeprke_tf.genome.settings import BackgroundSettings, Settings
from deeprke_tf.genome.site_table import COLUMNS, loci_of
from deeprke_tf.genome.skips import Reason
from deeprke_tf.rna.loci import Locus
from deeprke_tf.system.directories import Kind
from deeprke_tf.system.files import sha256
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    import pandas as pd

SITES, BED, SKIPPED, MANIFEST = (
    *("sites.tsv", "sites.bed", "skipped.tsv"),
    "extract.json",
)
EXTRACTION = Kind(
    "set of extracted sites", MANIFEST, r"sites\.(tsv|bed)|skipped\.tsv|matching\..*"
)


def write_sites(directory: Path, sites: "pd.DataFrame") -> None:
    """Writes `sites.tsv` and `sites.bed`.

    Args:
      directory: To write into.
      sites: In the columns of `site_table`.
    """
    _write_table(directory / SITES, sites[list(COLUMNS)])
    loci = loci_of(sites)
    columns = (sites["name"].tolist(), sites["label"].tolist(), loci)
    has_blocks = any(len(locus.blocks) > 1 for locus in loci)
    rows = [
        _bed_row(name, label, locus, has_blocks)
        for name, label, locus in zip(*columns, strict=True)
    ]
    with open(directory / BED, "w", encoding="utf-8", newline="\n") as file:
        file.writelines("\t".join(map(str, row)) + "\n" for row in rows)


def _bed_row(name: str, label: int, locus: Locus, has_blocks: bool) -> list[Any]:
    """Returns a site as a line of BED6, or BED12; bound sites have the score 1000."""
    row = [locus.chrom, locus.start, locus.end, name, 1000 * label, locus.strand]
    if has_blocks:
        row += [
            *(locus.start, locus.end, 0, len(locus.blocks)),
            ",".join(str(end - start) for start, end in locus.blocks),
            ",".join(str(start - locus.start) for start, _ in locus.blocks),
        ]
    return row


def write_skipped(directory: Path, skipped: "pd.DataFrame") -> None:
    """Writes `skipped.tsv`."""
    _write_table(directory / SKIPPED, skipped)


def _write_table(path: Path, table: "pd.DataFrame") -> None:
    table.to_csv(
        path, sep="\t", index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL
    )


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The files of an extraction.

    Attributes:
      peaks: BED, narrowPeak or broadPeak.
      genome: FASTA or UCSC 2bit.
      gtf: Annotation: GTF, GFF3 or BED12; None: regions and genes are not known.
      blacklist: BED of stretches without sites; None: there are none.
    """

    peaks: Sequence[Path]
    genome: Path
    gtf: Path | None = None
    blacklist: Path | None = None

    def described(self, background: BackgroundSettings) -> list[dict[str, str]]:
        """Returns path and SHA-256 of each file, those of the background, too."""
        others = {"genome": self.genome, "gtf": self.gtf, "blacklist": self.blacklist}
        files = [("peaks", path) for path in self.peaks]
        files += [(role, path) for role, path in others.items() if path]
        files += [("background", Path(path)) for path in background.files]
        files += [("exclude", Path(path)) for path in background.exclude]
        return [
            {"role": role, "file": str(path), "sha256": sha256(path)}
            for role, path in files
        ]


class Report(Protocol):
    """How well a background matches; see `auditing.matching_report`."""

    @property
    def summary(self) -> str:
        """The report as text."""

    @property
    def warnings(self) -> list[str]:
        """What gives the background away without binding, in words."""

    @property
    def notes(self) -> list[str]:
        """What may be binding, or rests on few sites, in words."""

    def write(self, out: Path) -> list[Path]:
        """Writes the report into a directory."""


@dataclasses.dataclass(frozen=True)
class Extraction:
    """A finished extraction.

    Attributes:
      directory: Its files; see `extraction_files`.
      sites: The sites, one row each: `name`, `chrom`, `start`, `end` (from 0, the end
        exclusive), `strand`, `label`, `region`, `split`, `sequence`, `blocks`, `gene`.
      skipped: Peaks that are no sites, and why.
      contents: Those of `extract.json`: settings, inputs, counts, background, warnings.
      report: How well the background matches; None: there is none.
    """

    directory: Path
    sites: "pd.DataFrame"
    skipped: "pd.DataFrame"
    contents: dict[str, Any]
    report: Report | None = None

    @property
    def warnings(self) -> list[str]:
        """Signs that something is wrong, sentences."""
        return self.contents["warnings"]

    def summary(self) -> str:
        """Returns counts of sites by split and region, and of skipped peaks."""
        counts = self.contents["counts"]
        lines = [f"read {counted(counts['peaks'], 'peak')}"]
        lines += [f"skipped {n:,}: {why}" for why, n in counts["skipped"].items()]
        kinds = [f"{counts['bound']:,} bound", f"{counts['background']:,} background"]
        lines.append(f"sites: {', '.join(kinds)}")
        if counts["spliced"]:
            lines.append(f"on several exons: {counts['spliced']:,}")
        if counts["regions"]:
            regions = (f"{name} {n:,}" for name, n in counts["regions"].items())
            lines.append(f"regions: {', '.join(regions)}")
        for split, n in counts["splits"].items():
            lines.append(
                f"{split}: {n['bound']:,} bound, {n['background']:,} background"
            )
        lines += self._background()
        return "\n".join([*lines, f"wrote {self.directory}"])

    def _background(self) -> list[str]:
        """Returns what was chosen, what was missing, and how well it matches."""
        said = self.contents["background"]
        lines = [f"background: {said['kind']}"]
        for name, text in (
            ("missing", "background sites that match were not found"),
            ("bound_without", "bound sites have no background"),
        ):
            if counts := said[name]:
                by_region = ", ".join(f"{k or 'all'} {n:,}" for k, n in counts.items())
                lines.append(f"{sum(counts.values()):,} {text} ({by_region})")
        if said["refused"]:
            lines.append(
                f"{said['refused']:,} of the given windows: {Reason.NO_BACKGROUND}"
            )
        return lines if self.report is None else [*lines, self.report.summary]


def contents_of(
    inputs: Inputs,
    settings: Settings,
    sites: "pd.DataFrame",
    listed: "pd.DataFrame",
    n_peaks: int,
    warnings: list[str],
) -> dict[str, Any]:
    """Returns the contents of `extract.json`."""
    counts = {
        "peaks": n_peaks,
        "skipped": _counts(listed["reason"]),
        "bound": int((sites["label"] == 1).sum()),
        "background": int((sites["label"] == 0).sum()),
        "spliced": int((sites["blocks"] != "").sum()),
        "regions": _counts(sites["region"]),
        "splits": {
            split: {"bound": int(labels.sum()), "background": int((labels == 0).sum())}
            for split, labels in sites.groupby("split")["label"]
            if split
        },
    }
    return {
        "version": deeprke_tf.__version__,
        "settings": dataclasses.asdict(settings),
        "inputs": inputs.described(settings.background),
        "counts": counts,
        "warnings": warnings,
    }


def _counts(values: "pd.Series") -> dict[str, int]:
    counts = values.value_counts()
    return {str(name): int(counts[name]) for name in sorted(counts.index) if name}
