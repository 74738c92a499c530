"""The models of a benchmark's tasks: trained and scored."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.data import site_order
from deeprke_tf.benchmarking.linear_baselines import Labelled
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import layout
from deeprke_tf.runs.run import Run

_SITES_AT_ONCE = 512


@dataclasses.dataclass(frozen=True)
class Scored:
    """The sites of one split with the probabilities of a model.

    Attributes:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: float [n_sites].
    """

    labels: np.ndarray
    probabilities: np.ndarray

    def at(self, indices: np.ndarray) -> "Scored":
        """Returns the sites at some indices, int [n_sites], in their order."""
        return Scored(self.labels[indices], self.probabilities[indices])


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained model's scores; sites are in the order of `data.site_order`.

    Attributes:
      validation: The validation sites.
      test: The test sites.
      facts: Other entries of the result.
    """

    validation: Scored
    test: Scored
    facts: dict[str, Any]

    @property
    def threshold(self) -> float:
        """The decision threshold, chosen on validation."""
        return metrics.best_threshold(
            self.validation.labels, self.validation.probabilities
        )


def train(task: Task, dataset: Dataset, out: Path) -> Trained:
    """Trains a task's model and scores its sites.

    Args:
      task: What to train.
      dataset: Its data.
      out: Directory of the results.

    Raises:
      UserError: The training fails.
    """
    if task.is_linear:
        model = _train_linear(task, dataset)
    else:
        model = train_network(task, dataset, task.run_path(out))
    facts = {
        "dataset_sha256": dataset.sha256,
        "inputs": dataset.contents["inputs"],
        "n_train": dataset.split("train").n_sites,
        "n_train_positive": dataset.split("train").n_positive,
        "n_validation": dataset.split("validation").n_sites,
        "n_skipped": dataset.contents["skipped"],
    }
    # All models have their sites in one order, so that they can be compared.
    return Trained(
        model.validation.at(site_order(dataset, "validation")),
        model.test.at(site_order(dataset, "test")),
        {"data": facts, **model.facts},
    )


def _train_linear(task: Task, dataset: Dataset) -> Trained:
    from deeprke_tf.data import stored_sites

    vocabulary = dataset.encoding.sequence_vocabulary
    train, validation, test = (
        Labelled(
            linear_baselines.letters_of(
                stored_sites.sample_kmers(dataset, split, "sequence_kmers", -1),
                vocabulary,
            ),
            stored_sites.sample_labels(dataset, split, -1),
        )
        for split in ("train", "validation", "test")
    )
    started = time.monotonic()
    score, chosen = linear_baselines.fit(task.preset, train, validation, task.seed)
    facts = {"chosen": chosen, "training_seconds": time.monotonic() - started}
    return Trained(
        Scored(validation.labels, score(validation.sequences)),
        Scored(test.labels, score(test.sequences)),
        facts,
    )


def train_network(task: Task, dataset: Dataset, directory: Path) -> Trained:
    """Trains a network unless its run is finished; sites in the order of the shards.

    Args:
      task: What to train.
      dataset: Its data.
      directory: The run directory.
    """
    import keras

    from deeprke_tf.data import stored_sites
    from deeprke_tf.runs.batching import score_sites
    from deeprke_tf.training import start
    from deeprke_tf.training.run import train_run

    # Networks of earlier tasks are not needed any more.
    keras.utils.clear_session()
    started = time.monotonic()
    if (directory / layout.MANIFEST).exists():
        start.require_same(directory, task.settings, dataset, None)
    else:
        train_run(dataset.directory, directory, task.settings)
    run = Run.load(directory)

    def scored(split: str) -> Scored:
        stored_sites.verify_shards(dataset, split)
        views = {
            view: stored_sites.sample_kmers(dataset, split, view, -1)
            for view in run.views
        }
        sites = [
            dict(zip(views, ids, strict=True))
            for ids in zip(*views.values(), strict=True)
        ]
        return Scored(
            stored_sites.sample_labels(dataset, split, -1),
            score_sites(run.network_scorer, sites, _SITES_AT_ONCE),
        )

    facts = {
        "config": dataclasses.asdict(run.config),
        "model_sha256": run.manifest["model_sha256"],
        "best_epoch": run.manifest["best_epoch"],
        "n_epochs": run.manifest["n_epochs"],
        "validation_auroc": layout.validation_measures(directory)["auroc"],
        "training_seconds": time.monotonic() - started,
    }
    return Trained(scored("validation"), scored("test"), facts)
