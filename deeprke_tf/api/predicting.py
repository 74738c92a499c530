"""What a run is used for: predictions of sites and long RNAs, and their evaluation."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import require_positive
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import evaluation, predictions, run, table
from deeprke_tf.runs.evaluation import Evaluation
from deeprke_tf.runs.predictor import Predictor, predictor_of, target_of
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    import pandas as pd

    from deeprke_tf.scanning.result import Scan


class PredictingRun(run.Run):
    """A run that predicts, scans and is evaluated."""

    @checked
    def predict(
        self,
        sites: PathLike | Iterable[str | Site],
        *,
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
        """Predicts the probability that the RBP binds each site.

        Args:
          sites: A FASTA file or table, plain or gzip; or sequences or `Site`s.
            Sequences are named `site1`, `site2` and so on.
          threshold: Probability from which a site is called bound; by default the one
            with the largest MCC on the validation sites.
          fdr: In place of a threshold: the smallest threshold with at most this false
            discovery rate on the validation sites.
          precision: In place of a threshold: the smallest with at least this precision.
          recall: In place of a threshold: the largest with at least this recall.
          prior: Fraction of bound sites to expect, for the choice of the threshold and
            the calibrated probability; by default that of the validation sites.
          calibrate: Whether to calibrate; without, only `prior` makes calibrated
            probabilities differ from probabilities.
          batch_size: Sites that the network scores at once.
          max_length: Longest site to score, in nucleotides; longer ones are skipped.
          workers: Folding processes; all cores by default. A few short sites are folded
            in this process.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          chunks: Return tables of this many sites, one by one, in constant memory.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          A table, or with `chunks` an iterator of tables, with a row for each site in
          order: `name`, `probability`, `calibrated_probability`, `bound` (missing for a
          skipped site), `skipped` (why a site has no probability) and, for an ensemble,
          `probability_sd`, the sample standard deviation over its members; and, where
          the sites have coordinates, `chrom`, `start`, `end`, `strand`, `blocks` and
          `gene`. The index counts the sites from 0; `attrs["threshold"]` is the
          decision threshold.

        Raises:
          UserError: An argument is out of range, the sites cannot be read, or no
            threshold reaches the target.
        """
        require_positive(max_length=max_length, batch_size=batch_size, chunks=chunks)
        target = target_of(threshold, fdr=fdr, precision=precision, recall=recall)
        predictor = predictor_of(
            *(self, threshold, target, prior, calibrate, batch_size),
            is_stream=chunks is not None,
        )
        tables = predicted_tables(
            *(predictor, sites, chunks),
            max_length=max_length,
            workers=workers,
            fold_cache=fold_cache,
            progress=progress,
        )
        return next(tables) if chunks is None else tables

    @checked
    def evaluate(
        self,
        data: PathLike | Dataset,
        split: str = "test",
        *,
        n_bootstrap: int = 1000,
        batch_size: int = 512,
    ) -> Evaluation:
        """Measures the predictions for the labelled sites of a dataset.

        AUROC and AUPRC are exact; accuracy, MCC and F1 are taken at `threshold`.

        Args:
          data: A dataset, or the directory of one.
          split: "train", "validation" or "test".
          n_bootstrap: Resamples of the stratified bootstrap for the 95 % confidence
            intervals.
          batch_size: Sites that the network scores at once.

        Returns:
          The measures (`auroc`, `auprc`, `accuracy`, `mcc`, `f1`; all of them in
          `measures`) and `sites`, a table of names, labels and probabilities. Its
          `write` writes them, with figures, into a directory.

        Raises:
          UserError: The dataset cannot be read, lacks the split, or has another
            encoding than the model.
        """
        if not isinstance(data, Dataset):
            data = description.read(Path(data))
        return evaluation.evaluate(
            self, data, split, n_bootstrap=n_bootstrap, batch_size=batch_size
        )

    @checked
    def scan(
        self,
        fasta: PathLike | None = None,
        *,
        genome: PathLike | None = None,
        genes: PathLike | Sequence[str] = (),
        regions: PathLike | None = None,
        out: PathLike | None = None,
        window: int | None = None,
        stride: int | None = None,
        threshold: float | None = None,
        fdr: float | None = None,
        precision: float | None = None,
        recall: float | None = None,
        background: PathLike | None = None,
        seed: int = 1,
        shuffles: int | None = None,
        prior: float | None = None,
        calibrate: bool = True,
        gtf: PathLike | None = None,
        bed12: PathLike | None = None,
        plot: str | Sequence[str] = (),
        batch_size: int = 256,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        strict: bool = False,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Scan":
        """Finds the sites of the RBP in RNAs of any length.

        Windows are folded and scored, each by itself; those that reach the threshold
        are called, and merged where they overlap.

        Args:
          fasta: RNAs, plain or gzip; the first word of a header is the name.
          genome: In place of `fasta`: FASTA or UCSC 2bit. The canonical spliced
            transcript of each gene of `gtf` or `bed12` is scanned, or `regions`; tracks
            are written on the chromosomes.
          genes: With `genome`: only these, by identifier or symbol, or transcripts by
            name; or a file that names one a line.
          regions: With `genome`: BED file of what to scan, with strands; introns are
            not cut out.
          out: Directory for the files of the scan, kept to resume it or to call its
            windows otherwise; by default a temporary one.
          window: Length of a window in nucleotides; by default that of the longest
            training site.
          stride: Nucleotides from one window to the next; by default a quarter of the
            window.
          threshold: Probability from which a window is called; by default the model's,
            which calls too much in whole RNAs.
          fdr: In place of a threshold: target false discovery rate of the sites,
            estimated from shuffled RNAs and the background sites of validation.
          precision: In place of a threshold: the same as 1 - `fdr`.
          recall: In place of a threshold: the largest that calls at least this fraction
            of the bound validation sites.
          background: With a target FDR: FASTA of unbound RNAs, in place of shuffled
            ones and of validation.
          seed: With a target FDR: seed of the shuffling.
          shuffles: With a target FDR: shuffled copies of each RNA, 1 to 100; by default
            as many as make 2,000 background windows.
          prior: Fraction of bound windows, for the calibrated probability.
          calibrate: Whether to apply the calibration.
          gtf: Exons by transcript, GTF or GFF3: write sites on the genome too, or,
            with `genome`, scan its transcripts.
          bed12: The same from a BED12 file.
          plot: Name of an RNA to draw, or several.
          batch_size: Windows that the network scores at once; those of a model of the
            sequence alone are scored together, 64 at once.
          workers: Processes that fold windows, or score those of a model of the
            sequence alone; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          strict: Raise an error if an RNA cannot be scanned, before any is, instead of
            listing it in `skipped.tsv`.
          overwrite: Delete the scores of another scan in `out`.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The scan: `sites` and `windows` are tables, `to_bed`, `to_bedgraph` and
          `to_bigwig` write tracks.

        Raises:
          UserError: An argument is out of range, a file cannot be read, `out` holds
            something else, or another process scans into it.
        """
        # It brings scikit-learn, which takes a second.
        from deeprke_tf.scanning.run import scan

        settings = ScanSettings(
            *(window, stride, threshold, fdr, precision, recall),
            *(optional_path(background), seed, shuffles, prior, calibrate, batch_size),
        )
        if isinstance(genes, (str, os.PathLike)):
            genes = [os.fspath(genes)]
        return scan(
            *(self, optional_path(fasta), optional_path(out), settings),
            genome=optional_path(genome),
            genes=genes,
            regions=optional_path(regions),
            gtf=optional_path(gtf),
            bed12=optional_path(bed12),
            plot=(plot,) if isinstance(plot, str) else plot,
            workers=workers,
            fold_cache=optional_path(fold_cache),
            strict=strict,
            overwrite=overwrite,
            progress=as_progress(progress),
        )


def predicted_tables(
    predictor: Predictor,
    sites: PathLike | Iterable[str | Site],
    chunks: int | None,
    wide: bool = False,
    *,
    max_length: int,
    workers: int | None,
    fold_cache: PathLike | None,
    progress: bool | Progress,
) -> "Iterator[pd.DataFrame]":
    """Yields tables of some sites each; at least one, which may be empty.

    Args:
      predictor: The model.
      sites: As for `PredictingRun.predict`, as are the others.
      chunks: Sites in a table; None: all.
      wide: Of a joint run: a row for each site, the RBPs as columns.
      max_length: Longest site to score.
      workers: Folding processes.
      fold_cache: File of known folds.
      progress: Shows the sites scored.
    """
    stream = predictions.sites_of(sites, predictor.k)
    rows = predictions.predict(
        predictor,
        stream,
        max_length=max_length,
        workers=workers,
        fold_cache=optional_path(fold_cache),
        progress=as_progress(progress),
    )
    with_places = getattr(stream, "has_places", None)
    n_rows = None if chunks is None else chunks * (len(predictor.rbps) or 1)
    start = 0
    while True:
        some = list(itertools.islice(rows, n_rows))
        if with_places is None:
            # Sequences and `Site`s: the first ones decide.
            with_places = any(row.locus or row.gene for row in some)
        frame = (
            table.wide_frame_of(some, predictor.rbps)
            if wide
            else table.frame_of(
                *(some, predictor.has_sd, with_places, bool(predictor.rbps))
            )
        )
        if start and not len(frame):
            return
        frame.index += start
        frame.attrs["threshold"] = predictor.threshold
        yield frame
        start += len(frame)
        if n_rows is None or len(some) < n_rows:
            return
