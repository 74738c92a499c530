"""A scan, from RNAs to files; an interrupted one is resumed."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.genome.annotation import Annotation, read_annotation
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.scanning import genome_tracks
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.genome_rnas import GenomeRnas
from deeprke_tf.scanning.job import Job, tiling_of
from deeprke_tf.scanning.result import Scan
from deeprke_tf.scanning.rnas import FastaRnas, Rnas, rnas_of
from deeprke_tf.scanning.scorer import WindowScorer
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.scanning.tracks import safe_name
from deeprke_tf.system import directories
from deeprke_tf.system.files import write_json
from deeprke_tf.system.progress import Progress, no_progress

logger = logging.getLogger(__name__)


def scan(
    run: Run,
    fasta: Path | None,
    out: Path | None = None,
    settings: ScanSettings = ScanSettings(),
    *,
    genome: Path | None = None,
    gtf: Path | None = None,
    bed12: Path | None = None,
    genes: Sequence[str] = (),
    regions: Path | None = None,
    plot: Sequence[str] = (),
    workers: int | None = None,
    fold_cache: Path | None = None,
    strict: bool = False,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Scan:
    """Scores the windows that are not scored yet, calls sites and writes the files.

    `deeprke_tf.api.Run.scan` describes the arguments.

    Raises:
      UserError: An argument cannot be used, `out` holds another scan, or another
        process is scanning into it.
    """
    require_positive(workers=workers)
    _require_files(fasta, settings.background)
    rnas = rnas_of(fasta, genome, gtf=gtf, bed12=bed12, genes=genes, regions=regions)
    kept = None
    if out is None:
        kept = tempfile.TemporaryDirectory(prefix="deeprke-scan-")
        out = Path(kept.name) / "scan"
    with directories.only_process(out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is scanning into {out}; wait for it, or name another "
                "`out`."
            )
        job = Job(run, rnas, out, settings, tiling_of(run, settings), strict)
        lengths = job.checked_lengths(overwrite)
        names = _checked_names(plot, lengths, rnas)
        annotation = None
        if isinstance(rnas, FastaRnas):
            annotation = _annotation(gtf, bed12, lengths)
        _require_a_place(out)
        if overwrite:
            (out / scan_files.SCORES).unlink(missing_ok=True)
        calling, results = _results(
            job, lengths, annotation, names, workers, fold_cache, progress
        )
        given: dict[str, Any] = {
            "fasta": fasta,
            "genome": genome,
            "gtf": gtf,
            "bed12": bed12,
        }
        given |= {"genes": list(genes), "regions": regions, "plot": list(plot)}
        given |= {"workers": workers, "fold_cache": fold_cache}
        given |= {"strict": strict, "overwrite": overwrite}
        write_json(out / scan_files.MANIFEST, job.manifest(calling, given) | results)
    return Scan(out, kept)


def _results(
    job: Job,
    lengths: Mapping[str, int],
    annotation: Annotation | None,
    names: Sequence[str],
    workers: int | None,
    fold_cache: Path | None,
    progress: Progress,
) -> tuple[Calling, dict[str, Any]]:
    """Scores, calls and writes; returns the calling and entries of `scan.json`."""
    with contextlib.ExitStack() as closing:
        store = closing.enter_context(ScoreStore(job.out / scan_files.SCORES))
        pool = None
        if job.run.reads_structure:
            pool = FoldingPool(job.run.encoding.fold, fold_cache, workers)
            closing.enter_context(pool)
        batch_size = job.settings.batch_size
        scorer = WindowScorer(job.run, job.tiling, batch_size, pool, workers)
        closing.enter_context(scorer)
        speed = job.score(lengths, store, scorer, progress)
        writer = job.writer(store)
        counts, files = _write_files(writer, job.rnas, annotation)
        if names:
            from deeprke_tf.scanning import figures

            files += figures.draw_rnas(names, job.rnas, job.run, pool, writer)
    return writer.calling, {"counts": counts, "scored_now": speed, "files": files}


def _require_files(fasta: Path | None, background: Path | None) -> None:
    for name, path in (("fasta", fasta), ("background", background)):
        if path and (str(path) == "-" or path.is_fifo()):
            raise UserError(
                f"Save the RNAs to a file for `{name}`: it is read more than once."
            )


def _checked_names(
    names: Sequence[str], lengths: Mapping[str, int], rnas: Rnas
) -> list[str]:
    """Returns the names of RNAs to draw, as the scan has them."""
    for name in names:
        if safe_name(name) not in lengths:
            raise UserError(
                f"`plot` {name}: {rnas} has no such RNA that can be scanned; the name "
                f"of an RNA is {rnas.how_named}."
            )
    return [safe_name(name) for name in names]


def _annotation(
    gtf: Path | None, bed12: Path | None, lengths: Mapping[str, int]
) -> Annotation | None:
    """Reads the transcripts of the RNAs to scan; None: no annotation is given."""
    path = gtf or bed12
    if path is None:
        return None
    annotation = read_annotation(path, form="gtf" if gtf else "bed12")
    if lengths and not any(map(annotation.knows, lengths)):
        logger.info(
            "note: %s has none of the %s RNAs, such as %s",
            *(path, f"{len(lengths):,}", next(iter(lengths))),
        )
    return annotation


def _require_a_place(out: Path) -> None:
    """Makes the directory of a scan.

    Raises:
      UserError: Files of a scan would lie among others, or replace them.
    """
    directories.make_directory(out)
    is_scan = any(
        (out / name).exists() for name in (scan_files.SCORES, scan_files.MANIFEST)
    )
    if not is_scan and any(out.iterdir()):
        raise UserError(
            f"`out` {out} is not empty and holds no scan; name another directory."
        )


def _write_files(
    writer: ScanWriter, rnas: Rnas, annotation: Annotation | None
) -> tuple[dict[str, int], list[str]]:
    """Writes all but plots and manifest; returns counts and the names of the files."""
    for name in (*genome_tracks.FILES, scan_files.BIGWIG):
        (writer.out / name).unlink(missing_ok=True)  # of an earlier calling
    shutil.rmtree(writer.out / scan_files.PLOTS, ignore_errors=True)
    counts = writer.write_windows()
    counts["skipped_rnas"] = writer.write_skipped()
    counts |= writer.write_sites()
    files = [scan_files.WINDOWS, scan_files.SKIPPED, scan_files.SITES]
    files += writer.write_profile()
    if isinstance(rnas, GenomeRnas):
        counts |= genome_tracks.write_sites(writer, rnas.find)[0]
        files.append(genome_tracks.SITES)
        files += genome_tracks.write_profiles(writer, rnas.places, rnas.sizes)
    elif annotation is not None:
        mapped, unmapped = genome_tracks.write_sites(
            writer, genome_tracks.finder(annotation)
        )
        counts |= mapped | writer.write_unmapped(unmapped)
        files += [genome_tracks.SITES, scan_files.UNMAPPED]
    if not counts["rnas"]:
        logger.info(
            "note: no RNA was scanned: all %s were skipped; %s says why",
            *(counts["skipped_rnas"], scan_files.SKIPPED),
        )
    return counts, files
