"""Trains one network for several RBPs; resumes an interrupted joint run.

The network has an output for each RBP. Batches are drawn from the sites of all
datasets; a site counts for the RBPs that it has a label for. The directory is described
in `deeprke_tf.runs.layout`.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from deeprke_tf.config import JointConfig, RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.joint_sites import write_joint_sites
from deeprke_tf.data.replicates import held_out
from deeprke_tf.data.replicates import read as read_replicates
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import figures
from deeprke_tf.runs import layout
from deeprke_tf.runs.scorer import scorer
from deeprke_tf.system import files, tables
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import (
    devices,
    epochs,
    fine_tuning,
    network_files,
    report,
    start,
    vectors,
)
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.task import JointTask, auroc_column

_logger = logging.getLogger(__name__)

_SITES = "sites"  # in the directory of the state


class Datasets(NamedTuple):
    """Datasets by the names of their RBPs: to train on, and held out."""

    trained: dict[str, Dataset]
    held_out: dict[str, Dataset]


def train_joint(
    data: Sequence[Path],
    out: Path,
    run_config: RunConfig,
    joint: JointConfig = JointConfig(),
    *,
    replicates: Path | None = None,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Trains one network for the RBPs of several datasets, or resumes it.

    Args:
      data: Datasets of `deeprke preprocess`; the names of their directories are the
        names of the RBPs.
      out: Run directory.
      run_config: All settings.
      joint: Settings of joint training.
      replicates: Table of the datasets that are of one RBP; see `data.replicates`.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `devices.strategy`.
      overwrite: Delete the run that `out` holds, and start again.
      progress: Shows the sites of each epoch.

    Returns:
      The contents of `metrics.json`: means over the RBPs, and the measures of each on
      its validation sites.

    Raises:
      UserError: Datasets or `out` cannot be used; training diverged.
    """
    strategy = devices.strategy(n_devices)
    datasets = checked(data, run_config, joint, replicates)
    together = as_one(datasets, joint)
    given = vectors.given_vectors(together, run_config, vectors_from)
    start.prepare(out, run_config, together, vectors_from, overwrite)
    sites = write_joint_sites(
        *(datasets.trained, out / layout.STATE / _SITES),
        *(joint.shared_letters, progress),
        held_out=list(datasets.held_out.values()),
    )
    _logger.info("%s", _sites_line(sites))
    kmer_vectors = vectors.make_vectors(
        *(sites, out, run_config, given, vectors.joint_kmer_weights)
    )
    state = TrainingState(out / layout.STATE, out / layout.HISTORY)
    if state.n_epochs:
        _logger.info("resuming after epoch %d", state.n_epochs)
    task = JointTask(datasets.trained, sites, run_config, joint.balance)
    model = epochs.fit(
        *(task, run_config, kmer_vectors, strategy, state, out / layout.LOGS, progress)
    )
    network_files.write(out, model, run_config.model)
    own = report.facts(out, state, strategy, kmer_vectors, vectors_from)
    of_rbps = _write_rbps(out, model, task, datasets.trained, run_config, state, own)
    figures.learning_curves(
        state.history, state.best_epoch, out / layout.FIGURES / "learning_curves.png"
    )
    measured = write_results(
        *(out, together, run_config, of_rbps, own | _facts(joint, datasets, sites))
    )
    state.remove()
    rows = [
        ["weights", f"{model.count_params():,}"],
        ["best epoch", f"{state.best_epoch} of {state.n_epochs}"],
        *measure_rows(measured),
        ["wrote", str(out)],
    ]
    _logger.info("%s", tables.text_table(rows))
    return measured


def checked(
    data: Sequence[Path],
    run_config: RunConfig,
    joint: JointConfig,
    replicates: Path | None,
) -> Datasets:
    """Reads the datasets by the names of their RBPs.

    Raises:
      UserError: Fewer than two are to be trained on, two have one name or different
        encodings, one cannot be trained on, `hold_out` names none of them, or settings
        are those of a start from another run.
    """
    fine_tuning.require_scratch(run_config)
    directories: dict[str, Path] = {}
    for directory in data:
        name = directory.resolve().name
        if name in directories:
            raise UserError(
                f"{directories[name]} and {directory} have one name; the names of the "
                "directories are those of the RBPs, and must differ."
            )
        directories[name] = directory
    rbps = read_replicates(replicates) if replicates else {}
    if unknown := sorted(rbps.keys() - directories.keys()):
        _logger.warning("`replicates` names no dataset of `data`: %s", unknown)
    away = held_out(list(directories), joint.hold_out, rbps)
    if len(directories) - len(away) < 2:
        which = f", and {len(away)} of them are held out" if away else ""
        raise UserError(
            "Joint training needs at least two datasets; `data` names "
            f"{len(directories)}{which}."
        )
    infos: dict[str, Dataset] = {}
    for name, directory in directories.items():
        info, _no_vectors = start.checked(directory, run_config, None)
        first = next(iter(infos.values()), info)
        info.require_encoding(first.encoding, run_config.model.views)
        infos[name] = info
    return Datasets(
        {name: info for name, info in infos.items() if name not in away},
        {name: infos[name] for name in away},
    )


def as_one(datasets: Datasets, joint: JointConfig) -> Dataset:
    """Returns datasets and settings of a joint run as one dataset, to know runs by."""
    settings = dataclasses.asdict(joint)
    del settings["hold_out"]
    made_of: list[dict[str, Any]] = [
        {name: info.sha256 for name, info in datasets.trained.items()},
        settings,
    ]
    if datasets.held_out:
        made_of.append({name: i.sha256 for name, i in datasets.held_out.items()})
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    trained = list(datasets.trained.values())
    directory = Path(" ".join(str(info.directory) for info in trained))
    return dataclasses.replace(
        trained[0], directory=directory, splits={}, sha256=digest
    )


def _sites_line(sites: Dataset) -> str:
    rows = sites.contents["joint"]
    n_labels = sum(row["n_sites"] for row in rows)
    n_left_out = sum(row["n_left_out"] for row in rows)
    return (
        f"{counted(len(rows), 'dataset')}: {n_labels:,} training sites, "
        f"{sites.split('train').n_sites:,} different ones; {n_left_out:,} left out, as "
        "they overlap with validation or test sites"
    )


def _write_rbps(
    out: Path,
    model: keras.Model,
    task: JointTask,
    datasets: dict[str, Dataset],
    run_config: RunConfig,
    state: TrainingState,
    own: dict[str, Any],
) -> dict[str, Any]:
    """Writes the run of each RBP; returns the measures on validation by RBP."""
    of_rbps: dict[str, Any] = {}
    scored = task.scored(scorer(model), run_config.train.batch_size)
    for output, (name, (labels, probabilities)) in enumerate(scored):
        directory = out / layout.RBPS / name
        directory.mkdir(parents=True, exist_ok=True)
        files.write_json(directory / layout.CONFIG, dataclasses.asdict(run_config))
        info = datasets[name]
        measured = report.write_measures(directory, info, labels, probabilities)
        aurocs = [row[auroc_column(name)] for row in state.history]
        facts = {
            "network": {"file": f"../../{layout.MODEL}", "output": output},
            "best_epoch_of_rbp": int(np.argmax(aurocs)) + 1,
        }
        report.write_manifest(directory, info, run_config, measured, own | facts)
        of_rbps[name] = measured
    return of_rbps


def _facts(joint: JointConfig, datasets: Datasets, sites: Dataset) -> dict[str, Any]:
    """Returns the manifest's entries that a joint run and its ensemble have."""
    split = sites.split("train")
    return {
        "longest_site": split.longest_site,
        "joint": {
            **dataclasses.asdict(joint),
            "hold_out": list(datasets.held_out),
            "n_sites": split.n_sites,
        },
        "rbps": [
            row | {"directory": f"{layout.RBPS}/{row['name']}"}
            for row in sites.contents["joint"]
        ],
    }


def write_results(
    out: Path,
    together: Dataset,
    run_config: RunConfig,
    of_rbps: dict[str, Any],
    own: dict[str, Any],
) -> dict[str, Any]:
    """Writes measures and manifest, the last files of a joint run or its ensemble.

    Args:
      out: The directory; it holds the run of each RBP.
      together: Result of `as_one`.
      run_config: All settings.
      of_rbps: The measures on validation by RBP.
      own: All other entries of the manifest.

    Returns:
      The contents of `metrics.json`: means over the RBPs, and the measures of each.
    """
    means = {
        measure: float(np.mean([measured[measure] for measured in of_rbps.values()]))
        for measure in ("auroc", "auprc", "mcc")
    }
    measured = {"split": "validation", **means, "rbps": of_rbps}
    files.write_json(out / layout.METRICS, measured)
    manifest = report.origin(run_config) | {
        "encoding": together.contents["encoding"],
        "data": {"dataset_sha256": together.sha256},
    }
    files.write_json(out / layout.MANIFEST, manifest | own)
    return measured


def measure_rows(measured: dict[str, Any]) -> list[list[str]]:
    """Returns the row of a summary that shows the measures on validation."""
    aurocs = [of_rbp["auroc"] for of_rbp in measured["rbps"].values()]
    return [
        [
            "validation AUROC",
            f"mean {measured['auroc']:.4f} of {len(aurocs)} RBPs "
            f"({min(aurocs):.4f} to {max(aurocs):.4f})",
        ]
    ]
