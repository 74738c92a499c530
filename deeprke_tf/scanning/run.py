"""A scan from its RNAs to its files: begins, resumes and finishes one."""

import dataclasses
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import (
    GIVEN,
    OF_MODEL,
    Calling,
    call_on_validation,
)
from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs import layout
from deeprke_tf.runs import run as runs
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.scanning import plots
from deeprke_tf.scanning.fdr import call_at_fdr
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.scorer import score_rnas
from deeprke_tf.scanning.sources import (
    Source,
    lengths_of,
    prepare,
    skipped_note,
    sources_of,
    windows_of,
)
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.scanning.transcripts import Annotation
from deeprke_tf.scanning.windows import Tiling
from deeprke_tf.system import directories, processes, tables
from deeprke_tf.system.files import sha256, write_json
from deeprke_tf.system.progress import progress_bar

if TYPE_CHECKING:
    from deeprke_tf.scan import ScanFlags

MANIFEST = "scan.json"

_TOO_LOW = (
    "the threshold of the model suits the share of bound sites in its training data; "
    "of the windows of whole RNAs fewer are bound, so that more calls are false: give "
    "--fdr"
)


def run_scan(flags: "ScanFlags") -> None:
    """Scores what is not scored yet, calls sites and writes the files.

    Raises:
      UserError: Something given cannot be used, or does not fit what `out` holds.
    """
    run = runs.load(flags.model)
    tiling = _tiling(flags, run)
    # All that can be wrong with what was given is found before the long work.
    run.calibration([], flags.prior)
    if flags.recall is not None or (flags.largest_fdr and not flags.background):
        layout.read_validation(run.directory)
    lengths = lengths_of(Source("scanned", flags.fasta), run.encoding.k)
    if flags.background:
        lengths_of(Source("background", flags.background), run.encoding.k)
    _require_names(flags.plot, lengths, flags.fasta)
    annotation = _annotation(flags, lengths)
    _require_a_place(flags.out)
    if flags.overwrite:
        (flags.out / scan_files.SCORES).unlink(missing_ok=True)
    sources = sources_of(flags, lengths, tiling)
    with (
        ScoreStore(flags.out / scan_files.SCORES) as store,
        FoldingPool(run.encoding.fold, flags.fold_cache, flags.workers) as pool,
    ):
        for source in sources:
            prepare(source, flags, run, tiling, store)
        (flags.out / MANIFEST).unlink(missing_ok=True)
        speed = {
            source.origin: _score(source, flags, run, tiling, pool, store)
            for source in sources
        }
        calling = _calling(flags, run, tiling, store)
        skipped = skipped_note(store, flags.background) if flags.background else ""
        for note in filter(None, (skipped, calling.doubt)):
            print(f"note: {note}", file=sys.stderr)
        writer = ScanWriter(
            flags.out,
            store,
            tiling,
            calling,
            run.calibration,
            flags.prior,
            _name(run),
            not flags.no_calibration,
        )
        counts, files = _write_files(writer, annotation)
        for name in flags.plot:
            files += plots.plot(name, flags.fasta, run, pool, writer)
    manifest = _manifest(flags, run, tiling, calling)
    manifest |= {"counts": counts, "scored_now": speed, "files": files}
    write_json(flags.out / MANIFEST, manifest)
    print(_summary(flags.out, calling, counts, [*files, MANIFEST]))


def _require_a_place(out: Path) -> None:
    """Makes the directory, or makes sure that what it holds is of a scan.

    Raises:
      UserError: Files of a scan would lie among others, or replace them.
    """
    directories.make_directory(out)
    is_scan = any((out / name).exists() for name in (scan_files.SCORES, MANIFEST))
    if not is_scan and any(out.iterdir()):
        raise UserError(
            f"--out {out} is not empty and holds no scan; name another directory."
        )


def _tiling(flags: "ScanFlags", run: runs.Run) -> Tiling:
    """Returns where windows lie: as long as training sites, a quarter further each."""
    window = flags.window or run.manifest.get("longest_site")
    if not isinstance(window, int):
        raise UserError(
            f"The manifest of {run.directory} does not tell the length of its training "
            "sites; give --window."
        )
    if window < run.encoding.k:
        raise UserError(
            f"window must be at least k, {run.encoding.k} nt here, got {window}."
        )
    return Tiling(window, flags.stride or max(1, window // 4))


def _require_names(names: tuple[str, ...], lengths: dict[str, int], path: Path) -> None:
    for name in names:
        if name not in lengths:
            raise UserError(
                f"--plot {name}: {path} has no RNA of that name that can be scanned; "
                "its name is the first word of its header."
            )


def _annotation(flags: "ScanFlags", lengths: dict[str, int]) -> Annotation | None:
    path = flags.gtf or flags.bed12
    return Annotation(path, lengths, is_gtf=flags.gtf is not None) if path else None


def _score(
    source: Source,
    flags: "ScanFlags",
    run: runs.Run,
    tiling: Tiling,
    pool: FoldingPool,
    store: ScoreStore,
) -> dict[str, float]:
    """Scores the RNAs that the store lacks; returns how many nt, and how fast."""
    k, done = run.encoding.k, store.last_row(source.origin)
    n_nt, started = 0, time.monotonic()
    if not store.is_finished(source.origin):
        n_nt = sum(len(r.sequence) for r in source.read(k, done) if isinstance(r, Rna))
        if done:
            print(f"going on after RNA {done} of {source.path}", flush=True)
        what = "scanning" if source.origin == "scanned" else "scanning background"
        with progress_bar(n_nt, "nt", what) as bar:
            rnas = source.read(k, done)
            for batch in score_rnas(
                run, rnas, tiling, pool, flags.batch_size, bar.update
            ):
                store.add(source.origin, batch)
        store.finish(source.origin)
    seconds = time.monotonic() - started
    return {
        "nt": n_nt,
        "seconds": round(seconds, 3),
        "nt_per_second": round(n_nt / seconds, 1) if n_nt else 0.0,
    }


def _validation(run: runs.Run) -> tuple[np.ndarray, np.ndarray] | None:
    """Returns labels and probabilities of validation; None if all are of one class."""
    labels, probabilities = layout.read_validation(run.directory)
    return (labels, probabilities) if len(np.unique(labels)) == 2 else None


def _calling(
    flags: "ScanFlags", run: runs.Run, tiling: Tiling, store: ScoreStore
) -> Calling:
    if flags.largest_fdr is not None:
        # RNAs of the user's are what is not bound, with all that looks like a site.
        validation = None if flags.background else _validation(run)
        return call_at_fdr(
            windows_of(store, "scanned", tiling),
            windows_of(store, "background", tiling),
            flags.largest_fdr,
            validation,
        )
    if flags.recall is not None:
        validation = layout.read_validation(run.directory)
        return call_on_validation(*validation, ("recall", flags.recall), flags.prior)
    if flags.threshold is not None:
        return Calling(flags.threshold, GIVEN)
    return Calling(run.threshold, OF_MODEL, doubt=_TOO_LOW)


def _write_files(
    writer: ScanWriter, annotation: Annotation | None
) -> tuple[dict[str, int], list[str]]:
    """Writes all but plots and manifest; returns counts and the names of the files."""
    for name in (scan_files.GENOME_SITES, scan_files.UNMAPPED, scan_files.BIGWIG):
        (writer.out / name).unlink(missing_ok=True)  # of an earlier calling
    shutil.rmtree(writer.out / plots.PLOTS, ignore_errors=True)
    counts = writer.write_windows()
    counts["skipped_rnas"] = writer.write_skipped()
    counts |= writer.write_sites()
    files = [scan_files.WINDOWS, scan_files.SKIPPED, scan_files.SITES]
    files += writer.write_profile()
    if annotation:
        counts |= writer.write_genome_sites(annotation)
        files += [scan_files.GENOME_SITES, scan_files.UNMAPPED]
    return counts, files


def _manifest(
    flags: "ScanFlags", run: runs.Run, tiling: Tiling, calling: Calling
) -> dict[str, Any]:
    given = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(flags).items()
    }
    return {
        "deeprke_tf": __version__,
        "command": processes.command_line(),
        "flags": given,
        "manifest_sha256": sha256(run.directory / layout.MANIFEST),
        "model_sha256": run.manifest["model_sha256"],
        "fasta_sha256": sha256(flags.fasta),
        **dataclasses.asdict(tiling),
        "threshold": calling.threshold if np.isfinite(calling.threshold) else None,
        "threshold_chosen": calling.chosen,
        "calibration": run.calibration.to_json(),
    }


def _name(run: runs.Run) -> str:
    return run.directory.resolve().name


def _summary(
    out: Path, calling: Calling, counts: dict[str, int], files: list[str]
) -> str:
    rows = [
        ["scanned", f"{counts['rnas']:,} RNAs, {counts['nt']:,} nt"],
        ["windows", f"{counts['windows']:,}"],
        ["threshold", str(calling)],
        ["sites", f"{counts['sites']:,} on {counts['rnas_with_sites']:,} RNAs"],
    ]
    if counts["skipped_rnas"]:
        listed = f"{counts['skipped_rnas']:,}, listed in {scan_files.SKIPPED}"
        rows.insert(1, ["skipped RNAs", listed])
    if "unmapped_rnas" in counts:
        mapped = f"{counts['mapped_sites']:,} sites on the genome; "
        mapped += (
            f"{counts['unmapped_rnas']:,} RNAs, with {counts['unmapped_sites']:,} "
        )
        rows.append(["mapped", f"{mapped}sites, listed in {scan_files.UNMAPPED}"])
    if scan_files.BIGWIG not in files and counts["windows"]:
        how = "needs pyBigWig: pip install 'deeprke_tf[tracks]'"
        rows.append([scan_files.BIGWIG, f"not written; {how}"])
    return tables.text_table([*rows, ["wrote", f"{out}: {', '.join(files)}"]])
