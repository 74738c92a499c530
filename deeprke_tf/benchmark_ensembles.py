"""Measures the mean probability of the seeds of a preset, without training anything."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deeprke_tf import benchmark_run, fleet_plan, runs
from deeprke_tf.benchmark_tasks import Task
from deeprke_tf.benchmark_training import Scored, Trained
from deeprke_tf.errors import UserError


def measure(tasks: Sequence[Task], out: Path) -> None:
    """Writes a result for each experiment and preset with at least two seeds.

    Its preset is `<preset>-x<seeds>`, its seed the first of them. The threshold is
    chosen on the mean probability of the validation sites.

    Args:
      tasks: Those of one training are taken, where they are done.
      out: The directory of the results.

    Raises:
      UserError: Seeds were not measured on the same sites.
    """
    by_ensemble: dict[tuple[str, ...], list[Task]] = {}
    for task in tasks:
        if not task.is_optimistic and task.predictions_path(out).exists():
            key = task.experiment.name, task.preset, task.protocol, task.mask
            by_ensemble.setdefault(key, []).append(task)
    for members in by_ensemble.values():
        if len(members) > 1:
            _measure_one(members, out)


def _measure_one(members: Sequence[Task], out: Path) -> None:
    name = f"{members[0].preset}-x{len(members)}"
    seeds = [task.seed for task in members]
    task = dataclasses.replace(members[0], preset=name, seed=min(seeds))
    if task.result_path(out).exists():
        return
    arrays = [fleet_plan.read_arrays(one.predictions_path(out)) for one in members]
    trained = Trained(
        _mean(arrays, "validation", name),
        _mean(arrays, "test", name),
        {"seeds": sorted(seeds), "k": members[0].k},
    )
    runs.write_json(task.result_path(out), benchmark_run.result_of(task, trained, out))


def _mean(arrays: Sequence[dict[str, np.ndarray]], split: str, name: str) -> Scored:
    labels = [one[f"{split}_labels"] for one in arrays]
    if any(not np.array_equal(labels[0], other) for other in labels[1:]):
        raise UserError(
            f"{name}: its seeds were measured on other {split} sites, or in another "
            "order; train them all here, or all in one plan."
        )
    probabilities = [one[f"{split}_probabilities"] for one in arrays]
    return Scored(labels[0], np.mean(np.array(probabilities, np.float64), axis=0))
