"""Does the tasks of a benchmark, one after another, beside other processes that do so.

OUT/<benchmark>/
    results/<experiment>/<preset>.<protocol>.seed<n>.<mask>.json   when a task is done
    predictions/<experiment>/<the same>.npz    what the model says of each site
    data/<experiment>/...       datasets, shared by its tasks
    runs/<experiment>/...       trained runs
    locks/                      who works on what
"""

import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from deeprke_tf import __version__
from deeprke_tf.benchmarking import training
from deeprke_tf.benchmarking.data import dataset_of
from deeprke_tf.benchmarking.tasks import N_PUBLISHED_FOLDS, Task
from deeprke_tf.benchmarking.training import Trained
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.fleets import plan
from deeprke_tf.system import files, processes
from deeprke_tf.system.progress import progress_bar


def do_tasks(
    tasks: Sequence[Task],
    out: Path,
    fold_flags: Sequence[str],
    fleet: Path | None = None,
) -> tuple[int, dict[str, str]]:
    """Does what is not done yet; a task that fails does not stop the others.

    Args:
      tasks: All tasks of the plan.
      out: The directory of the results.
      fold_flags: Flags of `preprocess` for folding.
      fleet: Results of `deeprke fleet` to take networks from; None: train them here.

    Returns:
      How many tasks other processes are at; and what went wrong, by task.
    """
    n_elsewhere, failed = 0, {}
    with progress_bar(len(tasks), "task", "benchmark") as bar:
        for task in tasks:
            name = f"{task.experiment.name} {task.label}"
            bar.set_postfix_str(name[-60:])
            try:
                n_elsewhere += not _do_alone(task, out, fold_flags, fleet)
            except UserError as error:
                failed[name] = str(error)
            bar.update()
    return n_elsewhere, failed


def _do_alone(
    task: Task, out: Path, fold_flags: Sequence[str], fleet: Path | None
) -> bool:
    """Does a task unless it is done; returns False if another process is at it."""
    if is_done(task, out):
        return True
    lock = task.lock_path(out)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(lock, timeout=0):
            # It may have been done between the question and the lock.
            if not is_done(task, out):
                result = run_task(task, out, fold_flags, fleet)
                task.result_path(out).parent.mkdir(parents=True, exist_ok=True)
                files.write_json(task.result_path(out), result)
    except filelock.Timeout:
        return False
    return True


def is_done(task: Task, out: Path) -> bool:
    """Tells whether a task has its result.

    Raises:
      UserError: It has one of other settings: presets change.
    """
    path = task.result_path(out)
    if not path.exists():
        return False
    # Of linear baselines a result has no settings.
    result = files.read_json(path)
    if "config" in result and not plan.is_of(result, task.settings):
        raise UserError(
            f"{path} was trained with other settings than {task.preset} has now; "
            "delete it to train anew, or name another --out."
        )
    return True


def run_task(
    task: Task, out: Path, fold_flags: Sequence[str], fleet: Path | None = None
) -> dict[str, Any]:
    """Trains and measures; returns what the result file holds."""
    if task.is_transfer and fleet is None:
        raise UserError(
            f"{task.preset} is trained for all experiments together: give --plan, run "
            "`deeprke fleet`, and come back with --trained."
        )
    started = time.time()
    n_trainings = N_PUBLISHED_FOLDS if task.is_optimistic else 1
    trained = []
    for part in range(n_trainings):
        data = dataset_of(task, part, out, fold_flags)
        directory = _run_directory(task, part, out)
        trained.append(training.train(task, data, directory, fleet))
    aurocs = [metrics.auroc(*dataclasses.astuple(one.test)) for one in trained]
    # The best on the test, where the protocol says so; else there is only one.
    best = trained[int(np.argmax(aurocs))]
    return result_of(task, best, out) | {
        "test_aurocs": aurocs,
        "seconds": round(time.time() - started, 1),
    }


def result_of(task: Task, trained: Trained, out: Path) -> dict[str, Any]:
    """Returns what a result file holds, and keeps the probabilities behind it."""
    arrays = {
        f"{split}_{name}": values
        for split in ("validation", "test")
        for name, values in dataclasses.asdict(getattr(trained, split)).items()
    }
    plan.write_result(task.predictions_path(out), arrays, {"label": task.label})
    return {
        "benchmark": task.benchmark,
        "experiment": task.experiment.name,
        "number": task.experiment.number,
        "preset": task.preset,
        "protocol": task.protocol,
        "optimistic": task.is_optimistic,
        "seed": task.seed,
        "mask": task.mask,
        "k": task.k,
        **metrics.evaluate_probabilities(
            trained.test.labels, trained.test.probabilities, trained.threshold
        ),
        **trained.facts,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": processes.command_line(),
        "versions": _versions(),
    }


def _run_directory(task: Task, part: int, out: Path) -> Path:
    name = f"{task.label}.{part + 1}" if task.is_optimistic else task.label
    return out / task.benchmark / "runs" / task.experiment.name / name


def _versions() -> dict[str, str]:
    packages = ("tensorflow", "keras", "scikit-learn", "numpy", "viennarna")
    return {
        "deeprke_tf": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }
