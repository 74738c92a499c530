"""A training run from its data to its manifest: makes, resumes and finishes one."""

import importlib.metadata
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deeprke_tf import __version__
from deeprke_tf.config import ModelConfig, RunConfig
from deeprke_tf.data import batches
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import calibration_fit, figures, metrics
from deeprke_tf.networks.deeprke import without_kmer_counts
from deeprke_tf.runs import layout
from deeprke_tf.runs.scorer import score_labelled, scorer
from deeprke_tf.system import files, processes, tables
from deeprke_tf.system.files import sha256
from deeprke_tf.training import devices, epochs, start
from deeprke_tf.training import vectors as run_vectors
from deeprke_tf.training.checkpoint import TrainingState


def train_run(
    data: Path,
    out: Path,
    run_config: RunConfig,
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Trains one model, or goes on with a run that was interrupted.

    Args:
      data: Directory of `pipelines.preprocess`.
      out: Run directory; see `deeprke_tf.runs.run` for what it will hold.
      run_config: All settings.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `devices.strategy`.
      overwrite: Delete what `out` holds and start afresh.

    Returns:
      The contents of `metrics.json`, measured on validation.

    Raises:
      UserError: Data or `out` cannot be used; training diverged.
    """
    info, given = start.checked(data, run_config, vectors_from)
    # Before TensorFlow computes anything: then it no longer splits the CPU.
    strategy = devices.strategy(n_devices)
    start.prepare(out, run_config, info, vectors_from, overwrite)
    print(_data_line(info, data), flush=True)
    vectors = run_vectors.make_vectors(info, out, run_config, given)
    state = TrainingState(out / layout.STATE, out / layout.HISTORY)
    if state.n_epochs:
        print(f"going on after epoch {state.n_epochs}", flush=True)
    started = time.monotonic()
    model = epochs.fit(info, run_config, vectors, strategy, state, out / layout.LOGS)
    seconds = time.monotonic() - started
    measured = _measure(model, info, run_config, out, state)
    with files.path_aside(out / layout.MODEL) as partial:
        model.save(partial)
    manifest = _manifest(info, run_config, out, strategy, state, measured)
    manifest["vectors"] = run_vectors.describe(vectors, out, vectors_from)
    files.write_json(out / layout.MANIFEST, manifest)
    state.remove()
    print(_summary(measured, state, model.count_params(), seconds, out))
    if run_config.model.counts_kmers:
        doubt = network_alone_warning(model, info, run_config)
    else:
        doubt = chance_warning(measured["auroc_ci"], state.history, run_config.model)
    for warning in filter(None, (measured.get("note"), doubt)):
        print(f"warning: {warning}")
    return measured


def _measure(
    model: Any,
    info: Dataset,
    run_config: RunConfig,
    out: Path,
    state: TrainingState,
) -> dict[str, Any]:
    """Scores the validation sites, measures, and draws the figures."""
    labels, probabilities = _score_validation(model, info, run_config)
    measured = write_measures(out, info, labels, probabilities)
    figures.learning_curves(
        state.history, state.best_epoch, out / layout.FIGURES / "learning_curves.png"
    )
    return measured


def _score_validation(
    model: Any, info: Dataset, run_config: RunConfig
) -> tuple[np.ndarray, ...]:
    """Returns labels and probabilities of the validation sites, in one order."""
    validation = batches.read_split(
        info, "validation", run_config.model.views, run_config.train.batch_size
    )
    return score_labelled(scorer(model), validation)


def write_measures(
    out: Path, info: Dataset, labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, Any]:
    """Chooses the threshold on validation, measures there, and draws the figures.

    The validation sites are kept with their probabilities: calibration and named
    thresholds come from them.

    Args:
      out: The run directory.
      info: The data.
      labels: Of the validation sites, [n_sites].
      probabilities: Of them, float32 [n_sites].

    Returns:
      The contents of `metrics.json`.
    """
    threshold = metrics.best_threshold(labels, probabilities)
    measured = {
        "split": "validation",
        "data": info.directory.resolve().name,
        **metrics.evaluate_probabilities(labels, probabilities, threshold),
    }
    layout.write_validation(out, labels, probabilities)
    files.write_json(out / layout.METRICS, measured)
    figures.evaluation_figures(
        out / layout.FIGURES, "validation", labels, probabilities, measured
    )
    return measured


def _manifest(
    info: Dataset,
    run_config: RunConfig,
    out: Path,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    measured: dict[str, Any],
) -> dict[str, Any]:
    return {
        **manifest_of(info, run_config, out, measured),
        "best_epoch": state.best_epoch,
        "n_epochs": state.n_epochs,
        "devices": devices.names(strategy),
        "model_sha256": sha256(out / layout.MODEL),
    }


def manifest_of(
    info: Dataset, run_config: RunConfig, out: Path, measured: dict[str, Any]
) -> dict[str, Any]:
    """Returns what the manifests of runs and ensembles have in common.

    Args:
      info: The data.
      run_config: All settings.
      out: The run directory, which holds the validation probabilities: the calibration
        is fitted on them.
      measured: Of `write_measures`.
    """
    packages = ("tensorflow", "keras", "gensim", "scikit-learn", "numpy", "viennarna")
    return {
        "deeprke_tf": __version__,
        "command": processes.command_line(),
        "seed": run_config.train.seed,
        "encoding": info.contents["encoding"],
        "threshold": measured["threshold"],
        "calibration": calibration_fit.fit(*layout.read_validation(out)).to_json(),
        "longest_site": info.split("train").longest_site,
        "data": {
            "directory": info.directory.resolve().name,
            "dataset_sha256": info.sha256,
            "inputs": info.contents["inputs"],
            "splits": info.contents["splits"],
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def network_alone_warning(model: Any, info: Dataset, run_config: RunConfig) -> str:
    """Says where the network knows nothing: k-mer counts would hide it.

    Args:
      model: In whose output k-mer counts have a share.
      info: The data.
      run_config: All settings.

    Returns:
      As `chance_warning`.
    """
    alone = without_kmer_counts(model)
    labels, probabilities = _score_validation(alone, info, run_config)
    measured = metrics.evaluate_probabilities(labels, probabilities, threshold=0.5)
    rows = [{"val_auroc": measured["auroc"]}]
    doubt = chance_warning(measured["auroc_ci"], rows, run_config.model)
    return doubt and f"without its k-mer counts, {doubt}"


def chance_warning(
    auroc_ci: Sequence[float] | None,
    history: Sequence[Mapping[str, float]],
    model_config: ModelConfig,
) -> str:
    """Says where training never left chance, or did not stay away from it.

    Args:
      auroc_ci: Interval of the validation AUROC of the kept epoch, low and high; None
        for few sites.
      history: Rows of the epochs, with `val_auroc`.
      model_config: Shape of the network.

    Returns:
      What happened and what to do; empty where the network learned.
    """
    low, high = auroc_ci or (1.0, 1.0)
    last = history[-1]["val_auroc"]
    if low <= 0.5:
        found = "on validation the model is not clearly better than chance"
    elif last - (high - low) / 2 <= 0.5:
        found = f"the network fell back to chance, AUROC {last:.4f} in the last epoch"
    else:
        return ""
    advice = "give more sites, or more epochs (--min-epochs)"
    if not model_config.batch_norm:
        advice = f"try --batch-norm; if that does not help, {advice}"
    return f"{found}: {advice}."


def _data_line(info: Dataset, data: Path) -> str:
    splits = {name: info.split(name) for name in ("train", "validation")}
    parts = [
        f"{name} {split.n_sites} sites ({split.n_positive} bound)"
        for name, split in splits.items()
    ]
    return f"data {data}: {', '.join(parts)}"


def _summary(
    measured: dict[str, Any],
    state: TrainingState,
    n_weights: int,
    seconds: float,
    out: Path,
) -> str:
    rows = [
        ["weights", f"{n_weights:,}"],
        ["best epoch", f"{state.best_epoch} of {state.n_epochs}, {seconds:.0f} s"],
        *measure_rows(measured),
        ["wrote", str(out)],
    ]
    return tables.text_table(rows)


def measure_rows(measured: dict[str, Any]) -> list[list[str]]:
    """Returns what a summary says of the measures on validation, by row."""

    def with_interval(name: str) -> str:
        interval = measured[f"{name}_ci"]
        ends = "{:.4f} to {:.4f}".format(*interval) if interval else "no interval"
        return f"{measured[name]:.4f}  ({ends})"

    return [
        ["validation AUROC", with_interval("auroc")],
        ["validation AUPRC", with_interval("auprc")],
        ["threshold", f"{measured['threshold']:.4f}  (largest MCC on validation)"],
        ["MCC at it", with_interval("mcc")],
    ]
