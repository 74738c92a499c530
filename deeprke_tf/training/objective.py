"""What training minimizes, by which steps, and when it stops; for any backend of Keras.

Shared by the training of one run (`deeprke_tf.training.epochs`) and of many at once
(`deeprke_tf.fleets.fleet`).
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from deeprke_tf.config import TrainConfig
from deeprke_tf.evaluation import metrics


def for_sites(settings: TrainConfig, n_sites: int) -> TrainConfig:
    """Returns the settings with as many epochs as `min_steps` asks for.

    Training does not stop in the first half of these steps: on few sites it takes off
    late.

    >>> for_sites(TrainConfig(epochs=10, min_steps=100, batch_size=50), 250).epochs
    20

    Args:
      settings: Of the training.
      n_sites: Training sites.
    """
    steps_per_epoch = -(-n_sites // settings.batch_size)
    epochs = -(-settings.min_steps // steps_per_epoch)
    return dataclasses.replace(
        settings,
        epochs=max(settings.epochs, epochs),
        min_epochs=max(settings.min_epochs, epochs // 2),
        min_steps=0,
    )


def step_size(
    settings: TrainConfig, n_sites: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns Adam's step size, rising over the first epochs.

    Full steps from the start, while the moments of Adam are still noise, left the
    network at chance for epochs on RBP-24 PUM2.

    Args:
      settings: Of the training.
      n_sites: Training sites.
    """
    falls = settings.schedule == "cosine"
    warmup = settings.warmup_epochs
    if not warmup and not falls:
        return settings.learning_rate
    steps_per_epoch = -(-n_sites // settings.batch_size)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else settings.learning_rate,
        decay_steps=max(settings.epochs - warmup, 1) * steps_per_epoch,
        # Without decay, what remains of this schedule is its warm-up.
        alpha=0.01 if falls else 1.0,
        warmup_target=settings.learning_rate if warmup else None,
        warmup_steps=warmup * steps_per_epoch,
    )


def class_weights(
    settings: TrainConfig, n_sites: int, n_positive: int
) -> tuple[float, float]:
    """Returns the weights of a background and of a bound site; 1 on average."""
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
    """Returns what is asked of a background and of a bound site; their mean stays.

    >>> low, high = targets(TrainConfig(label_smoothing=0.1), 100, n_positive=20)
    >>> round(low, 3), round(high, 3)
    (0.02, 0.92)
    """
    share = settings.label_smoothing
    low = share * bound_fraction(settings, n_sites, n_positive)
    return low, 1 - share + low


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns the seed of an epoch's order, unrelated to that of any other epoch."""
    digest = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def validation_measures(
    labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, float]:
    """Returns `val_loss`, `val_auroc` and `val_auprc`; NaN where a probability is.

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


def best_epoch(history: Sequence[Mapping[str, Any]]) -> int:
    """Returns the epoch with the highest validation AUROC, the first of equals; from 1.

    >>> best_epoch([{"val_auroc": 0.7}, {"val_auroc": 0.8}, {"val_auroc": 0.8}])
    2
    """
    aurocs = [row["val_auroc"] for row in history]
    return aurocs.index(max(aurocs)) + 1


def is_finished(history: Sequence[Mapping[str, Any]], settings: TrainConfig) -> bool:
    """Returns whether all epochs are done or the last ones were no better."""
    if not history:
        return False
    stalled = len(history) - best_epoch(history) >= settings.patience
    may_stop = len(history) >= settings.min_epochs
    return len(history) >= settings.epochs or (may_stop and stalled)
