"""The trainings of a benchmark's tasks: networks, linear baselines, fleets."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.benchmarking import data as benchmark_data
from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.linear_baselines import Labelled
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.fleets import plan
from deeprke_tf.runs import layout
from deeprke_tf.runs import run as runs

# Of what a fleet says of a training.
_KEPT = ("config", "model_sha256", "best_epoch", "trunk")


@dataclasses.dataclass(frozen=True)
class Scored:
    """Sites of one split and what a model says of them.

    Attributes:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: float [n_sites].
    """

    labels: np.ndarray
    probabilities: np.ndarray

    def at(self, places: np.ndarray) -> "Scored":
        """Returns the sites at some places, int [n_sites], in their order."""
        return Scored(self.labels[places], self.probabilities[places])


@dataclasses.dataclass(frozen=True)
class Trained:
    """What one training gave; sites are in the order of `benchmark_data.site_order`.

    Attributes:
      validation: The sites that all was chosen on; the threshold comes from them.
      test: The test sites.
      facts: What else the result says of it.
    """

    validation: Scored
    test: Scored
    facts: dict[str, Any]

    @property
    def threshold(self) -> float:
        """Chosen on validation."""
        return metrics.best_threshold(
            self.validation.labels, self.validation.probabilities
        )


def train(task: Task, info: Dataset, directory: Path, fleet: Path | None) -> Trained:
    """Trains a task's model and scores its sites.

    Args:
      task: What to train.
      info: Its data.
      directory: For the run of a network.
      fleet: Results of `deeprke fleet` to take networks from; None: train them here.

    Raises:
      UserError: The training fails, or the fleet has not done it, or on other data.
    """
    data = {
        "dataset_sha256": info.sha256,
        "inputs": info.contents["inputs"],
        "n_train": info.split("train").n_sites,
        "n_train_positive": info.split("train").n_positive,
        "n_validation": info.split("validation").n_sites,
        "n_skipped": info.contents["skipped"],
    }
    if task.is_linear:
        trained = _train_linear(task, info)
    elif fleet:
        trained = _trained_by_fleet(task, data["dataset_sha256"], fleet)
    else:
        trained = _train_network(task, info, directory)
    # In one order whoever scored them, so that models can be compared.
    return Trained(
        trained.validation.at(benchmark_data.site_order(info, "validation")),
        trained.test.at(benchmark_data.site_order(info, "test")),
        {"data": data, **trained.facts},
    )


def _train_linear(task: Task, info: Dataset) -> Trained:
    sites = {}
    for split in info.splits:
        packed = benchmark_data.letters(info, split)
        sites[split] = Labelled(packed.sequences, packed.labels)
    started = time.monotonic()
    score, chosen = linear_baselines.fit(
        task.preset, sites["train"], sites["validation"], task.seed
    )
    facts = {"chosen": chosen, "training_seconds": time.monotonic() - started}
    validation, test = (
        Scored(sites[split].labels, score(sites[split].sequences))
        for split in ("validation", "test")
    )
    return Trained(validation, test, facts)


def _train_network(task: Task, info: Dataset, directory: Path) -> Trained:
    import keras

    from deeprke_tf import evaluate
    from deeprke_tf.data import batches
    from deeprke_tf.training import many
    from deeprke_tf.training import run as train_run

    # Networks of earlier tasks are not needed any more.
    keras.utils.clear_session()
    started = time.monotonic()
    if (directory / layout.MANIFEST).exists():
        many.require_same(directory, info.directory, task.settings, None)
    else:
        train_run.train_run(info.directory, directory, task.settings)
    run = runs.load(directory)
    flags = evaluate.EvaluateFlags(directory, info.directory, n_bootstrap=1)
    _measured, labels, probabilities = evaluate.measure(run, flags)
    facts = {
        "config": dataclasses.asdict(run.config),
        "model_sha256": run.manifest["model_sha256"],
        "best_epoch": run.manifest["best_epoch"],
        "n_epochs": run.manifest["n_epochs"],
        "validation_auroc": layout.validation_measures(directory)["auroc"],
        "training_seconds": time.monotonic() - started,
    }
    batch_sizes = {
        "validation": run.config.train.batch_size,
        "test": flags.batch_size,
    }
    # Back to the order of the shards, which that of reading is a permutation of.
    places = {
        split: np.argsort(batches.read_places(info, split, size))
        for split, size in batch_sizes.items()
    }
    validation = Scored(*layout.read_validation(directory)).at(places["validation"])
    test = Scored(labels, probabilities).at(places["test"])
    return Trained(validation, test, facts)


def _trained_by_fleet(task: Task, dataset_sha256: str, fleet: Path) -> Trained:
    path = fleet / task.experiment.name / f"{task.label}.npz"
    if not path.exists():
        raise UserError(
            f"{path} is not there; train it with `deeprke fleet`, or leave --trained "
            "out to train it here."
        )
    arrays, facts = plan.read_result(path)
    if facts["dataset_sha256"] != dataset_sha256:
        raise UserError(
            f"{path} was trained on other data than {task.experiment.name} here; make "
            "the plan again, and give `deeprke fleet` again."
        )
    if not plan.is_of(facts, task.settings):
        raise UserError(
            f"{path} was trained with other settings than {task.preset} has now; make "
            "the plan again, and give `deeprke fleet` again."
        )
    history = facts["history"]
    validation, test = (
        Scored(arrays[f"{split}_labels"], arrays[f"{split}_probabilities"])
        for split in ("validation", "test")
    )
    kept = [name for name in _KEPT if name in facts]
    return Trained(
        validation,
        test,
        {name: facts[name] for name in kept}
        | {
            "n_epochs": len(history),
            "validation_auroc": history[facts["best_epoch"] - 1]["val_auroc"],
            # Its share of the time that all networks of the fleet took together.
            "training_seconds": facts["seconds"] / facts["n_together"],
            "fleet": {
                name: facts[name] for name in ("device", "n_together", "versions")
            },
        },
    )
