"""The Python interface; `import deeprke_tf as dk` has its names.

    data = dk.preprocess("train.fa.gz", test="test.fa.gz", out="tfrecords/QKI")
    run = dk.load_run("runs/QKI")
    run.predict(["GGUGUAUAUACCACC", "ACGU"])  # a pandas.DataFrame

Errors that a user can fix are `UserError`s, and name arguments in backticks. Nothing
is printed: messages go to the logger `deeprke_tf`.
"""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from deeprke_tf.config import FoldSettings, RunConfig
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.preprocessing import preprocess as preprocess
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.sites import Site
from deeprke_tf.runs import evaluation, predictions, run, table
from deeprke_tf.runs.evaluation import Evaluation
from deeprke_tf.runs.predictor import Predictor, predictor_of, target_of
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.system import directories, tensorflow
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    import pandas as pd

    from deeprke_tf.auditing.audit import Audit
    from deeprke_tf.crossvalidation.groups import Groups
    from deeprke_tf.crossvalidation.result import CrossValidation
    from deeprke_tf.explaining.result import Explanation
    from deeprke_tf.explaining.variants import Variants
    from deeprke_tf.genome.extraction_files import Extraction
    from deeprke_tf.scanning.result import Scan

PathLike: TypeAlias = str | os.PathLike[str]


@checked
def load_run(*paths: PathLike) -> "Run":
    """Loads a finished run or an ensemble, or several of them as one model.

    Args:
      paths: Directories of `deeprke train`; the probabilities of several are averaged.

    Raises:
      UserError: None is given, a directory is neither, a file is damaged, or the runs
        do not read the same k-mers.
    """
    if not paths:
        raise UserError("No run: give a directory, such as load_run('runs/QKI').")
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    return Run.load(*map(Path, paths))


@checked
def extract_sites(
    peaks: PathLike | Sequence[PathLike],
    *,
    genome: PathLike,
    out: PathLike,
    gtf: PathLike | None = None,
    blacklist: PathLike | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> "Extraction":
    """Cuts labelled sites around peaks out of a genome.

    Args:
      peaks: BED, narrowPeak or broadPeak, plain or gzip; or several such files.
      genome: FASTA (plain, gzip or bgzip) or UCSC 2bit.
      out: Directory to make; its `sites.tsv` goes to `preprocess`.
      gtf: Annotation, GTF, GFF3 or BED12: gives sites their region and gene.
      blacklist: BED; peaks that overlap it on either strand are left out.
      overwrite: Replace an extraction that `out` already holds.
      progress: Show a progress bar, or call this for each stage.
      **settings: Fields of `PeakSettings`, `WindowSettings`, `BackgroundSettings` and
        `SplitSettings` in `deeprke_tf.genome.settings`, such as `window=101`,
        `min_score=3`, `transcripts=True`, `background="same-genes"`, `ratio=2`,
        `test_chromosomes=("chr8",)`.

    Returns:
      The extraction: `sites` and `skipped` are tables; `report` tells how well the
      background matches.

    Raises:
      UserError: A file cannot be read, no peak becomes a site, no background is found,
        a setting is unknown or out of range, or `out` holds something else.
    """
    from deeprke_tf.auditing.matching_report import matching_report
    from deeprke_tf.genome import extraction
    from deeprke_tf.genome.extraction_files import Inputs
    from deeprke_tf.genome.settings import Settings

    several = [peaks] if isinstance(peaks, (str, os.PathLike)) else peaks
    inputs = Inputs(
        [Path(path) for path in several],
        Path(genome),
        None if gtf is None else Path(gtf),
        None if blacklist is None else Path(blacklist),
    )
    return extraction.extract(
        *(inputs, Path(out), Settings.of(settings), overwrite, as_progress(progress)),
        make_report=matching_report,
    )


@checked
def audit_sites(
    sites: PathLike | None = None,
    *,
    positives: PathLike | None = None,
    negatives: PathLike | None = None,
    test: PathLike | None = None,
    test_positives: PathLike | None = None,
    test_negatives: PathLike | None = None,
    threshold: float = 0.65,
    max_folded: int = 2000,
    fold: FoldSettings = FoldSettings(),
    max_length: int = 5000,
    workers: int | None = None,
    fold_cache: PathLike | None = None,
    seed: int = 1,
    progress: bool | Progress = False,
) -> "Audit":
    """Finds simple rules that separate bound from background sites, before training.

    A rule uses one simple feature, such as length, GC content, the base at one position
    or free energy; its AUROC is cross-validated. A model that does no better need not
    have learned binding.

    Args:
      sites: Labelled training sites, a FASTA file or table, plain or gzip.
      positives: Bound training sites, in place of `sites`.
      negatives: Background training sites, in place of `sites`.
      test: Labelled test sites, to compare with the training sites.
      test_positives: Bound test sites, in place of `test`.
      test_negatives: Background test sites, in place of `test`.
      threshold: AUROC from which a rule is reported, between 0.5 and 1.
      max_folded: Sites folded for rules of structure, drawn at random; 0 for none.
      fold: Fold settings.
      max_length: Longest site, in nucleotides; longer ones are skipped and counted.
      workers: Folding processes; all cores by default.
      fold_cache: File of known folds, if not the one in the user's cache directory.
      seed: Random seed of the folded sites and of the cross-validation.
      progress: Show a progress bar, or call this for each stage.

    Returns:
      The audit: `warnings` and `notes`, sentences; `rules`, the best first; `summary`,
      text; `write(out)` writes `audit.json`, `audit.tsv` and `audit.png`.

    Raises:
      UserError: A file cannot be read, a class has fewer than 10 sites, or an argument
        is out of range.
    """
    from deeprke_tf.auditing import audit

    train = _labelled("", sites, positives, negatives)
    if not train:
        raise UserError("No input: give `sites`, or `positives` and `negatives`.")
    return audit.audit_sites(
        train,
        _labelled("test_", test, test_positives, test_negatives),
        threshold=threshold,
        max_folded=max_folded,
        fold=fold,
        max_length=max_length,
        workers=workers,
        fold_cache=_path(fold_cache),
        seed=seed,
        progress=as_progress(progress),
    )


def _labelled(
    prefix: str,
    sites: PathLike | None,
    positives: PathLike | None,
    negatives: PathLike | None,
) -> list[Path]:
    """Returns one file with labels, a file of each class, or none."""
    pair = [path for path in (positives, negatives) if path is not None]
    if len(pair) == 1 or (sites is not None and pair):
        raise UserError(
            f"Give either `{prefix.rstrip('_') or 'sites'}`, or `{prefix}positives` "
            f"and `{prefix}negatives`."
        )
    return [Path(path) for path in ([sites] if sites is not None else pair)]


@checked
def fit(
    data: PathLike | Dataset,
    out: PathLike,
    *,
    preset: str | None = None,
    config: PathLike | RunConfig | None = None,
    vectors_from: PathLike | None = None,
    ensemble: int = 1,
    devices: int | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> "Run":
    """Trains a model of one RBP; a run that was interrupted is resumed.

    Training stops when the AUROC on the validation split no longer rises; the model of
    the best epoch is kept. The test split is never read.

    Args:
      data: A dataset, or the directory of one.
      out: Directory to make.
      preset: Settings to start from: "deeprke" (the default), "deeprke-no-structure",
        "paper", "no-structure", "one-hot", "cnn-only", "deepbind", "ideepv" or
        "ideeps".
      config: In place of a preset: settings, or a file of them such as the
        `config.json` of a run.
      vectors_from: Directory of `deeprke vectors`; by default the k-mer vectors are
        trained on the training sites.
      ensemble: Number of runs to train and average as one model, with the given seed
        and those that follow it. Finished ones in `out` are not trained again.
      devices: Number of GPUs to use, by default all; without a GPU, logical CPU devices
        (by default one).
      overwrite: Delete the run that `out` holds, and start again.
      progress: Show a progress bar for each epoch, or report to a callback.
      **settings: Single settings that replace the preset's, such as `epochs=20`,
        `batch_norm=True`, `seed=2`: the fields of `deeprke_tf.config.ModelConfig`,
        `VectorConfig` and `TrainConfig`. `epochs` given here is not raised to reach the
        preset's `min_steps`.

    Returns:
      The finished run, or the ensemble.

    Raises:
      UserError: A setting is unknown or out of range, the dataset cannot be used, `out`
        holds something else or a finished run, or training diverged.
    """
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    from deeprke_tf.training.ensemble import train_ensemble
    from deeprke_tf.training.run import train_run
    from deeprke_tf.training.settings import run_config

    chosen = run_config(preset, config, settings)
    require_positive(ensemble=ensemble)
    directory = data.directory if isinstance(data, Dataset) else Path(data)
    out = Path(out)
    options: dict[str, Any] = {
        "vectors_from": _path(vectors_from),
        "n_devices": devices,
        "overwrite": overwrite,
        "progress": as_progress(progress),
    }
    with directories.only_process(out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is training {out}; wait for it, or name another "
                "`out`."
            )
        if ensemble > 1:
            train_ensemble(directory, out, chosen, ensemble, **options)
        else:
            train_run(directory, out, chosen, **options)
    return load_run(out)


@checked
def crossvalidate(
    data: PathLike | Dataset,
    out: PathLike,
    *,
    folds: int = 5,
    groups: "Groups" = "auto",
    preset: str | None = None,
    config: PathLike | RunConfig | None = None,
    vectors_from: PathLike | None = None,
    devices: int | None = None,
    progress: bool | Progress = False,
    **settings: Any,
) -> "CrossValidation":
    """Cross-validates a model by groups of sites, then trains a final one on all sites.

    Each fold holds out some groups: a model is trained on the others, with a tenth of
    them as its validation split, and gives the held-out sites their out-of-fold
    probabilities. The final model is trained on all sites, for the epochs that the
    models of the folds took (the median); its threshold and its calibration are fitted
    to the out-of-fold probabilities. The test split, if there is one, is left for you
    to evaluate the final model on.

    The same call resumes what was interrupted. Several processes may make it at once:
    each trains the models that no other one trains.

    Args:
      data: A dataset, or the directory of one; its training and validation sites are
        dealt anew.
      out: Directory to make.
      folds: Number of folds.
      groups: Sites that stay together: of one "chromosome", of one "gene", or with
        sequences that share 38 letters, directly or through others ("overlap"). "auto"
        is "gene" where most sites have one, else "chromosome" where all have
        coordinates, else "overlap".
      preset: Settings to start from, as for `fit`.
      config: In place of a preset: settings, or a file of them.
      vectors_from: Directory of `deeprke vectors`; by default the k-mer vectors of each
        model are trained on its training sites.
      devices: Number of GPUs or logical CPU devices, as for `fit`.
      progress: Show a progress bar for each epoch, or report to a callback.
      **settings: Single settings that replace the preset's, as for `fit`. `seed` also
        fixes which groups are held out together.

    Returns:
      The result: `measures` and `sites` are tables, `final` is the directory of the
      final model, for `load_run`.

    Raises:
      UserError: An argument cannot be used, there are too few groups, a fold lacks a
        class, `out` holds something else, or a training failed.
    """
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    from deeprke_tf.crossvalidation import engine
    from deeprke_tf.training.settings import run_config

    return engine.crossvalidate(
        data.directory if isinstance(data, Dataset) else Path(data),
        Path(out),
        run_config(preset, config, settings),
        folds,
        groups,
        vectors_from=_path(vectors_from),
        n_devices=devices,
        progress=as_progress(progress),
    )


class Run(run.Run):
    """A trained model: a run, an ensemble, or several of them averaged.

    It has the attributes of `deeprke_tf.runs.run.Run`, such as `threshold`,
    `calibration`, `config`, `members` and `model`, the Keras network.
    """

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
        predictor = predictor_of(self, threshold, target, prior, calibrate, batch_size)
        stream = predictions.sites_of(sites, predictor.k)
        rows = predictions.predict(
            predictor,
            stream,
            max_length=max_length,
            workers=workers,
            fold_cache=_path(fold_cache),
            progress=as_progress(progress),
        )
        tables = _tables(predictor, rows, chunks, getattr(stream, "has_places", None))
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

        Windows are folded and scored one by one; those that reach the threshold are
        called, and merged where they overlap.

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
          batch_size: Windows that the network scores at once.
          workers: Folding processes; all cores by default.
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
            *(_path(background), seed, shuffles, prior, calibrate, batch_size),
        )
        if isinstance(genes, (str, os.PathLike)):
            genes = [os.fspath(genes)]
        return scan(
            *(self, _path(fasta), _path(out), settings),
            genome=_path(genome),
            genes=genes,
            regions=_path(regions),
            gtf=_path(gtf),
            bed12=_path(bed12),
            plot=(plot,) if isinstance(plot, str) else plot,
            workers=workers,
            fold_cache=_path(fold_cache),
            strict=strict,
            overwrite=overwrite,
            progress=as_progress(progress),
        )

    @checked
    def variants(
        self,
        vcf: PathLike | None = None,
        *,
        out: PathLike,
        genome: PathLike | None = None,
        gtf: PathLike | None = None,
        regions: PathLike | None = None,
        strand: Literal["+", "-", "both"] | None = None,
        sites: PathLike | None = None,
        mutations: PathLike | None = None,
        window: int | None = None,
        windows: Literal["center", "all"] = "center",
        transcripts: bool = False,
        background: int = 0,
        seed: int = 1,
        plot: str | Sequence[str] = (),
        batch_size: int = 256,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Variants":
        """Tells what variants do to binding: both alleles are folded and scored.

        Each allele is scored alone in the reference sequence; other variants nearby,
        phased or not, are ignored. Alleles that cannot be scored are listed.

        Args:
          vcf: VCF, plain or compressed, or a table with columns `chrom`, `pos` and, if
            wanted, `ref`, `alt` and `name`.
          out: Directory to make.
          genome: FASTA (plain, gzip or bgzip) or UCSC 2bit.
          gtf: GTF, GFF3 or BED12: variants in transcripts, introns included, are read
            on the strands of their genes.
          regions: In place of `gtf`: BED; variants in its regions are read on the
            regions' strands, or on both.
          strand: In place of both: the strands that every variant is read on.
          sites: In place of a genome: FASTA of RNAs.
          mutations: With `sites`: table with columns `name` (of the RNA), `position`
            (from 1), `alt` and, if wanted, `ref`.
          window: Length of a window in nucleotides; by default that of the longest
            training site.
          windows: "center": the window with the variant in its middle; "all": every
            window that covers it as well.
          transcripts: Read variants in exons on the spliced canonical transcript of
            their gene.
          background: Random variants of each kind, for an empirical p-value.
          seed: Seed of the random variants.
          plot: Name of a variant to draw, or several.
          batch_size: Windows that the network scores at once.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          overwrite: Replace scored variants that `out` already holds.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The scored variants: `table` has a row for each allele and RNA; `windows`,
          with `windows="all"`, one for each window.

        Raises:
          UserError: An argument is out of range or missing, a file cannot be read, or
            `out` holds something else.
        """
        from deeprke_tf.explaining.variants import score_variants
        from deeprke_tf.explaining.variants_inputs import Inputs
        from deeprke_tf.explaining.variants_settings import VariantSettings

        inputs = Inputs(
            *(_path(vcf), _path(genome), _path(gtf), _path(regions)),
            strand=strand,
            sites=_path(sites),
            mutations=_path(mutations),
        )
        return score_variants(
            *(self, inputs, Path(out)),
            VariantSettings(
                *(window, windows, transcripts, background, seed),
                *((plot,) if isinstance(plot, str) else tuple(plot), batch_size),
            ),
            workers=workers,
            fold_cache=_path(fold_cache),
            overwrite=overwrite,
            progress=as_progress(progress),
        )

    @checked
    def report(
        self,
        out: PathLike,
        *,
        explain: PathLike | None = None,
        audit: PathLike | None = None,
        evaluation: PathLike | None = None,
        extraction: PathLike | None = None,
    ) -> Path:
        """Writes one HTML page about the model that needs nothing else.

        What is not given is looked for where `run_workflow` puts it.

        Args:
          out: HTML file to write or replace.
          explain: Directory of an explanation.
          audit: Directory of an audit, written by its `write`.
          evaluation: Directory of an evaluation, written by its `write`; by default the
            run directory, if it has one.
          extraction: Directory of `extract_sites`.

        Returns:
          The file.

        Raises:
          UserError: A directory is not what it should be, `out` cannot be written, or
            several runs were loaded together.
        """
        from deeprke_tf.explaining.report import write_report

        if self.given:
            raise UserError(
                "Runs that were loaded together have no report; train an ensemble."
            )
        return write_report(
            *(self.directory, Path(out)),
            explain=_path(explain),
            audit=_path(audit),
            evaluation=_path(evaluation),
            extraction=_path(extraction),
        )

    @checked
    def explain(
        self,
        sites: PathLike | Iterable[str | Site] | None = None,
        *,
        data: PathLike | Dataset | None = None,
        split: str = "test",
        out: PathLike | None = None,
        top: int = 1000,
        method: Literal["gradients", "mutagenesis"] = "gradients",
        check: int = 100,
        refold: bool = False,
        known: PathLike | None = None,
        backgrounds: int = 100,
        seed: int = 1,
        max_length: int = 5000,
        batch_size: int = 512,
        workers: int | None = None,
        fold_cache: PathLike | None = None,
        overwrite: bool = False,
        progress: bool | Progress = False,
    ) -> "Explanation":
        """Shows what the model reads: attributions, motifs and their loops.

        Args:
          sites: A FASTA file or table, plain or compressed; or sequences or `Site`s.
          data: In place of `sites`: a dataset, or the directory of one.
          split: With `data`: "train", "validation" or "test".
          out: Directory for the files; by default none are written.
          top: Sites to explain, those with the largest log odds; the others are
            compared with them.
          method: Integrated gradients, or every mutant of every site.
          check: Explained sites that the other method is applied to, to measure how far
            the two agree.
          refold: Also score mutants with structures of their own.
          known: Motif file in MEME format to compare with; needs memelite.
          backgrounds: Shuffled sites that motifs are set into.
          seed: Random seed of shuffles and comparisons.
          max_length: Longest site, in nucleotides; longer ones are skipped.
          batch_size: Sites that a network scores at once.
          workers: Folding processes; all cores by default.
          fold_cache: File of known folds, if not the one in the user's cache directory.
          overwrite: Replace the explanation in `out`.
          progress: Show a progress bar, or call this for each stage.

        Returns:
          The explanation: `motifs` is a table, `findings` has the motifs themselves,
          `attributions` what nucleotides and loop contexts add; `write(out)` writes it.

        Raises:
          UserError: An argument is out of range, no site can be used, or a file cannot
            be read or written.
        """
        from deeprke_tf.explaining.inputs import explain_sites
        from deeprke_tf.explaining.settings import ExplainSettings

        if data is not None and not isinstance(data, Dataset):
            data = description.read(Path(data))
        settings = (top, method, check, refold, backgrounds, batch_size, seed)
        return explain_sites(
            *(self, sites, data, split, ExplainSettings(*settings)),
            max_length=max_length,
            known=_path(known),
            out=_path(out),
            workers=workers,
            fold_cache=_path(fold_cache),
            overwrite=overwrite,
            progress=as_progress(progress),
        )

    @checked
    def export(self, out: PathLike, license: str = "not stated") -> Path:
        """Writes the model as a SavedModel that TF Serving can load.

        Args:
          out: Directory of the served model, such as "serving/QKI"; versions lie in it.
          license: License of the model for its card, such as "CC-BY-4.0".

        Returns:
          The directory of the new version.

        Raises:
          UserError: The directory cannot be written to, or several runs were loaded
            together: train an ensemble to export one.
        """
        from deeprke_tf.serving.export import export_run

        if self.given:
            raise UserError(
                "Runs that were loaded together cannot be exported; train an ensemble."
            )
        path, _configuration = export_run(self, Path(out), license)
        return path


def _path(path: PathLike | None) -> Path | None:
    return None if path is None else Path(path)


def _tables(
    predictor: Predictor,
    rows: Iterator[table.Prediction],
    n_rows: int | None,
    with_places: bool | None,
) -> "Iterator[pd.DataFrame]":
    """Yields tables of some rows each; at least one, which may be empty.

    Where `with_places` is None, the first rows decide whether there are coordinates.
    """
    start = 0
    while True:
        some = list(itertools.islice(rows, n_rows))
        if with_places is None:
            with_places = any(row.locus or row.gene for row in some)
        frame = table.frame_of(some, predictor.has_sd, with_places)
        if start and not len(frame):
            return
        frame.index += start
        frame.attrs["threshold"] = predictor.threshold
        yield frame
        start += len(frame)
        if n_rows is None or len(frame) < n_rows:
            return
