"""The steps of a scan: check the input, score windows, call sites."""

import dataclasses
import functools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.runs import layout
from deeprke_tf.runs.onnx_scorer import FEW_NT
from deeprke_tf.runs.predictions import SHORT
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning import files as scan_files
from deeprke_tf.scanning.fdr import call_at_fdr
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.rnas import FastaRnas, Rnas
from deeprke_tf.scanning.scorer import WindowScorer
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.scanning.sources import (
    Source,
    background_of,
    prepare,
    skipped_note,
    windows_of,
)
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.scanning.tracks import safe_name
from deeprke_tf.scanning.windows import Tiling
from deeprke_tf.system import processes
from deeprke_tf.system.files import sha256
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress

logger = logging.getLogger(__name__)

_TOO_LOW = (
    "the threshold of the model suits the fraction of bound sites in its training "
    "data; fewer windows of whole RNAs are bound, so that more calls are false: give "
    "`fdr`"
)


@dataclasses.dataclass(frozen=True)
class Job:
    """A scan to be done.

    Attributes:
      run: The model.
      rnas: RNAs of any length.
      out: Directory of the scan.
      settings: Windows, and how they are called.
      tiling: Where the windows lie; see `tiling_of`.
      strict: Whether an RNA that cannot be scanned is an error.
    """

    run: Run
    rnas: Rnas
    out: Path
    settings: ScanSettings
    tiling: Tiling
    strict: bool = False

    @functools.cached_property
    def scanned(self) -> Source:
        """The RNAs to scan."""
        return Source("scanned", self.rnas)

    def checked_lengths(self, overwrite: bool) -> Mapping[str, int]:
        """Checks the input, before windows are scored.

        Returns:
          The lengths of the RNAs that can be scanned, by name.

        Raises:
          UserError: A setting cannot be used, or an RNA in spite of `strict`.
        """
        settings, run = self.settings, self.run
        # Refuses a prior out of range.
        run.applied_calibration(settings.calibrate)([], settings.prior)
        by_background = settings.target_fdr and not settings.background
        if settings.recall is not None or by_background:
            run.validation  # noqa: B018
        if settings.background:
            rnas = FastaRnas(settings.background)
            Source("background", rnas).lengths(run.encoding.k)
        # A finished scan need not read the RNAs again.
        path = self.out / scan_files.SCORES
        if path.exists() and not overwrite:
            with ScoreStore(path) as store:
                same = self.scanned.settings(run, self.tiling)
                if store.is_finished("scanned") and store.settings("scanned") == same:
                    self._refuse(list(store.skipped("scanned")))
                    return dict(store.lengths("scanned"))
        skipped: list[SkippedSite] = []
        lengths = self.scanned.lengths(run.encoding.k, skipped)
        self._refuse(skipped)
        for note in _notes(run, self.tiling, lengths):
            logger.info("note: %s", note)
        return lengths

    def _refuse(self, skipped: Sequence[SkippedSite]) -> None:
        if self.strict and skipped:
            rna = skipped[0]
            raise UserError(
                f"RNA {rna.row}, {rna.name!r}, cannot be scanned ({rna.reason}), and "
                "`strict` is set."
            )

    def score(
        self,
        lengths: Mapping[str, int],
        store: ScoreStore,
        scorer: WindowScorer,
        progress: Progress,
    ) -> dict[str, dict[str, float]]:
        """Scores the RNAs that the store lacks; returns how many nt, and how fast."""
        sources = [self.scanned]
        background = background_of(self.rnas, self.settings, lengths, self.tiling)
        if background:
            sources.append(background)
        for source in sources:
            prepare(source, self.run, self.tiling, store)
        (self.out / scan_files.MANIFEST).unlink(missing_ok=True)
        return {
            source.origin: self._score(source, lengths, store, scorer, progress)
            for source in sources
        }

    def _score(
        self,
        source: Source,
        lengths: Mapping[str, int],
        store: ScoreStore,
        scorer: WindowScorer,
        progress: Progress,
    ) -> dict[str, float]:
        run, done = self.run, store.last_row(source.origin)
        n_nt, started = 0, time.monotonic()
        if not store.is_finished(source.origin):
            if source.rnas is not self.rnas:
                lengths = source.lengths(run.encoding.k)
            n_nt = source.n_shuffles * sum(lengths.values())
            few = self._are_few(source.n_shuffles, lengths)
            n_nt -= sum(length for _name, length in store.lengths(source.origin))
            if done:
                logger.info("resuming after RNA %s of %s", done, source.rnas)
            what = "scanning" if source.origin == "scanned" else "scanning background"
            with progress(n_nt, "nt", what) as bar:
                rnas = source.read(run.encoding.k, done)
                for batch in scorer.score(rnas, bar.update, few):
                    store.add(source.origin, batch)
            store.finish(source.origin)
        seconds = time.monotonic() - started
        return {
            "nt": n_nt,
            "seconds": round(seconds, 3),
            "nt_per_second": round(n_nt / seconds, 1) if n_nt else 0.0,
        }

    def _are_few(self, n_shuffles: int, lengths: Mapping[str, int]) -> bool:
        """Tells whether all windows are fewer than TensorFlow and processes pay for."""
        n_windows = sum(len(self.tiling.place(n)[0]) for n in lengths.values())
        return n_shuffles * n_windows * self.tiling.window <= FEW_NT

    def writer(self, store: ScoreStore) -> ScanWriter:
        """Calls the windows and logs notes on the calling."""
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
            model=run.full_name,
            calibrated=settings.calibrate,
            with_sd=len(run.trainings) > 1,
        )

    def _calling(self, store: ScoreStore) -> Calling:
        settings, run = self.settings, self.run
        if settings.target_fdr is not None:
            validation = None
            # RNAs that the user gives stand for all unbound windows, decoys too.
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
        model = {"model": self.run.directory, "out": self.out}
        # Runs that were loaded together may have no calibration.
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
            **self.rnas.digests(),
            **dataclasses.asdict(self.tiling),
            "threshold": calling.threshold if np.isfinite(calling.threshold) else None,
            "threshold_chosen": calling.chosen,
            "calibration": calibration.to_json(),
        }


def tiling_of(run: Run, settings: ScanSettings) -> Tiling:
    """Returns where windows lie, by default as long as the longest training site."""
    window = run.window_length(settings.window)
    return Tiling(window, settings.stride or max(1, window // 4))


def _notes(run: Run, tiling: Tiling, lengths: Mapping[str, int]) -> Iterator[str]:
    """Yields notes on windows and RNAs unlike the training sites, and on names."""
    longest = run.longest_site
    trained = f"those that the model was trained on, {longest} nt at most"
    if longest and tiling.window > longest:
        yield f"windows of {tiling.window} nt are longer than {trained}"
    if longest and tiling.window < SHORT * longest:
        yield f"windows of {tiling.window} nt are much shorter than {trained}"
    elif longest and (n := sum(nt < SHORT * longest for nt in lengths.values())):
        rnas = counted(n, "RNA")
        yield f"scanned {rnas} much shorter than the sites {trained[6:]}"
    renamed = [n for n in lengths if n[0] == "_" and safe_name(n[1:]) == n]
    if renamed:
        yield (
            "readers of tracks skip names that begin with #, track or browser; these "
            f"got an underscore in front: {', '.join(renamed)}"
        )
