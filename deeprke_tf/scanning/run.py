"""A scan from RNAs to files: begins, resumes and finishes one."""

import contextlib
import dataclasses
import functools
import itertools
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.runs import layout
from deeprke_tf.runs.predictions import SHORT
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.scanning.fdr import call_at_fdr
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.scorer import score_rnas
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.scanning.sources import (
    Source,
    background_of,
    prepare,
    skipped_note,
    windows_of,
)
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.scanning.tracks import NO_VALUE, safe_name
from deeprke_tf.scanning.transcripts import Annotation
from deeprke_tf.scanning.windows import Tiling
from deeprke_tf.system import directories, processes
from deeprke_tf.system.files import bytes_written_aside, sha256, write_json
from deeprke_tf.system.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

_TOO_LOW = (
    "the threshold of the model suits the fraction of bound sites in its training "
    "data; fewer windows of whole RNAs are bound, so that more calls are false: give "
    "`fdr`"
)


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
        self.manifest = json.loads((directory / scan_files.MANIFEST).read_text())
        self._kept = kept

    def __repr__(self) -> str:
        counts = self.manifest["counts"]
        return (
            f"<Scan of {counts['rnas']:,} RNAs: {counts['sites']:,} sites on "
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
        where no FDR was asked for.
        """
        return self._table(scan_files.SITES)

    @functools.cached_property
    def windows(self) -> "pd.DataFrame":
        """All windows, a row each, in the columns of `windows.tsv`."""
        return self._table(scan_files.WINDOWS)

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

    def _table(self, name: str) -> "pd.DataFrame":
        import pandas as pd

        with open(self.directory / name, encoding="utf-8") as file:
            head = list(itertools.takewhile(_is_head, file))
        is_bed = name == scan_files.SITES
        text = {"chrom": str, "name": str, "skipped": str}
        return pd.read_csv(
            self.directory / name,
            sep="\t",
            skiprows=len(head),
            names=head[-2][1:].split() if is_bed else None,
            dtype=text,
            keep_default_na=False,
            na_values={"q_value": [NO_VALUE, ""], "probability": [""]}
            | {"calibrated_probability": [""], "probability_sd": [""]},
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


def scan(
    run: Run,
    fasta: Path,
    out: Path | None = None,
    settings: ScanSettings = ScanSettings(),
    *,
    gtf: Path | None = None,
    bed12: Path | None = None,
    plot: Sequence[str] = (),
    workers: int | None = None,
    fold_cache: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Scan:
    """Scores the windows that are not scored yet, calls sites and writes the files.

    Args:
      run: The model.
      fasta: RNAs of any length.
      out: Directory of the scan, a new one or an earlier scan of the same windows;
        None: a temporary one, which goes with the result.
      settings: Windows, and how they are called.
      gtf: Annotation, to write sites on the genome too.
      bed12: The same from a BED12 file.
      plot: Names of RNAs to draw.
      workers: Folding processes; None: all cores.
      fold_cache: File of known folds; None: the user's.
      overwrite: Delete the scores of another scan in `out`.
      progress: Shows how many nucleotides are scored.

    Raises:
      UserError: An argument cannot be used, does not fit what `out` holds, or another
        process is scanning into `out`.
    """
    for name, path in (("fasta", fasta), ("background", settings.background)):
        if path and (str(path) == "-" or path.is_fifo()):
            raise UserError(
                f"Save the RNAs to a file for `{name}`: it is read more than once."
            )
    if gtf and bed12:
        raise UserError("Give `gtf` or `bed12`, not both.")
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
        work = _Work(run, fasta, out, settings, _tiling(run, settings))
        lengths = work.checked_lengths(overwrite)
        for note in _notes(run, work.tiling, lengths):
            logger.info("note: %s", note)
        annotation = None
        if path := gtf or bed12:
            annotation = _annotation(path, lengths, is_gtf=gtf is not None)
        plot = [safe_name(name) for name in plot]
        for name in plot:
            if name not in lengths:
                raise UserError(
                    f"`plot` {name}: {fasta} has no RNA of that name that can be "
                    "scanned; its name is the first word of its header."
                )
        _require_a_place(out)
        if overwrite:
            (out / scan_files.SCORES).unlink(missing_ok=True)
        with contextlib.ExitStack() as closing:
            store = closing.enter_context(ScoreStore(out / scan_files.SCORES))
            pool = None
            if run.reads_structure:
                pool = FoldingPool(run.encoding.fold, fold_cache, workers)
                closing.enter_context(pool)
            speed = work.score(lengths, store, pool, progress)
            writer = work.writer(store)
            counts, names = _write_files(writer, annotation)
            if plot:
                from deeprke_tf.scanning import figures

                names += figures.draw_rnas(plot, fasta, run, pool, writer)
        given = {"gtf": gtf, "bed12": bed12, "plot": list(plot), "workers": workers}
        given |= {"fold_cache": fold_cache, "overwrite": overwrite}
        manifest = work.manifest(writer.calling, given)
        manifest |= {"counts": counts, "scored_now": speed, "files": names}
        write_json(out / scan_files.MANIFEST, manifest)
    return Scan(out, kept)


@dataclasses.dataclass(frozen=True)
class _Work:
    """A scan to be done."""

    run: Run
    fasta: Path
    out: Path
    settings: ScanSettings
    tiling: Tiling

    @functools.cached_property
    def scanned(self) -> Source:
        return Source("scanned", self.fasta)

    def checked_lengths(self, overwrite: bool) -> Mapping[str, int]:
        """Finds all that can be wrong with the input before the long work.

        Returns:
          The lengths of the RNAs that can be scanned, by name: those of the store, if
          it has all of them.
        """
        settings, run = self.settings, self.run
        # Refuses a prior out of range.
        run.applied_calibration(settings.calibrate)([], settings.prior)
        by_background = settings.target_fdr and not settings.background
        if settings.recall is not None or by_background:
            run.validation  # noqa: B018
        if settings.background:
            Source("background", settings.background).lengths(run.encoding.k)
        path = self.out / scan_files.SCORES
        if path.exists() and not overwrite:
            with ScoreStore(path) as store:
                same = self.scanned.settings(run, self.tiling)
                if store.is_finished("scanned") and store.settings("scanned") == same:
                    return dict(store.lengths("scanned"))
        return self.scanned.lengths(run.encoding.k)

    def score(
        self,
        lengths: Mapping[str, int],
        store: ScoreStore,
        pool: FoldingPool | None,
        progress: Progress,
    ) -> dict[str, dict[str, float]]:
        """Scores the RNAs that the store lacks; returns how many nt, and how fast."""
        sources = [self.scanned]
        background = background_of(self.fasta, self.settings, lengths, self.tiling)
        if background:
            sources.append(background)
        for source in sources:
            prepare(source, self.run, self.tiling, store)
        (self.out / scan_files.MANIFEST).unlink(missing_ok=True)
        return {
            source.origin: self._score(source, lengths, store, pool, progress)
            for source in sources
        }

    def _score(
        self,
        source: Source,
        lengths: Mapping[str, int],
        store: ScoreStore,
        pool: FoldingPool | None,
        progress: Progress,
    ) -> dict[str, float]:
        run, done = self.run, store.last_row(source.origin)
        n_nt, started = 0, time.monotonic()
        if not store.is_finished(source.origin):
            if source.path != self.fasta:
                lengths = source.lengths(run.encoding.k)
            n_nt = source.n_shuffles * sum(lengths.values())
            n_nt -= sum(length for _name, length in store.lengths(source.origin))
            if done:
                logger.info("going on after RNA %s of %s", done, source.path)
            what = "scanning" if source.origin == "scanned" else "scanning background"
            with progress(n_nt, "nt", what) as bar:
                rnas = source.read(run.encoding.k, done)
                for batch in score_rnas(
                    *(run, rnas, self.tiling, pool, self.settings.batch_size),
                    bar.update,
                ):
                    store.add(source.origin, batch)
            store.finish(source.origin)
        seconds = time.monotonic() - started
        return {
            "nt": n_nt,
            "seconds": round(seconds, 3),
            "nt_per_second": round(n_nt / seconds, 1) if n_nt else 0.0,
        }

    def writer(self, store: ScoreStore) -> ScanWriter:
        """Calls the windows; logs what a user should know."""
        settings, run = self.settings, self.run
        calling = self._calling(store)
        notes = [calling.doubt]
        if settings.background:
            notes.insert(0, skipped_note(store, settings.background))
        for note in filter(None, notes):
            logger.info("note: %s", note)
        return ScanWriter(
            *(self.out, store, self.tiling, calling),
            calibration=run.applied_calibration(settings.calibrate),
            prior=settings.prior,
            model=run.name,
            calibrated=settings.calibrate,
            with_sd=len(run.trainings) > 1,
        )

    def _calling(self, store: ScoreStore) -> Calling:
        settings, run = self.settings, self.run
        if settings.target_fdr is not None:
            validation = None
            # RNAs of the user's stand for all unbound windows, decoys too.
            if not settings.background and len(np.unique(run.validation[0])) == 2:
                validation = run.validation
            return call_at_fdr(
                windows_of(store, "scanned", self.tiling),
                windows_of(store, "background", self.tiling),
                settings.target_fdr,
                validation,
            )
        if settings.recall is not None:
            return run.calling(target=("recall", settings.recall), prior=settings.prior)
        calling = run.calling(settings.threshold)
        if settings.threshold is None:
            return dataclasses.replace(calling, doubt=_TOO_LOW)
        return calling

    def manifest(self, calling: Calling, given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the contents of `scan.json`, without counts and files."""
        flags = dataclasses.asdict(self.settings)
        flags["no_calibration"] = not flags.pop("calibrate")
        model = {"model": self.run.directory, "fasta": self.fasta, "out": self.out}
        # Runs that were given together may have none.
        fitted = self.settings.calibrate or not self.run.given
        calibration = self.run.applied_calibration(fitted)
        return {
            "deeprke_tf": __version__,
            "command": processes.command_line(),
            "flags": {
                name: str(value) if isinstance(value, Path) else value
                for name, value in {**model, **flags, **given}.items()
            },
            "manifest_sha256": sha256(self.run.directory / layout.MANIFEST),
            "model_sha256": self.run.model_sha256,
            "fasta_sha256": sha256(self.fasta),
            **dataclasses.asdict(self.tiling),
            "threshold": calling.threshold if np.isfinite(calling.threshold) else None,
            "threshold_chosen": calling.chosen,
            "calibration": calibration.to_json(),
        }


def _tiling(run: Run, settings: ScanSettings) -> Tiling:
    """Returns where windows lie: as long as training sites, a quarter further each."""
    window = settings.window or run.longest_site
    if window is None:
        raise UserError(
            f"The manifest of {run.directory} does not tell the length of its training "
            "sites; give `window`."
        )
    if window < run.encoding.k:
        raise UserError(
            f"`window` must be at least k, {run.encoding.k} nt here, got {window}."
        )
    return Tiling(window, settings.stride or max(1, window // 4))


def _notes(run: Run, tiling: Tiling, lengths: Mapping[str, int]) -> Iterator[str]:
    """Yields what a user should know of windows and RNAs before they are scored."""
    longest = run.longest_site
    trained = f"those that the model was trained on, {longest} nt at most"
    if longest and tiling.window > longest:
        yield f"windows of {tiling.window} nt are longer than {trained}"
    if longest and tiling.window < SHORT * longest:
        yield f"windows of {tiling.window} nt are much shorter than {trained}"
    elif longest and (n := sum(nt < SHORT * longest for nt in lengths.values())):
        yield f"{n:,} RNAs are much shorter than the sites {trained[6:]}"
    renamed = [n for n in lengths if n[0] == "_" and safe_name(n[1:]) == n]
    if renamed:
        yield (
            "readers of tracks skip names that begin with #, track or browser; these "
            f"got an underscore in front: {', '.join(renamed)}"
        )


def _annotation(path: Path, lengths: Mapping[str, int], *, is_gtf: bool) -> Annotation:
    annotation = Annotation(path, lengths, is_gtf=is_gtf)
    if lengths and not len(annotation):
        logger.info(
            "note: %s has none of the %s RNAs, such as %s",
            *(path, f"{len(lengths):,}", next(iter(lengths))),
        )
    return annotation


def _require_a_place(out: Path) -> None:
    """Makes the directory, or makes sure that it holds a scan.

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
    writer: ScanWriter, annotation: Annotation | None
) -> tuple[dict[str, int], list[str]]:
    """Writes all but plots and manifest; returns counts and the names of the files."""
    for name in (scan_files.GENOME_SITES, scan_files.UNMAPPED, scan_files.BIGWIG):
        (writer.out / name).unlink(missing_ok=True)  # of an earlier calling
    shutil.rmtree(writer.out / scan_files.PLOTS, ignore_errors=True)
    counts = writer.write_windows()
    counts["skipped_rnas"] = writer.write_skipped()
    counts |= writer.write_sites()
    files = [scan_files.WINDOWS, scan_files.SKIPPED, scan_files.SITES]
    files += writer.write_profile()
    if annotation:
        counts |= writer.write_genome_sites(annotation)
        files += [scan_files.GENOME_SITES, scan_files.UNMAPPED]
    if not counts["rnas"]:
        logger.info(
            "note: no RNA was scanned: all %s were skipped; %s says why",
            *(counts["skipped_rnas"], scan_files.SKIPPED),
        )
    return counts, files
