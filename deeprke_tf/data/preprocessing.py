"""Preprocessing on this machine: files of sites become a dataset."""

import os
from pathlib import Path

from deeprke_tf.config import FoldSettings
from deeprke_tf.data import local_runner
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.plan import ValidationGroups, plan_of
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress


@checked
def preprocess(
    sites: PathLike | None = None,
    *,
    positives: PathLike | None = None,
    negatives: PathLike | None = None,
    test: PathLike | None = None,
    test_positives: PathLike | None = None,
    test_negatives: PathLike | None = None,
    out: PathLike,
    k: int = 3,
    fold: FoldSettings = FoldSettings(),
    structure: bool = True,
    validation_fraction: float = 0.1,
    validation_groups: ValidationGroups = "sequence",
    seed: int = 1,
    max_length: int = 5000,
    sites_per_shard: int = 10_000,
    workers: int | None = None,
    fold_cache: PathLike | None = None,
    strict: bool = False,
    overwrite: bool = False,
    progress: bool | Progress = False,
) -> Dataset:
    """Folds sites and writes them as TFRecord shards, ready to train on.

    Sites come as labelled FASTA (`>name; class:1`), as a table with the columns
    `sequence` and `label` (and, if there, `name` and `structure`), or as a pair of
    FASTA files; plain or gzip. Folds are cached: a second run folds nothing again.

    Coordinates (columns `chrom`, `start`, `end`, `strand`, `blocks`, or FASTA headers
    of `bedtools getfasta -s`) and column `gene` go into the records. A column `split`
    with `train`, `validation` or `test` for every site splits the sites; then none are
    split off for validation.

    Args:
      sites: Labelled training sites, "-" for standard input; about
        `validation_fraction` of them becomes validation.
      positives: Bound training sites, in place of `sites`.
      negatives: Background training sites, in place of `sites`.
      test: Labelled test sites.
      test_positives: Bound test sites, in place of `test`.
      test_negatives: Background test sites, in place of `test`.
      out: Directory to make.
      k: Letters in a k-mer.
      fold: Temperature (°C), longest base-pair span (nucleotides) and lonely pairs.
      structure: Fold the sites; if not, the records hold sequences alone, for models
        that do not read structure.
      validation_fraction: Fraction of the training sequences for validation; the
        number is binomial.
      validation_groups: "sequence" keeps equal sequences on one side of the split,
        "overlap" also sequences that share 38 letters, as windows of one peak do.
      seed: Fixes the validation split and the order of sites.
      max_length: Longest site to use, nucleotides; longer ones are skipped and listed.
      sites_per_shard: Sites in a shard, about.
      workers: Folding processes; all cores if None.
      fold_cache: File of known folds; None: the one in the user's cache directory.
      strict: Raise an error where a site cannot be used, instead of listing it in
        `skipped.tsv`.
      overwrite: Replace a dataset that `out` already holds.
      progress: Show progress bars on standard error, or call this for each stage.

    Returns:
      The dataset; it appears at `out` when it is complete.

    Raises:
      UserError: Input that cannot be read, a split without both classes, a setting out
        of range, or something else at `out`.
    """
    plan = plan_of(
        lambda path: [Path(path)],
        sites=sites,
        positives=positives,
        negatives=negatives,
        test=test,
        test_positives=test_positives,
        test_negatives=test_negatives,
        out=os.fspath(out),
        k=k,
        fold=fold,
        structure=structure,
        validation_fraction=validation_fraction,
        validation_groups=validation_groups,
        seed=seed,
        max_length=max_length,
        sites_per_shard=sites_per_shard,
        workers=workers,
        fold_cache=optional_path(fold_cache),
        strict=strict,
        overwrite=overwrite,
    )
    return local_runner.run(plan, as_progress(progress))
