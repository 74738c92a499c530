"""Loss weights and targets, learning rate, and early stopping."""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from deeprke_tf.config import TrainConfig
from deeprke_tf.evaluation import metrics

_MOST_EPOCHS = 32  # to reach `min_steps`


def for_sites(settings: TrainConfig, n_sites: int) -> TrainConfig:
    """Returns the settings with `epochs` raised to reach `min_steps`.

    Early stopping waits for half of these steps: on few sites, the network starts to
    learn late.

    >>> for_sites(TrainConfig(epochs=10, min_steps=100, batch_size=50), 250).epochs
    20

    Args:
      settings: Settings of the training.
      n_sites: Training sites.
    """
    epochs = -(-settings.min_steps // steps_per_epoch(settings, n_sites))
    return dataclasses.replace(
        settings,
        epochs=max(settings.epochs, epochs),
        min_epochs=max(settings.min_epochs, epochs // 2),
    )


def steps_per_epoch(settings: TrainConfig, n_sites: int) -> int:
    """Returns the number of batches in an epoch over `n_sites` training sites."""
    n_sites *= passes_per_epoch(settings, n_sites)
    return -(-n_sites // settings.batch_size)


def passes_per_epoch(settings: TrainConfig, n_sites: int) -> int:
    """Returns how often an epoch passes over `n_sites` training sites.

    It is once, unless that would take many short epochs to reach `min_steps`: after
    each, the validation sites are scored and the state is saved.

    >>> passes_per_epoch(TrainConfig(min_steps=1600, batch_size=128), 100)
    64
    """
    sites = -(-settings.min_steps // _MOST_EPOCHS) * settings.batch_size
    return max(1, -(-sites // n_sites))


def learning_rate(
    settings: TrainConfig, n_sites: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns the learning rate of Adam, or its schedule with warm-up and decay.

    Without warm-up, while the moments of Adam are still noise, the network stayed at
    chance level for epochs on RBP-24 PUM2.

    Args:
      settings: Settings of the training.
      n_sites: Training sites.
    """
    decays = settings.schedule == "cosine"
    warmup = settings.warmup_epochs
    if not warmup and not decays:
        return settings.learning_rate
    n_steps = steps_per_epoch(settings, n_sites)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=max(settings.epochs - warmup, 1) * n_steps,
        # Without decay, only the warm-up of this schedule remains.
        alpha=0.01 if decays else 1.0,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup * n_steps,
    )


def class_weights(
    settings: TrainConfig, n_sites: int, n_positive: int
) -> tuple[float, float]:
    """Returns the weight of a background and of a bound site; 1 on average."""
    if settings.class_weights == "none":
        return 1.0, 1.0
    return n_sites / (2 * (n_sites - n_positive)), n_sites / (2 * n_positive)


def bound_fraction(settings: TrainConfig, n_sites: int, n_positive: int) -> float:
    """Returns the weight of the bound sites in the loss, relative to all sites."""
    _background, bound = class_weights(settings, n_sites, n_positive)
    return bound * n_positive / n_sites


def targets(
    settings: TrainConfig, n_sites: int, n_positive: int
) -> tuple[float, float]:
    """Returns the smoothed labels of a background and of a bound site.

    They are drawn towards the fraction of bound sites, so that their mean stays.

    >>> low, high = targets(TrainConfig(label_smoothing=0.1), 100, n_positive=20)
    >>> round(low, 3), round(high, 3)
    (0.02, 0.92)
    """
    smoothing = settings.label_smoothing
    low = smoothing * bound_fraction(settings, n_sites, n_positive)
    return low, 1 - smoothing + low


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns the random seed of an epoch, unrelated to the seeds of other epochs."""
    digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def validation_measures(
    labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, float]:
    """Returns `val_loss`, `val_auroc` and `val_auprc`; NaN if a probability is NaN.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: float32 [n_sites].
    """
    if not np.isfinite(probabilities).all():
        return dict.fromkeys(("val_loss", "val_auroc", "val_auprc"), math.nan)
    bounded = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    return {
        "val_loss": float(-np.log(np.where(labels, bounded, 1 - bounded)).mean()),
        "val_auroc": metrics.auroc(labels, probabilities),
        "val_auprc": metrics.auprc(labels, probabilities),
    }


class EpochChoice(NamedTuple):
    """How the best epoch of a training is chosen on validation.

    Attributes:
      measure: "val_auroc", the highest, or "val_loss", the lowest.
      n_frozen: First epochs that count only while there is no other.
    """

    measure: str = "val_auroc"
    n_frozen: int = 0


BY_AUROC = EpochChoice()


def epoch_choice(settings: TrainConfig, n_of_smaller_class: int) -> EpochChoice:
    """Returns how to choose the best epoch.

    The AUROC of very few sites has few values, and what is best by it is luck; the loss
    is steadier (docs/results/experiments.md). Epochs that train the output alone,
    before all weights are trained, are a start and not a result.

    >>> epoch_choice(TrainConfig(), n_of_smaller_class=1_000)
    EpochChoice(measure='val_auroc', n_frozen=0)
    >>> epoch_choice(TrainConfig(frozen_epochs=2, body_rate=0.1), 8)
    EpochChoice(measure='val_loss', n_frozen=2)
    >>> epoch_choice(TrainConfig(frozen_epochs=2, body_rate=0), 8).n_frozen
    0

    Args:
      settings: Settings of the training.
      n_of_smaller_class: Bound or background validation sites, whichever are fewer.
    """
    is_luck = n_of_smaller_class < metrics.MIN_SITES_FOR_INTERVAL
    n_frozen = settings.frozen_epochs if settings.body_rate else 0
    return EpochChoice("val_loss" if is_luck else "val_auroc", n_frozen)


def best_epoch(
    history: Sequence[Mapping[str, Any]], choice: EpochChoice = BY_AUROC
) -> int:
    """Returns the best epoch on validation, from 1.

    Of ties in AUROC it is the one with the lowest loss: of easy sites an AUROC of 1
    comes early, long before the classes are far apart. Without validation it is the
    last epoch.

    >>> tied = [{"val_auroc": 1, "val_loss": 0.6}, {"val_auroc": 1, "val_loss": 0.2}]
    >>> best_epoch(tied)
    2
    >>> best_epoch([{"loss": 0.5}, {"loss": 0.6}])
    2
    """
    if history and not any("val_auroc" in row for row in history):
        return len(history)
    n_left_out = choice.n_frozen if len(history) > choice.n_frozen else 0
    ranks = [
        (row["val_auroc"] if choice.measure == "val_auroc" else 0.0, -row["val_loss"])
        for row in history[n_left_out:]
    ]
    return n_left_out + ranks.index(max(ranks)) + 1


def is_finished(
    history: Sequence[Mapping[str, Any]],
    settings: TrainConfig,
    choice: EpochChoice = BY_AUROC,
) -> bool:
    """Returns whether all epochs are done, or early stopping applies."""
    if not history:
        return False
    stalled = len(history) - best_epoch(history, choice) >= settings.patience
    may_stop = len(history) >= settings.min_epochs
    return len(history) >= settings.epochs or (may_stop and stalled)
