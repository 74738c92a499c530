"""Trains many networks of one shape at once, on one device, with Keras 3 on JAX.

A step of training is mapped over the weights of all networks (`jax.vmap`), and an epoch
is one computation on the device: a GPU that one small network leaves idle is kept busy.
Each network has its own data, vectors, seed, step sizes and best epoch, and trains as
`deeprke_tf.training.epochs` would train it alone, but for the order of sites, what
dropout drops and the first weights, which other random numbers settle.
"""

import dataclasses
import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from deeprke_tf.config import RunConfig
from deeprke_tf.fleets.steps import Fleet, Member
from deeprke_tf.training import objective

_logger = logging.getLogger(__name__)


@dataclasses.dataclass
class Trained:
    """What a training gave.

    Attributes:
      history: A row for each epoch, as `history.csv` has them.
      probabilities: Of the network of the best epoch, float32 [n_sites] by split:
        validation and test.
      model_sha256: Digest of its weights.
      diverged: What was no number any more, and when; empty if all went well.
    """

    history: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    probabilities: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    model_sha256: str = ""
    diverged: str = ""

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation AUROC, from 1."""
        return objective.best_epoch(self.history)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Its probabilities under the names that files give them."""
        return {f"{split}_probabilities": p for split, p in self.probabilities.items()}


def train_together(
    config: RunConfig,
    members: Sequence[Member],
    said: Callable[[str], None] = _logger.info,
) -> list[Trained]:
    """Trains networks until each has stopped by its own rule, and scores its sites.

    One that diverges stops, and the others go on.

    Args:
      config: Settings that all have in common, but for the seed.
      members: The networks; their ids and vectors are of the same k and size.
      said: Takes a line of text for each epoch.

    Returns:
      What became of each, in the order of `members`.

    Raises:
      ValueError: Keras does not run on JAX.
    """
    if keras.backend.backend() != "jax":
        raise ValueError(
            f"Keras runs on {keras.backend.backend()!r}; a fleet needs JAX: set "
            "KERAS_BACKEND=jax before Python starts."
        )
    fleet = Fleet(config, members)
    trained = [Trained() for _member in members]
    best: Any = None
    running = np.ones(len(members), bool)
    n_epochs = max(settings.epochs for settings in fleet.settings)
    for epoch in range(1, n_epochs + 1):
        losses = fleet.train_epoch(epoch, running)
        scored = fleet.score("validation", fleet.state.trained, fleet.state.other)
        better = np.zeros(len(members), bool)
        for i in np.flatnonzero(running).tolist():
            row = {"epoch": epoch, "loss": float(losses[i])}
            labels = members[i].splits["validation"].labels
            row |= objective.validation_measures(labels, scored[i])
            better[i] = _end_epoch(trained[i], row, scored[i])
            running[i] = not trained[i].diverged and not objective.is_finished(
                trained[i].history, fleet.settings[i]
            )
        best = _chosen(better, (fleet.state.trained, fleet.state.other), best)
        said(_epoch_line(epoch, n_epochs, trained, running))
        if not running.any():
            break
    if "test" in members[0].splits:
        for one, test in zip(trained, fleet.score("test", *best), strict=True):
            one.probabilities["test"] = test
    weights = [np.asarray(value) for value in best[0]]
    for i, one in enumerate(trained):
        digest = hashlib.sha256()
        for value in weights:
            digest.update(value[i].tobytes())
        one.model_sha256 = digest.hexdigest()
    return trained


def _end_epoch(one: Trained, row: dict[str, Any], scored: np.ndarray) -> bool:
    """Keeps the row of an epoch; returns whether it is the best so far."""
    for name, value in row.items():
        if not np.isfinite(value):
            one.diverged = f"{name} was {value} in epoch {row['epoch']}"
            return False
    one.history.append(row)
    is_best = one.best_epoch == row["epoch"]
    if is_best:
        one.probabilities["validation"] = scored
    return is_best


def _epoch_line(
    epoch: int, n_epochs: int, trained: Sequence[Trained], running: np.ndarray
) -> str:
    best = [
        one.history[one.best_epoch - 1]["val_auroc"] for one in trained if one.history
    ]
    mean = f"{np.mean(best):.4f}" if best else "unknown"
    return (
        f"epoch {epoch:>3}/{n_epochs}  mean of the best validation AUROCs {mean}  "
        f"{running.sum()} of {len(trained)} go on"
    )


def _chosen(is_new: np.ndarray, new: Any, old: Any | None) -> Any:
    """Copies the arrays of some networks from `new`, of the others from `old`."""
    mask = jnp.asarray(is_new)
    old = new if old is None else old
    return jax.tree.map(
        lambda a, b: jnp.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old
    )
