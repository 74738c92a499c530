"""What a network is trained on: the sites of one RBP, or of several for a joint one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.data import batches
from deeprke_tf.data.description import Dataset
from deeprke_tf.runs.batching import Scorer
from deeprke_tf.runs.scorer import score_labelled, scorer
from deeprke_tf.training import objective


class Task(Protocol):
    """Batches and loss of a training, and the measures that stop it.

    Attributes:
      n_sites: Training sites.
      bound_fraction: Fraction of bound sites, a number or [n_rbps], as for
        `networks.deeprke.build_model`.
      loss: Of a batch.
    """

    n_sites: int
    bound_fraction: Any
    loss: keras.losses.Loss

    def batches(self, settings: TrainConfig, **how: Any) -> tf.data.Dataset:
        """Returns the batches of an epoch; `how` is as for `batches.read_split`."""

    def measures(
        self, model: keras.Model, settings: TrainConfig
    ) -> Callable[[], dict[str, float]]:
        """Returns a function that measures a network on the validation sites."""


class SingleTask:
    """The training of a network for one RBP.

    Args:
      info: The dataset; its train and validation splits are read.
      run_config: All settings.
    """

    def __init__(self, info: Dataset, run_config: RunConfig):
        train = info.split("train")
        self._info, self._views = info, run_config.model.views
        counts = (run_config.train, train.n_sites, train.n_positive)
        self.n_sites = train.n_sites
        self.bound_fraction = objective.bound_fraction(*counts)
        self._class_weights = objective.class_weights(*counts)
        self._targets = objective.targets(*counts)
        self.loss: keras.losses.Loss = keras.losses.BinaryCrossentropy()

    def batches(self, settings: TrainConfig, **how: Any) -> tf.data.Dataset:
        """See `Task`."""
        return batches.read_split(
            *(self._info, "train", self._views, settings.batch_size),
            class_weights=self._class_weights,
            targets=self._targets,
            **how,
        )

    def measures(
        self, model: keras.Model, settings: TrainConfig
    ) -> Callable[[], dict[str, float]]:
        """See `Task`."""
        read = batches.read_split(
            self._info, "validation", self._views, settings.batch_size
        )
        score = scorer(model)
        return lambda: objective.validation_measures(*score_labelled(score, read))


@keras.saving.register_keras_serializable("deeprke_tf")
class JointCrossentropy(keras.losses.Loss):
    """Binary cross-entropy over the RBPs that a site has a label for.

    Labels are those of `batches.read_split` with `joint`; predictions are
    probabilities, float32 [batch, n_rbps].
    """

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the weighted sum over RBPs, float32 [batch]."""
        targets, weights = y_true[..., 0], y_true[..., 1]
        return ops.sum(weights * ops.binary_crossentropy(targets, y_pred), axis=-1)


class JointTask:
    """The joint training of a network for several RBPs.

    Args:
      datasets: By the name of the RBP; their validation splits are read.
      sites: Their training sites, of `joint_sites.write_joint_sites`.
      run_config: All settings.
      balance: Weight of small datasets, of `JointConfig`.
    """

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        sites: Dataset,
        run_config: RunConfig,
        balance: float,
    ):
        self._datasets, self._sites = datasets, sites
        self._views = run_config.model.views
        self.n_sites = sites.split("train").n_sites
        rows = sites.contents["joint"]
        counts = [(run_config.train, r["n_sites"], r["n_positive"]) for r in rows]
        self.bound_fraction = np.array([objective.bound_fraction(*c) for c in counts])
        weights = dataset_weights([row["n_sites"] for row in rows], balance)
        self._labels = batches.JointLabels(
            np.array([objective.targets(*c) for c in counts]),
            np.array([objective.class_weights(*c) for c in counts]) * weights[:, None],
        )
        self.loss: keras.losses.Loss = JointCrossentropy()

    def batches(self, settings: TrainConfig, **how: Any) -> tf.data.Dataset:
        """See `Task`."""
        return batches.read_split(
            *(self._sites, "train", self._views, settings.batch_size),
            joint=self._labels,
            **how,
        )

    def measures(
        self, model: keras.Model, settings: TrainConfig
    ) -> Callable[[], dict[str, float]]:
        """See `Task`; the means over the RBPs, and the AUROC of each."""
        score = scorer(model)

        def measured() -> dict[str, float]:
            of_rbps = {
                name: objective.validation_measures(*scored)
                for name, scored in self.scored(score, settings.batch_size)
            }
            rows = list(of_rbps.values())
            means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
            return means | {
                auroc_column(name): of_rbp["val_auroc"]
                for name, of_rbp in of_rbps.items()
            }

        return measured

    def scored(
        self, score: Scorer, batch_size: int
    ) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
        """Yields each RBP with labels and probabilities of its validation sites.

        Args:
          score: Of the joint network.
          batch_size: Sites scored at once.
        """
        for output, (name, info) in enumerate(self._datasets.items()):
            read = batches.read_split(info, "validation", self._views, batch_size)
            labels, probabilities = score_labelled(score, read)
            yield name, (labels, probabilities[:, output])


def auroc_column(name: str) -> str:
    """Returns the name of the validation AUROC of an RBP in the history."""
    return f"val_auroc_{name}"


def dataset_weights(n_sites: Sequence[int], balance: float) -> np.ndarray:
    """Returns the weight of the sites of each dataset, 1 on average over all sites.

    >>> dataset_weights([100, 300], 1.0).round(3).tolist()
    [2.0, 0.667]

    Args:
      n_sites: Training sites of each dataset.
      balance: 0, each site counts the same; 1, each dataset does.
    """
    counts = np.asarray(n_sites, float)
    weights = counts**-balance
    return weights * counts.sum() / (weights * counts).sum()
