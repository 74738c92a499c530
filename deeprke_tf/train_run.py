"""A training run from its data to its manifest: makes, resumes and finishes one."""

import dataclasses
import importlib.metadata
import platform
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from deeprke_tf import (
    __version__,
    calibrate,
    cli,
    config,
    dataset,
    dataset_info,
    devices,
    figures,
    metrics,
    run_vectors,
    runs,
    training,
)
from deeprke_tf.config import ModelConfig, RunConfig
from deeprke_tf.dataset_info import DatasetInfo
from deeprke_tf.errors import UserError
from deeprke_tf.inference import score_labelled, scorer
from deeprke_tf.records import file_sha256
from deeprke_tf.state import TrainingState

_STARTED = "state/started.json"


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
      out: Run directory; see `deeprke_tf.runs` for what it will hold.
      run_config: All settings.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `devices.strategy`.
      overwrite: Delete what `out` holds and start afresh.

    Returns:
      The contents of `metrics.json`, measured on validation.

    Raises:
      UserError: Data or `out` cannot be used; training diverged.
    """
    # All that can be wrong with what was given is found before anything is written.
    info = dataset_info.read(data)
    for split in ("train", "validation"):
        _require_both_classes(info, split)
        dataset.verify_shards(info, split)
    given = run_vectors.given_vectors(info, run_config, vectors_from)
    # Before TensorFlow computes anything: then it no longer splits the CPU.
    strategy = devices.strategy(n_devices)
    _prepare(out, run_config, info, vectors_from, overwrite)
    print(_data_line(info, data), flush=True)
    vectors = run_vectors.make_vectors(info, out, run_config, given)
    state = TrainingState(out / runs.STATE, out / runs.HISTORY)
    if state.n_epochs:
        print(f"going on after epoch {state.n_epochs}", flush=True)
    started = time.monotonic()
    model = training.fit(info, run_config, vectors, strategy, state, out / runs.LOGS)
    seconds = time.monotonic() - started
    measured = _measure(model, info, run_config, out, state)
    model.save(out / f"partial-{runs.MODEL}")
    (out / f"partial-{runs.MODEL}").rename(out / runs.MODEL)
    manifest = _manifest(info, run_config, out, strategy, state, measured)
    manifest["vectors"] = run_vectors.describe(vectors, out, vectors_from)
    runs.write_json(out / runs.MANIFEST, manifest)
    state.remove()
    print(_summary(measured, state, model.count_params(), seconds, out))
    if doubt := chance_warning(measured["auroc_ci"], state.history, run_config.model):
        print(f"warning: {doubt}")
    return measured


def _prepare(
    out: Path,
    run_config: RunConfig,
    info: DatasetInfo,
    vectors_from: Path | None,
    overwrite: bool,
) -> None:
    """Makes the run directory, or makes sure that it holds this very run unfinished."""
    runs.make_directory(out)
    # A run that was killed at its very start has no config yet.
    begun = {runs.STATE, f"{runs.CONFIG}.partial"}
    is_run = (out / runs.CONFIG).exists() and (
        (out / runs.MANIFEST).exists() or (out / _STARTED).exists()
    )
    if not is_run and {path.name for path in out.iterdir()} - begun:
        raise UserError(f"--out {out} is not empty and not a run; name another.")
    if overwrite:
        shutil.rmtree(out)
        is_run = False
    if (out / runs.MANIFEST).exists():
        raise UserError(
            f"{out} is a finished run; name another --out, or add --overwrite."
        )
    started = {
        "dataset_sha256": file_sha256(info.directory / dataset_info.FILE_NAME),
        "vectors_from": str(vectors_from) if vectors_from else None,
    }
    if not is_run:
        (out / runs.STATE).mkdir(parents=True, exist_ok=True)
        runs.write_json(out / _STARTED, started)
        runs.write_json(out / runs.CONFIG, dataclasses.asdict(run_config))
        return
    before = runs.read_json(out / _STARTED)
    other = [name for name in started if before.get(name) != started[name]]
    if config.load(RunConfig, out / runs.CONFIG) != run_config:
        other = ["settings"]
    if other:
        what = {"dataset_sha256": "data", "vectors_from": "--vectors-from"}
        raise UserError(
            f"{out} is an unfinished run of other {what.get(other[0], other[0])}; name "
            "another --out, or add --overwrite."
        )


def _require_both_classes(info: DatasetInfo, name: str) -> None:
    split = info.split(name)
    if not 0 < split.n_positive < split.n_sites:
        raise UserError(
            f"The {name} split of {info.directory} has {split.n_positive} bound and "
            f"{split.n_sites - split.n_positive} background sites; training needs both."
        )


def _measure(
    model: Any,
    info: DatasetInfo,
    run_config: RunConfig,
    out: Path,
    state: TrainingState,
) -> dict[str, Any]:
    """Chooses the threshold on validation, measures there, and draws the figures.

    The validation sites are kept with their probabilities: calibration and named
    thresholds come from them.
    """
    validation = dataset.read_split(
        info, "validation", run_config.model.views, run_config.train.batch_size
    )
    labels, probabilities = score_labelled(scorer(model), validation)
    threshold = metrics.best_threshold(labels, probabilities)
    measured = {
        "split": "validation",
        "data": info.directory.resolve().name,
        **metrics.evaluate_probabilities(labels, probabilities, threshold),
    }
    runs.write_validation(out, labels, probabilities)
    runs.write_json(out / runs.METRICS, measured)
    figures.evaluation_figures(
        out / runs.FIGURES, "validation", labels, probabilities, measured
    )
    figures.learning_curves(
        state.history, state.best_epoch, out / runs.FIGURES / "learning_curves.png"
    )
    return measured


def _manifest(
    info: DatasetInfo,
    run_config: RunConfig,
    out: Path,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    measured: dict[str, Any],
) -> dict[str, Any]:
    packages = ("tensorflow", "keras", "gensim", "numpy", "viennarna")
    return {
        "deeprke_tf": __version__,
        "command": runs.command_line(),
        "seed": run_config.train.seed,
        "encoding": info.contents["encoding"],
        "threshold": measured["threshold"],
        "calibration": calibrate.fit(*runs.read_validation(out)).to_json(),
        "best_epoch": state.best_epoch,
        "n_epochs": state.n_epochs,
        "longest_site": info.split("train").longest_site,
        "devices": list(strategy.extended.worker_devices),
        "model_sha256": file_sha256(out / runs.MODEL),
        "data": {
            "directory": info.directory.resolve().name,
            "dataset_sha256": file_sha256(info.directory / dataset_info.FILE_NAME),
            "inputs": info.contents["inputs"],
            "splits": info.contents["splits"],
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def chance_warning(
    auroc_ci: Sequence[float],
    history: Sequence[Mapping[str, float]],
    model_config: ModelConfig,
) -> str:
    """Says where training never left chance, or did not stay away from it.

    Args:
      auroc_ci: Interval of the validation AUROC of the kept epoch, low and high.
      history: Rows of the epochs, with `val_auroc`.
      model_config: Shape of the network.

    Returns:
      What happened and what to do; empty where the network learned.
    """
    low, high = auroc_ci
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


def _data_line(info: DatasetInfo, data: Path) -> str:
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
    def with_interval(name: str) -> str:
        low, high = measured[f"{name}_ci"]
        return f"{measured[name]:.4f}  ({low:.4f} to {high:.4f})"

    rows = [
        ["weights", f"{n_weights:,}"],
        ["best epoch", f"{state.best_epoch} of {state.n_epochs}, {seconds:.0f} s"],
        ["validation AUROC", with_interval("auroc")],
        ["validation AUPRC", with_interval("auprc")],
        ["threshold", f"{measured['threshold']:.4f}  (largest MCC on validation)"],
        ["MCC at it", with_interval("mcc")],
        ["wrote", str(out)],
    ]
    return cli.table(rows)
