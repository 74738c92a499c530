"""Joint runs: one network with an output for each of several RBPs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deeprke_tf.api.exporting import Exporting
from deeprke_tf.api.predicting import predicted_tables
from deeprke_tf.api.run import Run
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import joint, joint_evaluation
from deeprke_tf.runs.joint_predictor import joint_predictor_of
from deeprke_tf.runs.predictor import target_of
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    import pandas as pd

    from deeprke_tf.panels.result import Panel


class JointRun(joint.JointRun[Run], Exporting):
    """A network for several RBPs; `run["QKI"]` is the run of one of them.

    The runs of single RBPs do all that a `Run` does: they predict, scan, explain, score
    variants, and are reported and exported.
    """

    run_class = Run

    @checked
    def predict(
        self,
        sites: PathLike | Iterable[str | Site],
        *,
        rbps: Sequence[str] = (),
        wide: bool = False,
        threshold: float | None = None,
        fdr: float | None = None,
        precision: float | None = None,
        recall: float | None = None,
        prior: float | None = None,
        calibrate: bool = True,
        batch_size: int = 256,
        max_length: int = 5000,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        chunks: int | None = None,
        progress: bool | Progress = False,
    ) -> "pd.DataFrame | Iterator[pd.DataFrame]":
        """Predicts the probability that each RBP binds each site, in one pass.

        Args:
          sites: As for `Run.predict`.
          rbps: Names of RBPs; all by default.
          wide: A row for each site with the probabilities of the RBPs as columns, in
            place of a row for each site and RBP.
          threshold: One for all RBPs; by default each has its own.
          fdr: Target false discovery rate of each RBP on its validation sites.
          precision: In place of a threshold: target precision of each RBP.
          recall: In place of a threshold: target recall of each RBP.
          prior: Fraction of bound sites to expect, of each RBP.
          calibrate: Whether to calibrate.
          batch_size: Sites that the network scores at once.
          max_length: Longest site to score, in nucleotides; longer ones are skipped.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          chunks: Return tables of this many sites, one by one, in constant memory.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The table of `Run.predict` with the column `rbp`, sites in order and for each
          of them the RBPs; `wide`: `name`, a column for each RBP, and `skipped`.

        Raises:
          UserError: There is no such RBP; else as for `Run.predict`.
        """
        require_positive(max_length=max_length, batch_size=batch_size, chunks=chunks)
        predictor = joint_predictor_of(
            self,
            rbps,
            threshold=threshold,
            target=target_of(threshold, fdr=fdr, precision=precision, recall=recall),
            prior=prior,
            calibrate=calibrate,
            batch_size=batch_size,
            is_stream=chunks is not None,
        )
        tables = predicted_tables(
            *(predictor, sites, chunks, wide),
            max_length=max_length,
            workers=workers,
            fold_cache=fold_cache,
            progress=progress,
        )
        return next(tables) if chunks is None else tables

    @checked
    def evaluate(
        self,
        data: PathLike | Dataset | Sequence[PathLike | Dataset],
        split: str = "test",
        *,
        n_bootstrap: int = 1000,
        batch_size: int = 512,
    ) -> joint_evaluation.JointEvaluation:
        """Measures each RBP on the labelled sites of its dataset.

        Args:
          data: Datasets of some RBPs, or their directories. A dataset is that of the
            RBP that was trained on it, or else that of the RBP with the name of its
            directory.
          split: "train", "validation" or "test".
          n_bootstrap: Resamples for the 95 % confidence intervals.
          batch_size: Sites that the network scores at once.

        Returns:
          The measures: `table`, a row for each RBP, `mean_auroc`, and the `Evaluation`
          of each RBP by name in `evaluations`.

        Raises:
          UserError: A dataset cannot be read, belongs to no RBP, or lacks the split.
        """
        is_one = isinstance(data, (str, os.PathLike, Dataset))
        datasets = [
            one if isinstance(one, Dataset) else description.read(Path(one))
            for one in cast(Sequence[Any], [data] if is_one else data)
        ]
        if not datasets:
            raise UserError("`data` names no dataset.")
        return joint_evaluation.evaluate(
            self, datasets, split, n_bootstrap=n_bootstrap, batch_size=batch_size
        )

    @checked
    def panel(
        self,
        sites: PathLike | Iterable[str | Site],
        *,
        out: PathLike,
        rbps: Sequence[str] = (),
        fdr: float = 0.1,
        background: PathLike = "shuffled",
        prior: float | None = None,
        wide: bool = False,
        seed: int = 1,
        max_length: int = 5000,
        batch_size: int = 256,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Panel":
        """Tells which RBPs bind which sites, and more of them than of a background.

        Args:
          sites: As for `Run.predict`.
          out: Directory to make.
          rbps: Names of RBPs, all by default; the FDR is over these.
          fdr: Target false discovery rate of the calls, over all sites and RBPs.
          background: File of sites to compare with; "shuffled": each site with its
            dinucleotides shuffled; "none": nothing.
          prior: Fraction of bound sites to expect, for calibrated probabilities.
          wide: Write `panel.tsv` with a row for each site, the RBPs as columns.
          seed: Seed of shuffled sites, and of the sites in the heatmap.
          max_length: Longest site to score, in nucleotides; longer ones are skipped.
          batch_size: Sites that the network scores at once.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          overwrite: Replace the panel that `out` already holds.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The panel: `table`, `enrichment` and `skipped` are pandas tables; `directory`
          has the figures and the page.

        Raises:
          UserError: An argument is out of range, there is no such RBP, sites or
            background cannot be read, none can be scored, or `out` holds other files.
        """
        from deeprke_tf.panels.run import run_panel
        from deeprke_tf.panels.settings import PanelSettings

        return run_panel(
            *(self, sites, Path(out)),
            PanelSettings(
                *(tuple(rbps), fdr, os.fspath(background), prior, wide, seed),
                *(max_length, batch_size),
            ),
            workers=workers,
            fold_cache=optional_path(fold_cache),
            overwrite=overwrite,
            progress=as_progress(progress),
        )
