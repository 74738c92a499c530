"""The background of an extraction: its files read, and what was found reported."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from deeprke_tf.errors import UserError
from deeprke_tf.genome import selection
from deeprke_tf.genome.background import Background, Request, background_of
from deeprke_tf.genome.cutting import cut_sites, without_overlaps
from deeprke_tf.genome.extraction_files import Report
from deeprke_tf.genome.ground import Ground
from deeprke_tf.genome.landmarks import described
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.settings import Settings
from deeprke_tf.genome.skips import Reason, skipped
from deeprke_tf.system.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

# From tables of bound sites, background, and background before matching; see
# `auditing.matching_report`.
MakeReport: TypeAlias = Callable[[Any, Any, Any], Report]


class Chosen(NamedTuple):
    """Background sites, and what is said of them.

    Attributes:
      sites: In the columns of `site_table`.
      listed: Peaks of the user's background files that cannot be used, and why.
      contents: For `extract.json`.
      report: How well it matches; None: there is no background, or nobody asked.
    """

    sites: "pd.DataFrame"
    listed: "list[pd.DataFrame]"
    contents: dict[str, Any]
    report: Report | None


def choose(
    bound: "pd.DataFrame",
    peaks: "pd.DataFrame",
    excluded: "pd.DataFrame",
    ground: Ground,
    settings: Settings,
    make_report: MakeReport | None,
    progress: Progress,
) -> Chosen:
    """Chooses background sites.

    Args:
      bound: The bound sites.
      peaks: All peaks as they were read, of high and of low score.
      excluded: Stretches of the genome without background.
      ground: Genome and annotation.
      settings: Of the extraction.
      make_report: Compares the classes; None: no report.
      progress: Reports windows.

    Raises:
      UserError: A file cannot be read, or no background site was found.
    """
    peaks, _ = selection.on_genome(peaks, ground.genome.sizes)
    seed = settings.splits.seed
    request = Request(bound, ground, peaks, excluded, settings.background, seed)
    rows: list[pd.DataFrame] = []
    others = cut = None
    if settings.background.files:
        others, rows = _read(settings, ground)
        cut = cut_sites(others, ground.genome, settings.windows, *ground[2:])
        cut = without_overlaps(cut, others, any_overlap=False)
        rows = rows + cut.skipped
    found = background_of(request, None if cut is None else cut.sites)
    if others is not None:
        rows.append(skipped(others.loc[list(found.refused)], Reason.NO_BACKGROUND))
    if request.kind != "none" and found.sites.empty:
        raise UserError(
            f"No background site was found ({request.kind}): peaks, their gap and what "
            "is excluded leave nothing that matches. Give a smaller `gap` or another "
            "`background`."
        )
    report = None
    if make_report is not None and not found.sites.empty:
        report = _report(request, found, make_report)
    return Chosen(found.sites, rows, _contents(request, found, report), report)


def stretches(
    paths: Sequence[str | Path], sizes: dict[str, int], name: str
) -> "pd.DataFrame":
    """Reads stretches of the genome, on either strand.

    Args:
      paths: BED files.
      sizes: Length of each chromosome of the genome.
      name: Argument that names the files.

    Returns:
      A table with `chrom`, `start` and `end`, among others.

    Raises:
      UserError: A file cannot be read, or nothing in it lies on the genome.
    """
    import pandas as pd

    tables = [pd.DataFrame({"chrom": [], "start": [], "end": []})]
    for path in paths:
        read = read_peaks(path, needs_strand=False).table
        found, _ = selection.on_genome(read, sizes)
        if found.empty:
            raise UserError(
                f"Nothing of `{name}` {path} lies on the genome: its first line is on "
                f"{read['chrom'].iloc[0]}, the genome has {next(iter(sizes))}."
            )
        tables.append(found)
    return joined(*tables)


def joined(*tables: "pd.DataFrame") -> "pd.DataFrame":
    """Returns the rows of all tables; empty ones have no say in the types."""
    import pandas as pd

    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def _read(
    settings: Settings, ground: Ground
) -> "tuple[pd.DataFrame, list[pd.DataFrame]]":
    """Reads the files of `peaks` or `bed`."""
    import pandas as pd

    files = settings.background.files
    read = [read_peaks(path, settings.peaks.strand) for path in files]
    table = pd.concat([one.table for one in read], ignore_index=True)
    peaks, rows = selection.on_genome(table, ground.genome.sizes)
    if peaks.empty:
        raise UserError(f"Nothing of `background` {files[0]} lies on the genome.")
    return peaks.reset_index(drop=True), [one.skipped for one in read] + rows


def _report(request: Request, found: Background, make_report: MakeReport) -> Report:
    tables = [request.bound, found.sites, found.unmatched]
    # A shuffled site lies nowhere.
    if request.kind != "shuffled":
        ground = request.ground
        tables = [described(one, ground.genome, ground.annotation) for one in tables]
    return make_report(*tables)


def _contents(
    request: Request, found: Background, report: Report | None
) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "missing": found.n_missing,
        "bound_without": found.n_without,
        "refused": len(found.refused),
        "warnings": report.warnings if report else [],
        "notes": report.notes if report else [],
    }
