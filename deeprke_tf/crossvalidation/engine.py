"""Cross-validation: a run of each cv fold, and a final model of all sites.

OUT/data/cv-fold-1/ ...   the datasets
OUT/runs/cv-fold-1/ ...   their runs, each evaluated on its held-out sites
OUT/final/                the final model, a run directory as any other
OUT/out_of_fold.tsv       every site with its out-of-fold probability
OUT/figures/              the ROC curves of all cv folds
OUT/crossvalidation.json  settings and measures; the last file

All of it can be interrupted, and shared by processes that run at once: each takes the
runs that no other one trains, and waits for those that others do.
"""

import dataclasses
import json
import logging
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from deeprke_tf.config import RunConfig
from deeprke_tf.crossvalidation import datasets, groups, result
from deeprke_tf.crossvalidation.groups import Groups
from deeprke_tf.crossvalidation.result import CrossValidation
from deeprke_tf.data import checks, description, stored_sites
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.runs import evaluation, layout
from deeprke_tf.runs.run import Run
from deeprke_tf.system import directories, files
from deeprke_tf.system.damage import one_line_if_damaged
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import final, fine_tuning, many, objective, start

_logger = logging.getLogger(__name__)

DATA, RUNS, FINAL = "data", "runs", "final"


def crossvalidate(
    data: Path,
    out: Path,
    run_config: RunConfig,
    n_folds: int = 5,
    asked: Groups = "auto",
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    progress: Progress = no_progress,
) -> CrossValidation:
    """Trains and evaluates a run of each cv fold, then the final model.

    Args:
      data: Dataset directory; its test split is left alone.
      out: Directory to make, or of a cross-validation that was interrupted.
      run_config: All settings; the seed also fixes the cv folds.
      n_folds: Number of cv folds.
      asked: What stays together in one cv fold; see `groups.read_groups`.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `training.devices`.
      progress: Shows the sites of each epoch.

    Raises:
      UserError: Dataset, settings, groups or `out` cannot be used, or a training
        failed.
    """
    if n_folds < 2:
        raise UserError(f"`folds` must be at least 2, got {n_folds}.")
    info = description.read(data)
    info.require_views(run_config.model.views)
    fine_tuning.require_scratch(run_config)
    settings = {
        "data": info.sha256,
        "folds": n_folds,
        "groups": asked,
        "vectors_from": str(vectors_from) if vectors_from else None,
        "settings": dataclasses.asdict(run_config),
    }
    settings = json.loads(json.dumps(settings))  # as they are read back
    directories.make_directory(out)
    with directories.only_process(out, wait=True):
        if _is_finished(out, settings):
            return CrossValidation.read(out)
        if not (out / DATA).exists():
            seed = run_config.train.seed
            _make_datasets(info, out / DATA, seed, settings, progress)
    options: dict[str, Any] = {
        "vectors_from": vectors_from,
        "n_devices": n_devices,
        "progress": progress,
    }
    names = [datasets.name_of(number) for number in range(1, n_folds + 1)]
    _train_all(out, names, run_config, options)
    for name in names:
        _evaluate(out / RUNS / name, out / DATA / name)
    with directories.only_process(out, wait=True):
        if not (out / result.FILE_NAME).exists():
            _finish(out, names, info, run_config, options)
    return CrossValidation.read(out)


def _is_finished(out: Path, settings: dict[str, Any]) -> bool:
    """Tells whether `out` holds this cross-validation, finished.

    Raises:
      UserError: It holds another one, or something else.
    """
    places = (out / result.FILE_NAME, out / DATA / datasets.DATASETS.marker)
    begun = [path for path in places if path.exists()]
    if not begun:
        left = {path.name for path in out.iterdir()} - {f".{DATA}.partial"}
        if left - files.unfinished_names(DATA):
            raise UserError(
                f"{out} is not empty and no cross-validation; name another `out`."
            )
        return False
    with one_line_if_damaged(out, "delete it"):
        found = files.read_json(begun[0])["settings"]
        other = [name for name in settings if found[name] != settings[name]]
    if other:
        raise UserError(
            f"{out} is a cross-validation with other {' and '.join(other)}; name "
            "another `out`, or delete it."
        )
    return begun[0] == places[0]


def _make_datasets(
    info: Dataset,
    out: Path,
    seed: int,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Groups the sites of a dataset, deals them, and writes a dataset for each cv fold.

    Raises:
      UserError: A shard is damaged, or the sites cannot be grouped or dealt.
    """
    train = datasets.all_sites(info).split("train")
    checks.require_both_classes(
        "train",
        {0: train.n_sites - train.n_positive, 1: train.n_positive},
        checks.GIVE_THE_OTHER_CLASS,
    )
    for split in groups.SPLITS:
        if split in info.splits:
            stored_sites.verify_shards(info, split)
    n_folds = settings["folds"]
    sites = groups.read_groups(info, settings["groups"], seed)
    splits = datasets.deal_splits(sites, n_folds, seed, info.directory)
    _logger.info(
        "%d sites in %d groups (by %s), dealt to %d cv folds",
        *(len(sites.labels), sites.n_groups, sites.kind, n_folds),
    )
    datasets.write_datasets(info, sites, splits, out, settings, progress)


def _train_all(
    out: Path, names: Sequence[str], run_config: RunConfig, options: dict[str, Any]
) -> None:
    """Trains the runs that are not finished; waits for those of other processes.

    Raises:
      UserError: A training failed.
    """
    while True:
        outcomes = many.train_datasets(
            [out / DATA / name for name in names],
            [out / RUNS / name for name in names],
            run_config,
            **options,
        )
        if failed := [outcome for outcome in outcomes if outcome.message]:
            raise UserError(
                f"{len(failed)} of {len(names)} cv folds failed; {failed[0].run}: "
                f"{failed[0].message} To start a run again, delete it."
            )
        elsewhere = [
            outcome.run for outcome in outcomes if outcome.state == "elsewhere"
        ]
        if not elsewhere:
            return
        _logger.info("waiting for other processes: %s", ", ".join(map(str, elsewhere)))
        for run in elsewhere:
            with directories.only_process(run, wait=True):
                pass


def _evaluate(run: Path, data: Path) -> None:
    """Evaluates the run of a cv fold on its held-out sites, unless this was done."""
    with directories.only_process(run, wait=True):
        with one_line_if_damaged(run, "delete it, and give the same command again"):
            split = files.read_json(run / layout.METRICS)["split"]
        if split == "test":
            return
        keras.utils.clear_session()
        evaluation.evaluate(Run.load(run), description.read(data)).write(run)


def _finish(
    out: Path,
    names: Sequence[str],
    info: Dataset,
    run_config: RunConfig,
    options: dict[str, Any],
) -> None:
    """Joins the cv folds, trains the final model, and writes the result."""
    cv_folds = [result.CvFold.read(out / RUNS / name) for name in names]
    dealt = files.read_json(out / DATA / datasets.DATASETS.marker)
    sites = result.out_of_fold(cv_folds)
    contents = dealt | result.measure(cv_folds, sites)
    everything = datasets.all_sites(info)
    run = out / FINAL
    if (run / layout.MANIFEST).exists():
        start.require_same(run, run_config, everything, options["vectors_from"])
    else:
        keras.utils.clear_session()
        labels, probabilities = sites["label"], sites["probability"]
        final.train_final(
            *(everything, run, run_config),
            _epochs(run_config, cv_folds, everything),
            (labels.to_numpy(), probabilities.to_numpy()),
            {name: value for name, value in contents.items() if name != "settings"},
            **options,
        )
    result.write(out, contents, cv_folds, sites)


def _epochs(
    run_config: RunConfig, cv_folds: Sequence[result.CvFold], everything: Dataset
) -> int:
    """Returns the epochs of the final model.

    A median cv fold was best after this part of the epochs that it was to have, which
    on few sites are more. So learning rates end alike.
    """

    def planned(n_sites: int) -> int:
        return objective.for_sites(run_config.train, n_sites).epochs

    parts = [cv_fold.best_epoch / planned(cv_fold.n_trained) for cv_fold in cv_folds]
    n_epochs = statistics.median(parts) * planned(everything.split("train").n_sites)
    return max(1, round(n_epochs))
