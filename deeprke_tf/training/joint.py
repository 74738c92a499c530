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
from typing import Any

import keras
import numpy as np

from deeprke_tf.config import JointConfig, RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.joint_sites import write_joint_sites
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import figures
from deeprke_tf.runs import layout
from deeprke_tf.runs.scorer import scorer
from deeprke_tf.system import files, tables
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import devices, epochs, report, start, vectors
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.task import JointTask, auroc_column

_logger = logging.getLogger(__name__)

_SITES = "sites"  # in the directory of the state


def train_joint(
    data: Sequence[Path],
    out: Path,
    run_config: RunConfig,
    joint: JointConfig = JointConfig(),
    *,
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
    datasets = _checked(data, run_config)
    together = _together(datasets, joint)
    given = vectors.given_vectors(together, run_config, vectors_from)
    start.prepare(out, run_config, together, vectors_from, overwrite)
    sites = write_joint_sites(
        datasets, out / layout.STATE / _SITES, joint.shared_letters, progress
    )
    _logger.info("%s", _sites_line(sites))
    kmer_vectors = vectors.make_vectors(
        *(sites, out, run_config, given, vectors.joint_kmer_weights)
    )
    state = TrainingState(out / layout.STATE, out / layout.HISTORY)
    if state.n_epochs:
        _logger.info("resuming after epoch %d", state.n_epochs)
    task = JointTask(datasets, sites, run_config, joint.balance)
    model = epochs.fit(
        *(task, run_config, kmer_vectors, strategy, state, out / layout.LOGS, progress)
    )
    with files.path_aside(out / layout.MODEL) as partial:
        model.save(partial)
    own = report.facts(out, state, strategy, kmer_vectors, vectors_from)
    measured = _write_rbps(out, model, task, datasets, run_config, state, own)
    figures.learning_curves(
        state.history, state.best_epoch, out / layout.FIGURES / "learning_curves.png"
    )
    files.write_json(out / layout.METRICS, measured)
    _write_manifest(out, together, sites, run_config, joint, own)
    state.remove()
    _logger.info("%s", tables.text_table(_summary(out, model, measured, state)))
    return measured


def _checked(data: Sequence[Path], run_config: RunConfig) -> dict[str, Dataset]:
    """Reads the datasets by the names of their RBPs.

    Raises:
      UserError: There are fewer than two, two have one name or different encodings, or
        one cannot be trained on.
    """
    if len(data) < 2:
        raise UserError(
            f"Joint training needs at least two datasets; `data` names {len(data)}."
        )
    datasets: dict[str, Dataset] = {}
    for directory in data:
        info, _no_vectors = start.checked(directory, run_config, None)
        name = directory.resolve().name
        if name in datasets:
            raise UserError(
                f"{datasets[name].directory} and {directory} have one name; the names "
                "of the directories are those of the RBPs, and must differ."
            )
        if datasets:
            first = next(iter(datasets.values()))
            info.require_encoding(first.encoding, run_config.model.views)
        datasets[name] = info
    return datasets


def _together(datasets: dict[str, Dataset], joint: JointConfig) -> Dataset:
    """Returns the datasets and settings of a joint run as one, to compare runs by."""
    made_of = [{name: info.sha256 for name, info in datasets.items()}, vars(joint)]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    first = next(iter(datasets.values()))
    directory = Path(" ".join(str(info.directory) for info in datasets.values()))
    return dataclasses.replace(first, directory=directory, splits={}, sha256=digest)


def _sites_line(sites: Dataset) -> str:
    rows = sites.contents["joint"]
    n_labels = sum(row["n_sites"] for row in rows)
    n_left_out = sum(row["n_left_out"] for row in rows)
    return (
        f"{len(rows)} datasets: {n_labels:,} training sites, "
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
    """Writes the run of each RBP; returns the measures of all on validation."""
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
    means = {
        measure: float(np.mean([measured[measure] for measured in of_rbps.values()]))
        for measure in ("auroc", "auprc", "mcc")
    }
    return {"split": "validation", **means, "rbps": of_rbps}


def _write_manifest(
    out: Path,
    together: Dataset,
    sites: Dataset,
    run_config: RunConfig,
    joint: JointConfig,
    own: dict[str, Any],
) -> None:
    """Writes the manifest of a joint run, its last file."""
    split = sites.split("train")
    rows = [
        row | {"directory": f"{layout.RBPS}/{row['name']}"}
        for row in sites.contents["joint"]
    ]
    manifest = report.origin(run_config) | {
        "encoding": together.contents["encoding"],
        "longest_site": split.longest_site,
        "data": {"dataset_sha256": together.sha256},
        "joint": dataclasses.asdict(joint) | {"n_sites": split.n_sites},
        "rbps": rows,
    }
    files.write_json(out / layout.MANIFEST, manifest | own)


def _summary(
    out: Path, model: keras.Model, measured: dict[str, Any], state: TrainingState
) -> list[list[str]]:
    aurocs = [of_rbp["auroc"] for of_rbp in measured["rbps"].values()]
    return [
        ["weights", f"{model.count_params():,}"],
        ["best epoch", f"{state.best_epoch} of {state.n_epochs}"],
        [
            "validation AUROC",
            f"mean {measured['auroc']:.4f} of {len(aurocs)} RBPs "
            f"({min(aurocs):.4f} to {max(aurocs):.4f})",
        ],
        ["wrote", str(out)],
    ]
