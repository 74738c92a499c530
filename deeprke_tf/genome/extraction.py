"""Extraction: peaks and a genome become a table of sites, ready to preprocess."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf.errors import UserError
from deeprke_tf.genome import assembly, extraction_files, selection
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.cutting import (
    Cut,
    best,
    cut_sites,
    with_unique_names,
    without_overlaps,
)
from deeprke_tf.genome.extraction_background import (
    MakeReport,
    choose,
    joined,
    stretches,
)
from deeprke_tf.genome.extraction_files import Extraction, Inputs, contents_of
from deeprke_tf.genome.genome import Genome, open_genome
from deeprke_tf.genome.ground import Ground
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.settings import PeakSettings, Settings
from deeprke_tf.genome.skips import Reason, listed_in
from deeprke_tf.genome.spliced import SplicedTranscripts
from deeprke_tf.genome.splits import split_sites
from deeprke_tf.system.directories import directory_aside
from deeprke_tf.system.files import write_json
from deeprke_tf.system.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)


def extract(
    inputs: Inputs,
    out: Path,
    settings: Settings = Settings(),
    overwrite: bool = False,
    progress: Progress = no_progress,
    make_report: MakeReport | None = None,
) -> Extraction:
    """Does the work of `api.extract_sites`.

    Args:
      inputs: The files.
      out: Directory to make.
      settings: What is cut, and how.
      overwrite: Replace an extraction that `out` already holds.
      progress: Reports windows.
      make_report: Tells how well the background matches; None: nobody does.

    Raises:
      UserError: As of `api.extract_sites`.
    """
    if settings.windows.transcripts and inputs.gtf is None:
        raise UserError("`transcripts` needs an annotation: give `gtf`.")
    selection.require_files(len(inputs.peaks), settings.peaks.in_at_least)
    with (
        directory_aside(out, overwrite, extraction_files.EXTRACTION) as directory,
        open_genome(inputs.genome) as genome,
    ):
        ground, warnings = _ground(inputs, genome, settings)
        peaks, skipped = _read(inputs, settings.peaks)
        n_peaks = len(peaks) + sum(map(len, skipped))
        bound = _bound_sites(peaks, skipped, inputs, ground, settings, progress)
        listed = listed_in(bound.skipped)
        warnings += assembly.warnings_about_peaks(listed, n_peaks)
        chosen = choose(
            *(bound.sites, peaks, _excluded(inputs, settings, genome.sizes), ground),
            *(settings, make_report, progress),
        )
        sites = with_unique_names(joined(bound.sites, chosen.sites))
        sites = sites.assign(split=split_sites(sites, settings.splits))
        contents = contents_of(inputs, settings, sites, listed, n_peaks, warnings)
        contents["background"] = chosen.contents
        listed = listed_in([*bound.skipped, *chosen.listed])
        extraction_files.write_sites(directory, sites)
        extraction_files.write_skipped(directory, listed)
        if chosen.report is not None:
            chosen.report.write(directory)
        write_json(directory / extraction_files.MANIFEST, contents)
    for warning in warnings:
        logger.warning(warning)
    return Extraction(out, sites, listed, contents, chosen.report)


def _ground(
    inputs: Inputs, genome: Genome, settings: Settings
) -> tuple[Ground, list[str]]:
    """Reads the annotation; returns warnings about it, too."""
    if inputs.gtf is None:
        return Ground(genome), []
    annotation = read_annotation(inputs.gtf, sizes=genome.sizes)
    if not {*annotation.columns.chroms} & {*genome.sizes}:
        some, others = _some(annotation.columns.chroms), _some(genome.sizes)
        raise UserError(
            f"No transcript of `gtf` {inputs.gtf} lies on the genome: its chromosomes "
            f"are {some}, those of {inputs.genome} are {others}."
        )
    _say_renamed(inputs.gtf, annotation.renamed)
    if annotation.skipped:
        name, reason = next(iter(annotation.skipped.items()))
        logger.info(
            "note: %s transcripts of %s cannot be used, such as %s: %s",
            *(f"{len(annotation.skipped):,}", inputs.gtf, name, reason),
        )
    regions = Regions(annotation)
    spliced = None
    if settings.windows.transcripts:
        spliced = SplicedTranscripts(annotation, regions)
    warnings = assembly.warnings_about_annotation(annotation, genome)
    return Ground(genome, annotation, regions, spliced), warnings


def _read(
    inputs: Inputs, settings: PeakSettings
) -> "tuple[pd.DataFrame, list[pd.DataFrame]]":
    """Reads all peaks; returns lines that are none, too."""
    import pandas as pd

    found = [read_peaks(path, settings.strand) for path in inputs.peaks]
    tables = [one.table for one in found]
    return pd.concat(tables, ignore_index=True), [one.skipped for one in found]


def _bound_sites(
    peaks: "pd.DataFrame",
    skipped: "list[pd.DataFrame]",
    inputs: Inputs,
    ground: Ground,
    settings: Settings,
    progress: Progress,
) -> Cut:
    """Selects peaks and cuts their windows."""
    peaks, rows = _selected(peaks, inputs, settings.peaks, ground.genome.sizes)
    cut = cut_sites(
        *(peaks, ground.genome, settings.windows, ground.regions, ground.spliced),
        progress=progress,
    )
    any_overlap = settings.peaks.overlaps == "best"
    cut = without_overlaps(cut, peaks, any_overlap=any_overlap)
    cut = best(cut, peaks, settings.peaks.top)
    skipped = [*skipped, *rows, *cut.skipped]
    if cut.sites.empty:
        raise UserError(_nothing_left(listed_in(skipped)))
    return Cut(with_unique_names(cut.sites).reset_index(drop=True), skipped)


def _selected(
    peaks: "pd.DataFrame", inputs: Inputs, settings: PeakSettings, sizes: dict[str, int]
) -> selection.Selected:
    """Leaves out peaks, step by step."""
    names = ChromosomeNames(sizes)
    found = {chrom: names.find(chrom) for chrom in peaks["chrom"].unique()}
    _say_renamed(
        inputs.peaks[0], {old: new for old, new in found.items() if new and new != old}
    )
    chroms = peaks["chrom"]
    peaks, rows = selection.on_genome(peaks, sizes)
    if peaks.empty:
        raise UserError(_nothing_on_genome(chroms, rows, inputs, sizes))
    min_score, max_length = settings.min_score, settings.max_length
    peaks, more = selection.by_score_and_length(peaks, min_score, max_length)
    rows += more
    peaks, more = selection.in_at_least(peaks, settings.in_at_least)
    rows += more
    if settings.overlaps == "merge":
        peaks, more = selection.merged(peaks)
        rows += more
    peaks, more = selection.off_blacklist(peaks, _blacklist(inputs, sizes))
    return peaks.reset_index(drop=True), rows + more


def _excluded(
    inputs: Inputs, settings: Settings, sizes: dict[str, int]
) -> "pd.DataFrame":
    """Reads the stretches that have no background."""
    return joined(
        stretches(settings.background.exclude, sizes, "exclude"),
        _blacklist(inputs, sizes),
    )


def _blacklist(inputs: Inputs, sizes: dict[str, int]) -> "pd.DataFrame":
    paths = [] if inputs.blacklist is None else [inputs.blacklist]
    return stretches(paths, sizes, "blacklist")


def _say_renamed(path: Path, renamed: dict[str, str]) -> None:
    if renamed:
        old, new = next(iter(renamed.items()))
        logger.info(
            "note: chromosome names of %s are matched to the genome's, such as %s to "
            "%s (%s names)",
            *(path, old, new, len(renamed)),
        )


def _nothing_on_genome(
    chroms: "pd.Series",
    rows: "list[pd.DataFrame]",
    inputs: Inputs,
    sizes: dict[str, int],
) -> str:
    n_past = int((listed_in(rows)["reason"] == Reason.PAST_END).sum())
    if n_past:
        return (
            f"No peak lies on the genome {inputs.genome}: {n_past:,} lie past the end "
            "of their chromosome. Is it of another assembly?"
        )
    return (
        f"No peak lies on the genome: the chromosomes of {inputs.peaks[0]} are "
        f"{_some(chroms)}, those of {inputs.genome} are {_some(sizes)}."
    )


def _nothing_left(listed: "pd.DataFrame") -> str:
    counts = listed["reason"].value_counts()
    shown = "; ".join(f"{reason}: {n:,}" for reason, n in counts.head(4).items())
    return f"No peak became a site. {shown}."


def _some(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return ", ".join(unique[:5]) + (", ..." if len(unique) > 5 else "")
