"""The epochs of a training run; each starts from the saved state of the last one.

The result of an epoch depends only on that state, the seed and the epoch's number. So a
run that was killed and resumed gives the history and the model of one that was not.
"""

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig
from deeprke_tf.errors import UserError
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.system.progress import Bar, Progress, no_progress
from deeprke_tf.training import fine_tuning, objective
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.fine_tuning import Source
from deeprke_tf.training.task import Task

_logger = logging.getLogger(__name__)

Vectors = dict[str, np.ndarray]


def fit(
    task: Task,
    run_config: RunConfig,
    vectors: Vectors,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    log_dir: Path,
    progress: Progress = no_progress,
    n_epochs: int | None = None,
    source: Source | None = None,
) -> keras.Model:
    """Trains until validation no longer improves, from `state` on.

    Args:
      task: What to train on.
      run_config: All settings.
      vectors: k-mer vectors, by view, and k-mer weights; see `training.vectors`.
      strategy: The devices to train on.
      state: The epochs done so far; updated after each epoch.
      log_dir: Directory of TensorBoard logs.
      progress: Shows the sites of each epoch.
      n_epochs: Ends after so many epochs, which the learning rate is not told, and
        leaves validation out; None: early stopping.
      source: The run to start from, if any.

    Returns:
      The network of the best epoch, or of the last one without validation; float32 and
      uncompiled.

    Raises:
      UserError: Loss or validation measures are NaN, or the state is damaged.
    """
    settings = objective.for_sites(run_config.train, task.n_sites)
    _logger.info("%s", _plan_line(run_config.train, settings, task))
    run_config = dataclasses.replace(run_config, train=settings)
    keras.utils.set_random_seed(settings.seed % 2**32)  # NumPy takes no more bits.
    with strategy.scope():
        model = state.load_model() or compiled_model(task, run_config, vectors, source)
    measure = _no_measures if n_epochs else task.measures(model, settings)
    log = tf.summary.create_file_writer(str(log_dir))
    while not state.is_finished(settings) and state.n_epochs != n_epochs:
        epoch = state.n_epochs + 1
        loss = train_epoch(model, task, run_config, epoch, progress)
        row = {"epoch": epoch, "loss": loss} | measure()
        _require_finite(row)
        state.end_epoch(row, model)
        with log.as_default(step=epoch):
            for name in row:
                if name != "epoch":
                    tf.summary.scalar(name, row[name])
        log.flush()  # So that a run that is killed has it.
        _logger.info("%s", _epoch_line(row, settings, state.best_epoch == epoch))
    log.close()
    # Built anew: float32, whatever the precision of the training was.
    best = _built(run_config.model, vectors, task)
    state.load_best_weights(best)
    return best


def _no_measures() -> dict[str, float]:
    return {}


def compiled_model(
    task: Task, run_config: RunConfig, vectors: Vectors, source: Source | None = None
) -> keras.Model:
    """Builds and compiles the network, in the precision of the settings.

    Args:
      task: What to train on.
      run_config: All settings.
      vectors: k-mer vectors, by view, and k-mer weights.
      source: The run to start from, if any.

    Raises:
      UserError: The network of the source has another shape.
    """
    before = keras.config.dtype_policy()
    if run_config.train.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _built(run_config.model, vectors, task)
    finally:
        keras.config.set_dtype_policy(before)
    if source is not None:
        fine_tuning.copy_body(source, model)
    model.compile(
        optimizer=_optimizer(run_config.train, task.n_sites),
        loss=task.loss,
        jit_compile=False,  # XLA is several times slower on CPUs.
    )
    # A training step that makes the optimizer's variables would be traced twice.
    model.optimizer.build(model.trainable_variables)
    return model


def _optimizer(settings: TrainConfig, n_sites: int) -> keras.optimizers.Optimizer:
    rate = objective.learning_rate(settings, n_sites)
    if settings.frozen_epochs == 0 and settings.body_rate == 1:
        return keras.optimizers.Adam(rate, clipnorm=settings.clip_norm)
    n_steps = objective.steps_per_epoch(settings, n_sites)
    return fine_tuning.FineTuningAdam(
        rate,
        clipnorm=settings.clip_norm,
        frozen_steps=settings.frozen_epochs * n_steps,
        body_rate=settings.body_rate,
    )


def _built(model_config: ModelConfig, vectors: Vectors, task: Task) -> keras.Model:
    return build_model(
        model_config,
        vectors["sequence"],
        vectors.get("structure"),
        task.bound_fraction,
        vectors.get("kmer_weights"),
    )


def train_epoch(
    model: keras.Model,
    task: Task,
    run_config: RunConfig,
    epoch: int,
    progress: Progress = no_progress,
) -> float:
    """Trains for one epoch; returns the mean loss."""
    settings = run_config.train
    n_passes = objective.passes_per_epoch(settings, task.n_sites)
    n_sites = n_passes * task.n_sites
    _seed_dropout(model, settings.seed, epoch)
    batches = task.batches(
        settings,
        shuffle_seed=objective.epoch_seed(settings.seed, epoch),
        n_passes=n_passes,
        n_devices=model.distribute_strategy.num_replicas_in_sync,
    )
    with progress(n_sites, "site", f"epoch {epoch}") as bar:
        shown = _BatchProgress(bar, n_sites, settings.batch_size)
        history = model.fit(
            batches,
            shuffle=False,  # The batches are shuffled already.
            verbose=0,
            callbacks=[keras.callbacks.TerminateOnNaN(), shown],
        )
    return float(history.history["loss"][0])


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes the dropout of an epoch depend only on its number and the seed.

    Keras does not save the state of its random generators with a model.
    """
    for number, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout) and layer.rate:
            state = layer.seed_generator.state
            state.assign([objective.epoch_seed(seed, epoch), number])


class _BatchProgress(keras.callbacks.Callback):
    """Updates a progress bar after each batch."""

    def __init__(self, bar: Bar, n_sites: int, batch_size: int):
        super().__init__()
        self._bar = bar
        self._n_left = n_sites
        self._batch_size = batch_size

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        n_sites = min(self._batch_size, self._n_left)
        self._n_left -= n_sites
        self._bar.update(n_sites)


def _require_finite(row: dict[str, Any]) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise UserError(
                f"In epoch {row['epoch']} the {name} is {value}: training diverged. "
                "Start again with `overwrite=True` and a lower `learning_rate`, or "
                "without `mixed_precision` if that was on."
            )


def _plan_line(asked: TrainConfig, settings: TrainConfig, task: Task) -> str:
    """Says how long training may last, and why."""
    n_steps = objective.steps_per_epoch(asked, task.n_sites)
    n_passes = objective.passes_per_epoch(asked, task.n_sites)
    line = f"training up to {settings.epochs} epochs of {n_steps} steps"
    if n_passes > 1:
        line += f" ({n_passes} passes over the sites)"
    if settings.epochs > asked.epochs:
        line += (
            f": {asked.epochs} epochs are too few for `min_steps`, {asked.min_steps}"
        )
    return line


def _epoch_line(row: dict[str, Any], settings: TrainConfig, is_best: bool) -> str:
    line = f"epoch {row['epoch']:>3}/{settings.epochs}  loss {row['loss']:.4f}"
    if "val_auroc" not in row:
        return line
    return (
        f"{line}  validation loss {row['val_loss']:.4f}  AUROC {row['val_auroc']:.4f}"
        + ("  best so far" if is_best else "")
    )
