"""Measures the mean probability of the seeds of a preset, without training anything."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import filelock
import numpy as np

from deeprke_tf.benchmarking import run as benchmark_run
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.benchmarking.training import Scored, Trained
from deeprke_tf.errors import UserError
from deeprke_tf.fleets import plan
from deeprke_tf.system import files
from deeprke_tf.system.files import sha256


def measure(tasks: Sequence[Task], out: Path) -> dict[str, str]:
    """Writes a result for each experiment and preset with at least two seeds.

    Its preset is `<preset>-x<seeds>`, its seed the first of them. The threshold is
    chosen on the mean probability of the validation sites.

    Args:
      tasks: Those of one training are taken, where they are done.
      out: The directory of the results.

    Returns:
      What went wrong, by ensemble: one that fails does not stop the others.
    """
    by_ensemble: dict[tuple[str, ...], list[Task]] = {}
    for task in tasks:
        if not task.is_optimistic and task.predictions_path(out).exists():
            key = task.experiment.name, task.preset, task.protocol, task.mask
            by_ensemble.setdefault(key, []).append(task)
    failed = {}
    for members in by_ensemble.values():
        if len(members) < 2:
            continue
        name = f"{members[0].preset}-x{len(members)}"
        first = min(task.seed for task in members)
        task = dataclasses.replace(members[0], preset=name, seed=first)
        try:
            # Another process that is done, too, may measure it at this moment.
            with filelock.FileLock(task.lock_path(out)):
                _measure_one(task, members, out)
        except UserError as error:
            failed[f"{task.experiment.name} {task.label}"] = str(error)
    return failed


def _measure_one(task: Task, members: Sequence[Task], out: Path) -> None:
    """Measures an ensemble unless there is a result of these very members."""
    paths = [one.predictions_path(out) for one in members]
    facts = {
        "seeds": [one.seed for one in members],
        "members_sha256": [sha256(path) for path in paths],
    }
    if task.result_path(out).exists():
        before = json.loads(task.result_path(out).read_text())
        if all(before.get(name) == value for name, value in facts.items()):
            return
    arrays = [plan.read_arrays(path) for path in paths]
    trained = Trained(
        _mean(arrays, "validation", task.preset),
        _mean(arrays, "test", task.preset),
        facts | {"k": members[0].k},
    )
    files.write_json(task.result_path(out), benchmark_run.result_of(task, trained, out))


def _mean(arrays: Sequence[dict[str, np.ndarray]], split: str, name: str) -> Scored:
    labels = [one[f"{split}_labels"] for one in arrays]
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise UserError(
            f"{name}: its seeds were measured on other {split} sites, or in another "
            "order; delete their results to make them anew."
        )
    probabilities = [one[f"{split}_probabilities"] for one in arrays]
    return Scored(labels[0], np.mean(np.array(probabilities, np.float64), axis=0))
