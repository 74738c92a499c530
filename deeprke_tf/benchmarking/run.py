"""Runs the tasks of a benchmark, one after another, beside other processes.

OUT/<benchmark>/
    results/<experiment>/<preset>.<protocol>.seed<n>.<mask>.json   of a finished task
    predictions/<experiment>/<the same>.npz    labels and probabilities of its sites
    data/<experiment>/...       datasets, shared by tasks
    runs/<experiment>/...       trained runs
"""

import dataclasses
import importlib.metadata
import json
import logging
import platform
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import __version__, config
from deeprke_tf.benchmarking import training
from deeprke_tf.benchmarking.data import Datasets
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.benchmarking.training import Scored, Trained
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs.ensemble import mean_and_sd
from deeprke_tf.system import arrays, files, locks, processes
from deeprke_tf.system.files import sha256
from deeprke_tf.system.progress import Progress, no_progress

_logger = logging.getLogger(__name__)


def run_tasks(
    tasks: Sequence[Task],
    datasets: Datasets,
    *,
    ensembles: bool = False,
    progress: Progress = no_progress,
) -> dict[str, str]:
    """Runs the tasks that have no result; one that fails does not stop the others.

    Args:
      tasks: All tasks.
      datasets: Their datasets, and the directory of the results.
      ensembles: Also measure the mean probability over the seeds of each preset.
      progress: Reports progress.

    Returns:
      Error messages of failed tasks, by name.
    """
    n_done = sum(task.result_path(datasets.out).exists() for task in tasks)
    _logger.info("%d tasks, %d of them done before", len(tasks), n_done)
    n_elsewhere, failed = 0, {}
    with progress(len(tasks), "task", "benchmark") as bar:
        for task in tasks:
            try:
                n_elsewhere += not _run_alone(task, datasets)
            except UserError as error:
                failed[task.name] = str(error)
            bar.update()
    if ensembles:
        done = [task for task in tasks if task.name not in failed]
        failed |= measure_ensembles(done, datasets.out)
    if n_elsewhere:
        _logger.info("%d tasks are run by other processes", n_elsewhere)
    for name, message in failed.items():
        _logger.info("failed: %s: %s", name, message)
    return failed


def _run_alone(task: Task, datasets: Datasets) -> bool:
    """Runs a task without a result; returns False if another process runs it."""
    if is_done(task, datasets.out):
        return True
    task.result_path(datasets.out).parent.mkdir(parents=True, exist_ok=True)
    with locks.held(task.lock_path(datasets.out)) as is_held:
        # Another process may have finished it before the lock was free.
        if is_held and not is_done(task, datasets.out):
            started = time.monotonic()
            model = training.train(task, datasets.of(task), datasets.out)
            model.facts["seconds"] = round(time.monotonic() - started, 1)
            _write_result(task, model, datasets.out)
        return is_held


def is_done(task: Task, out: Path) -> bool:
    """Tells whether a task has its result.

    Raises:
      UserError: The result is of other settings than the preset has now.
    """
    path = task.result_path(out)
    if not path.exists():
        return False
    result = files.read_json(path)
    # Results of linear baselines have no settings.
    if "config" in result and not _is_of(result, task.settings):
        raise UserError(
            f"{path} was trained with other settings than {task.preset} has now; "
            "delete it to train again, or name another `out`."
        )
    return True


def _is_of(result: dict[str, Any], settings: RunConfig) -> bool:
    try:
        of_result = config.from_dict(RunConfig, result["config"], "config")
    except (KeyError, UserError):
        return False  # By another version.
    # Precision is a matter of the machine: a network of the other one is done as well.
    train = dataclasses.replace(
        of_result.train, mixed_precision=settings.train.mixed_precision
    )
    return dataclasses.replace(of_result, train=train) == settings


def _write_result(task: Task, model: Trained, out: Path) -> None:
    """Writes the predictions of a task, then its result."""
    predictions = {
        f"{split}_{name}": values
        for split in ("validation", "test")
        for name, values in dataclasses.asdict(getattr(model, split)).items()
    }
    facts = np.array(json.dumps({"label": task.label}))
    path = task.predictions_path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_arrays(predictions | {"facts": facts}, path)
    result = {
        "benchmark": task.benchmark,
        "experiment": task.experiment.name,
        "number": task.experiment.number,
        "preset": task.preset,
        "protocol": task.protocol,
        "seed": task.seed,
        "mask": task.mask,
        "k": task.k,
        **metrics.evaluate_probabilities(
            model.test.labels, model.test.probabilities, model.threshold
        ),
        **model.facts,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": processes.command_line(),
        "versions": _versions(),
    }
    files.write_json(task.result_path(out), result)


def _versions() -> dict[str, str]:
    packages = ("tensorflow", "keras", "scikit-learn", "numpy", "viennarna")
    return {
        "deeprke_tf": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


# === Ensembles ===


def measure_ensembles(tasks: Sequence[Task], out: Path) -> dict[str, str]:
    """Writes a result for each experiment and preset with at least two seeds.

    Its preset is `<preset>-x<seeds>`, its seed the first of them. The threshold is
    chosen on the mean probabilities of the validation sites.

    Args:
      tasks: Tasks; tasks without predictions are left out.
      out: The directory of the results.

    Returns:
      Error messages of failed ensembles, by name; one does not stop the others.
    """
    by_ensemble: dict[Task, list[Task]] = defaultdict(list)
    for task in tasks:
        if task.predictions_path(out).exists():
            by_ensemble[dataclasses.replace(task, seed=0)].append(task)
    failed = {}
    for members in by_ensemble.values():
        if len(members) < 2:
            continue
        preset = f"{members[0].preset}-x{len(members)}"
        first = min(task.seed for task in members)
        ensemble = dataclasses.replace(members[0], preset=preset, seed=first)
        try:
            # Another process may measure it at the same moment.
            with locks.held(ensemble.lock_path(out), seconds=-1):
                _measure_ensemble(ensemble, members, out)
        except UserError as error:
            failed[ensemble.name] = str(error)
    return failed


def _measure_ensemble(ensemble: Task, members: Sequence[Task], out: Path) -> None:
    """Measures an ensemble unless it has a result of these members."""
    paths = [task.predictions_path(out) for task in members]
    facts = {
        "seeds": [task.seed for task in members],
        "members_sha256": [sha256(path) for path in paths],
    }
    if ensemble.result_path(out).exists():
        before = json.loads(ensemble.result_path(out).read_text())
        if all(before.get(name) == value for name, value in facts.items()):
            return
    predictions = [arrays.read_arrays(path) for path in paths]
    validation, test = (
        _mean(predictions, split, ensemble.preset) for split in ("validation", "test")
    )
    facts["k"] = members[0].k
    _write_result(ensemble, Trained(validation, test, facts), out)


def _mean(
    predictions: Sequence[dict[str, np.ndarray]], split: str, name: str
) -> Scored:
    labels = [one[f"{split}_labels"] for one in predictions]
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise UserError(
            f"{name}: its seeds were measured on other {split} sites, or in another "
            "order; delete their results to train again."
        )
    each = [one[f"{split}_probabilities"] for one in predictions]
    return Scored(labels[0], mean_and_sd(each)[0])
