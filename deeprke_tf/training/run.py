"""A single training run, from its dataset to its manifest; resumes unfinished ones."""

import logging
import time
from pathlib import Path
from typing import Any

import keras

from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import figures
from deeprke_tf.runs import layout
from deeprke_tf.system import tables
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import (
    devices,
    epochs,
    fine_tuning,
    network_files,
    objective,
    report,
    start,
    vectors,
)
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.fine_tuning import Source
from deeprke_tf.training.task import SingleTask

_logger = logging.getLogger(__name__)


def train_run(
    data: Path,
    out: Path,
    run_config: RunConfig,
    *,
    vectors_from: Path | None = None,
    source: Source | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Trains one model, or resumes a run that was interrupted.

    Args:
      data: Dataset directory of `deeprke preprocess`.
      out: Run directory; `deeprke_tf.runs.layout` lists its files.
      run_config: All settings.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      source: The run to start from, in place of `vectors_from`.
      n_devices: Devices to train on; see `devices.strategy`.
      overwrite: Delete the run that `out` holds, and start again.
      progress: Shows the sites of each epoch.

    Returns:
      The contents of `metrics.json`, measured on validation.

    Raises:
      UserError: Dataset or `out` cannot be used; training diverged.
    """
    # Before TensorFlow computes or reads anything: then it no longer splits the CPU.
    strategy = devices.strategy(n_devices)
    if source is not None:
        vectors_from = source.directory
    info, given = start.checked(data, run_config, vectors_from)
    fine_tuning.check(source, info, run_config)
    init_from = source.directory if source is not None else None
    start.prepare(
        *(out, run_config, info, vectors_from, overwrite), init_from=init_from
    )
    _logger.info("data %s: %s", data, _split_sizes(info))
    kmer_vectors = vectors.make_vectors(info, out, run_config, given)
    state = _state(out, info, run_config)
    started = time.monotonic()
    model = epochs.fit(
        *(SingleTask(info, run_config), run_config, kmer_vectors, strategy, state),
        *(out / layout.LOGS, progress),
        source=source,
    )
    seconds = time.monotonic() - started
    measured = _write_results(out, model, info, run_config, state)
    own = report.facts(out, state, strategy, kmer_vectors, vectors_from)
    own["best_epoch_by"] = state.choice.measure
    if source is not None:
        own["init_from"] = source.directory.name
    report.write_manifest(out, info, run_config, measured, own)
    state.remove()
    by_loss = " by validation loss" if state.choice.measure == "val_loss" else ""
    summary = [
        ["weights", f"{model.count_params():,}"],
        [
            "best epoch",
            f"{state.best_epoch} of {state.n_epochs}{by_loss}, {seconds:.0f} s",
        ],
        *report.measure_rows(measured),
        ["wrote", str(out)],
    ]
    _logger.info("%s", tables.text_table(summary))
    _warn(model, info, run_config, measured, state)
    return measured


def _state(out: Path, info: Dataset, run_config: RunConfig) -> TrainingState:
    """Returns the state of the run, and says where it resumes."""
    split = info.split("validation")
    n_of_smaller_class = min(split.n_positive, split.n_sites - split.n_positive)
    choice = objective.epoch_choice(run_config.train, n_of_smaller_class)
    state = TrainingState(out / layout.STATE, out / layout.HISTORY, choice)
    if state.n_epochs:
        _logger.info("resuming after epoch %d", state.n_epochs)
    return state


def _write_results(
    out: Path,
    model: keras.Model,
    info: Dataset,
    run_config: RunConfig,
    state: TrainingState,
) -> dict[str, Any]:
    """Writes measures, figures and network; returns the measures."""
    scored = report.score_validation(model, info, run_config)
    measured = report.write_measures(out, info, *scored)
    figures.learning_curves(
        state.history, state.best_epoch, out / layout.FIGURES / "learning_curves.png"
    )
    network_files.write(out, model, run_config.model)
    return measured


def _warn(
    model: keras.Model,
    info: Dataset,
    run_config: RunConfig,
    measured: dict[str, Any],
    state: TrainingState,
) -> None:
    """Warns of few sites, and of a network at chance level."""
    if run_config.model.counts_kmers:
        warning = report.network_alone_warning(model, info, run_config)
    else:
        interval = measured["auroc_ci"]
        warning = report.chance_warning(interval, state.history, run_config)
    for text in filter(None, (measured.get("note"), warning)):
        _logger.warning("%s", text)


def _split_sizes(info: Dataset) -> str:
    splits = {name: info.split(name) for name in ("train", "validation")}
    return ", ".join(
        f"{name} {counted(split.n_sites, 'site')} ({split.n_positive:,} bound)"
        for name, split in splits.items()
    )
