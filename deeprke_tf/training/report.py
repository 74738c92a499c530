"""The results of a training: measures on validation, manifest, summary, warnings."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf import __version__
from deeprke_tf.config import RunConfig
from deeprke_tf.data import batches
from deeprke_tf.data.description import Dataset
from deeprke_tf.evaluation import calibration_fit, figures, metrics
from deeprke_tf.networks.deeprke import without_kmer_counts
from deeprke_tf.runs import layout
from deeprke_tf.runs.scorer import score_labelled, scorer
from deeprke_tf.system import files, processes
from deeprke_tf.training import devices, epochs, network_files, vectors
from deeprke_tf.training.checkpoint import TrainingState

_PACKAGES = ("tensorflow", "keras", "gensim", "scikit-learn", "numpy", "viennarna")


def score_validation(
    model: keras.Model, info: Dataset, run_config: RunConfig
) -> tuple[np.ndarray, ...]:
    """Returns labels and probabilities of the validation sites, each [n_sites]."""
    validation = batches.read_split(
        info, "validation", run_config.model.views, run_config.train.batch_size
    )
    return score_labelled(scorer(model), validation)


def write_measures(
    out: Path,
    info: Dataset,
    labels: np.ndarray,
    probabilities: np.ndarray,
    *,
    split: str = "validation",
) -> dict[str, Any]:
    """Chooses the threshold on validation, measures there, and draws the figures.

    Labels and probabilities are kept: calibration and the thresholds of `predict` are
    fitted to them.

    Args:
      out: The run directory.
      info: The dataset.
      labels: Labels of the validation sites, [n_sites].
      probabilities: Their probabilities, float32 [n_sites].
      split: What the sites are called in measures and figures.

    Returns:
      The contents of `metrics.json`.
    """
    threshold = metrics.best_threshold(labels, probabilities)
    measured = {
        "split": split,
        "data": info.directory.resolve().name,
        **metrics.evaluate_probabilities(labels, probabilities, threshold),
    }
    layout.write_validation(out, labels, probabilities)
    files.write_json(out / layout.METRICS, measured)
    figures.evaluation_figures(
        out / layout.FIGURES, split, labels, probabilities, measured
    )
    return measured


def write_manifest(
    out: Path,
    info: Dataset,
    run_config: RunConfig,
    measured: dict[str, Any],
    own: dict[str, Any],
) -> None:
    """Writes the manifest, the last file of a run or an ensemble.

    Args:
      out: The run directory, which holds the validation probabilities: the calibration
        is fitted to them.
      info: The dataset.
      run_config: All settings.
      measured: Result of `write_measures`.
      own: Entries that runs and ensembles do not have in common, such as `facts`.
    """
    manifest = origin(run_config) | {
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
    }
    files.write_json(out / layout.MANIFEST, manifest | own)


def origin(run_config: RunConfig) -> dict[str, Any]:
    """Returns the manifest's entries for command, seed and versions."""
    return {
        "deeprke_tf": __version__,
        "command": processes.command_line(),
        "seed": run_config.train.seed,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
    }


def facts(
    out: Path,
    state: TrainingState,
    strategy: tf.distribute.Strategy,
    kmer_vectors: epochs.Vectors,
    vectors_from: Path | None,
) -> dict[str, Any]:
    """Returns the manifest's entries that a run has and an ensemble has not.

    Args:
      out: The run directory, which holds the network.
      state: The finished training.
      strategy: Result of `devices.strategy`.
      kmer_vectors: Result of `vectors.make_vectors`.
      vectors_from: Directory they were given in, or None.
    """
    return {
        "best_epoch": state.best_epoch,
        "n_epochs": state.n_epochs,
        "devices": devices.names(strategy),
        **network_files.digests(out),
        "vectors": vectors.describe(kmer_vectors, out, vectors_from),
    }


def measure_rows(measured: dict[str, Any]) -> list[list[str]]:
    """Returns the rows of a summary that show the measures on validation."""

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


def chance_warning(
    auroc_ci: Sequence[float] | None,
    history: Sequence[Mapping[str, float]],
    run_config: RunConfig,
) -> str:
    """Warns of a network that stayed at chance level, or fell back to it.

    Args:
      auroc_ci: Confidence interval of the validation AUROC of the best epoch; None if
        there are too few sites.
      history: Rows of the epochs, with `val_auroc`.
      run_config: All settings.

    Returns:
      What happened and what to do; empty if the network learned.
    """
    low, high = auroc_ci or (1.0, 1.0)
    last = history[-1]["val_auroc"]
    if low <= 0.5:
        found = "on validation the model is not clearly better than chance"
    elif last - (high - low) / 2 <= 0.5:
        found = (
            f"the network fell back to chance level, AUROC {last:.4f} in the last epoch"
        )
    else:
        return ""
    advice = "give more sites, or more epochs (`min_epochs`)"
    # A network that starts from another one has its layers.
    is_new = run_config.train.frozen_epochs == 0 and run_config.train.body_rate == 1
    if is_new and not run_config.model.batch_norm:
        advice = f"try `batch_norm=True`; if that does not help, {advice}"
    return f"{found}: {advice}."


def network_alone_warning(
    model: keras.Model, info: Dataset, run_config: RunConfig
) -> str:
    """Warns of a network at chance level that its k-mer regression would hide.

    Args:
      model: A network with a k-mer regression.
      info: The dataset.
      run_config: All settings.

    Returns:
      As `chance_warning`.
    """
    alone = without_kmer_counts(model)
    labels, probabilities = score_validation(alone, info, run_config)
    measured = metrics.evaluate_probabilities(labels, probabilities, threshold=0.5)
    rows = [{"val_auroc": measured["auroc"]}]
    warning = chance_warning(measured["auroc_ci"], rows, run_config)
    return warning and f"without its k-mer counts, {warning}"
