"""One training run, epoch by epoch; each epoch starts from what the last one saved.

An epoch is settled by the saved state, the seed and its number alone: a run that was
killed and started again gives the history and the model of one that was not.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig
from deeprke_tf.data import batches as dataset
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.runs.scorer import score_labelled, scorer
from deeprke_tf.system.progress import progress_bar
from deeprke_tf.training import objective
from deeprke_tf.training.checkpoint import TrainingState

Vectors = dict[str, np.ndarray]


def fit(
    info: Dataset,
    run_config: RunConfig,
    vectors: Vectors,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    log_dir: Path,
) -> keras.Model:
    """Trains until the validation AUROC no longer rises, from wherever `state` is.

    Args:
      info: The data; its train and validation splits are read.
      run_config: All settings.
      vectors: k-mer vectors, by view, and k-mer weights; of `run_vectors`.
      strategy: The devices to train on.
      state: What the run has done so far; kept up to date.
      log_dir: For TensorBoard.

    Returns:
      The network of the best epoch, float32 and uncompiled.

    Raises:
      UserError: The loss is no longer a number.
    """
    settings = objective.for_sites(run_config.train, info.split("train").n_sites)
    run_config = dataclasses.replace(run_config, train=settings)
    keras.utils.set_random_seed(settings.seed % 2**32)  # NumPy takes no more bits.
    with strategy.scope():
        model = state.load_model() or compiled_model(info, run_config, vectors)
    validation = dataset.read_split(
        info, "validation", run_config.model.views, settings.batch_size
    )
    score = scorer(model)
    log = tf.summary.create_file_writer(str(log_dir))
    while not state.is_finished(settings):
        epoch = state.n_epochs + 1
        loss = train_epoch(model, info, run_config, epoch)
        measured = objective.validation_measures(*score_labelled(score, validation))
        row = {"epoch": epoch, "loss": loss} | measured
        _require_finite(row)
        state.end_epoch(row, model)
        with log.as_default(step=epoch):
            for name in ("loss", "val_loss", "val_auroc", "val_auprc"):
                tf.summary.scalar(name, row[name])
        log.flush()  # What is not on disk is lost to a run that is killed.
        print(_epoch_line(row, settings, state.best_epoch == epoch), flush=True)
    log.close()
    return float32_copy(state.load_best_model(), run_config.model, vectors)


def compiled_model(
    info: Dataset, run_config: RunConfig, vectors: Vectors
) -> keras.Model:
    """Builds and compiles the network in the precision that the run asks for."""
    train = info.split("train")
    fraction = objective.bound_fraction(
        run_config.train, train.n_sites, train.n_positive
    )
    before = keras.config.dtype_policy()
    if run_config.train.mixed_precision:
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = _built(run_config.model, vectors, fraction)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(
        optimizer=keras.optimizers.Adam(
            objective.step_size(run_config.train, train.n_sites),
            clipnorm=run_config.train.clip_norm,
        ),
        loss=keras.losses.BinaryCrossentropy(),
        jit_compile=False,  # XLA is several times slower on CPUs.
    )
    # A step that makes the optimizer's variables as it runs would be traced twice.
    model.optimizer.build(model.trainable_variables)
    return model


def _built(
    model_config: ModelConfig, vectors: Vectors, bound_fraction: float = 0.5
) -> keras.Model:
    return build_model(
        model_config,
        vectors["sequence"],
        vectors.get("structure"),
        bound_fraction,
        vectors.get("kmer_weights"),
    )


def float32_copy(
    model: keras.Model, model_config: ModelConfig, vectors: Vectors
) -> keras.Model:
    """Returns an uncompiled float32 network of the same weights."""
    copy = _built(model_config, vectors)
    copy.set_weights(model.get_weights())
    return copy


def train_epoch(
    model: keras.Model, info: Dataset, run_config: RunConfig, epoch: int
) -> float:
    """Passes over the training sites once; returns the mean loss."""
    settings = run_config.train
    train = info.split("train")
    _seed_dropout(model, settings.seed, epoch)
    batches = dataset.read_split(
        info,
        "train",
        run_config.model.views,
        settings.batch_size,
        shuffle_seed=objective.epoch_seed(settings.seed, epoch),
        class_weights=objective.class_weights(
            settings, train.n_sites, train.n_positive
        ),
        targets=objective.targets(settings, train.n_sites, train.n_positive),
        n_devices=model.distribute_strategy.num_replicas_in_sync,
    )
    with progress_bar(train.n_sites, "site", f"epoch {epoch}") as bar:
        history = model.fit(
            batches,
            shuffle=False,  # The batches are shuffled already.
            verbose=0,
            callbacks=[keras.callbacks.TerminateOnNaN(), _Progress(bar, settings)],
        )
    return float(history.history["loss"][0])


def _seed_dropout(model: keras.Model, seed: int, epoch: int) -> None:
    """Makes what is dropped in an epoch depend on its number and the seed alone.

    Keras does not save the state of its random generators with a model.
    """
    for number, layer in enumerate(model.layers):
        if isinstance(layer, keras.layers.Dropout) and layer.rate:
            state = layer.seed_generator.state
            state.assign([objective.epoch_seed(seed, epoch), number])


class _Progress(keras.callbacks.Callback):
    """Moves a progress bar by a batch at a time."""

    def __init__(self, bar: Any, settings: TrainConfig):
        super().__init__()
        self._bar = bar
        self._batch_size = settings.batch_size

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update(min(self._batch_size, self._bar.total - self._bar.n))


def _require_finite(row: dict[str, Any]) -> None:
    for name, value in row.items():
        if not math.isfinite(value):
            raise UserError(
                f"In epoch {row['epoch']} the {name} is {value}: training diverged. "
                "Start again with --overwrite and a lower --learning-rate"
                ", or without --mixed-precision where that was on."
            )


def _epoch_line(row: dict[str, Any], settings: TrainConfig, is_best: bool) -> str:
    return (
        f"epoch {row['epoch']:>3}/{settings.epochs}  loss {row['loss']:.4f}  "
        f"validation loss {row['val_loss']:.4f}  AUROC {row['val_auroc']:.4f}"
        + ("  best so far" if is_best else "")
    )
