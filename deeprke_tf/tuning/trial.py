"""One trial: a training as in `deeprke train`, in a separate process.

If the process that runs a trial is killed, the next process that takes the trial
resumes it from its last complete epoch.
"""

import dataclasses
import hashlib
import os
import shutil
import socket
import time
from pathlib import Path

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files, tensorflow
from deeprke_tf.system.directories import only_process
from deeprke_tf.tuning import process, results
from deeprke_tf.tuning.plan import SearchPlan
from deeprke_tf.tuning.results import TrialResult

_MAX_STARTS = 3  # without another epoch
_STARTS = "starts.json"


def run_trial(plan: SearchPlan, trial: str, run_config: RunConfig) -> TrialResult:
    """Trains a trial, or resumes it; keeps and returns its result.

    The caller holds the lock of the trial.

    Args:
      plan: The search.
      trial: Name of the trial.
      run_config: Its settings, with the seed of its first execution.

    Raises:
      UserError: Its directory belongs to a trial of other settings, or the disk is
        full.
    """
    directory = results.trial_directory(plan.out, trial)
    _claim(directory, run_config)
    # Asked only now: on a network disk, writing there shows what others have written.
    if result := results.read_result(plan.out, trial):
        return result
    started = time.monotonic()
    message = _count_start(directory)
    try:
        for number in range(1, plan.executions + 1):
            run = directory / f"run-{number}"
            if not message and not (run / layout.MANIFEST).exists():
                message = train_apart(plan, run, _execution(run_config, number))
    except KeyboardInterrupt:
        (directory / _STARTS).unlink()  # An interrupt is not the fault of the trial.
        raise
    if message.startswith(process.NO_ROOM):
        (directory / _STARTS).unlink()  # Nor is a full disk.
        raise UserError(
            f"Trial {trial} could not go on: {message}. Make room, and give "
            "the same command again."
        )
    result = _result(plan, trial, message, time.monotonic() - started)
    results.write_result(plan.out, result)
    return result


def _claim(directory: Path, run_config: RunConfig) -> None:
    """Writes the settings of a trial into its directory."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / layout.CONFIG
    if path.exists() and results.read_config(directory) != run_config:
        raise UserError(
            f"{directory} holds a trial with other settings; delete it, or restore "
            f"the {results.ORACLE} directory of the search."
        )
    files.write_json(path, dataclasses.asdict(run_config))


def _count_start(directory: Path) -> str:
    """Counts the starts of a trial; returns why it is given up, or an empty string.

    If this process is killed with the trial, such as for lack of memory, the search
    would otherwise start the same trial forever.
    """
    histories = sorted(directory.glob(f"run-*/{layout.HISTORY}"))
    n_lines = [path.read_text().count("\n") for path in histories]
    path = directory / _STARTS
    before = files.read_json(path) if path.exists() else []
    starts = [*before, n_lines] if isinstance(before, list) else [n_lines]
    files.write_json(path, starts)
    if starts.count(n_lines) <= _MAX_STARTS:
        return ""
    return (
        f"started {_MAX_STARTS} times without finishing another epoch: most likely the "
        "machine runs out of memory"
    )


def _execution(run_config: RunConfig, number: int) -> RunConfig:
    """Returns the settings of one of the trainings of a trial, counted from 1."""
    seed = run_config.train.seed + number - 1
    train = dataclasses.replace(run_config.train, seed=seed)
    return dataclasses.replace(run_config, train=train)


def _result(plan: SearchPlan, trial: str, message: str, seconds: float) -> TrialResult:
    """Reads the results of the executions of a trial, and keeps their histories."""
    directory = results.trial_directory(plan.out, trial)
    runs = [directory / f"run-{number}" for number in range(1, plan.executions + 1)]
    for number, run in enumerate(runs, 1):
        if (run / layout.HISTORY).exists():
            shutil.copyfile(run / layout.HISTORY, directory / f"history-{number}.csv")
    worker = f"{socket.gethostname()}-{os.getpid()}"
    if message:
        return TrialResult(trial, seconds=seconds, worker=worker, message=message)
    manifests = [layout.read_manifest(run) for run in runs]
    return TrialResult(
        trial,
        tuple(layout.validation_measures(run)["auroc"] for run in runs),
        tuple(manifest["best_epoch"] for manifest in manifests),
        tuple(manifest["n_epochs"] for manifest in manifests),
        seconds,
        worker,
    )


def train_apart(plan: SearchPlan, run: Path, run_config: RunConfig) -> str:
    """Trains one run in another process; returns why it failed, or an empty string."""
    return process.failure_of(train, plan, run, run_config)


def train(plan: SearchPlan, run: Path, run_config: RunConfig) -> None:
    """Trains one run in this process, unless it is finished.

    Raises:
      UserError: The training failed.
    """
    tensorflow.import_tensorflow()
    from deeprke_tf.training.run import train_run

    # A killed worker's training may live a moment longer than the worker.
    with only_process(run, wait=True):
        if not (run / layout.MANIFEST).exists():
            train_run(
                plan.data,
                run,
                run_config,
                vectors_from=_vectors(plan, run_config),
                n_devices=plan.n_devices,
                progress=plan.progress,
            )


def _vectors(plan: SearchPlan, run_config: RunConfig) -> Path | None:
    """Returns the directory of a trial's vectors, made once for equal settings."""
    if plan.vectors_from or run_config.model.one_hot:
        return plan.vectors_from
    from deeprke_tf.data import description
    from deeprke_tf.training import vectors

    seed = run_config.train.seed
    settings = f"{run_config.vectors} {run_config.model.structure} {seed}"
    key = hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
    kept = (plan.out / results.VECTORS / key).resolve()
    with only_process(kept, wait=True):
        if not kept.exists():
            partial = kept.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            # k-mer weights depend on class weights: each trial fits its own.
            model = dataclasses.replace(run_config.model, kmer_weight=0.0)
            views_alone = dataclasses.replace(run_config, model=model)
            info = description.read(plan.data)
            vectors.make_vectors(info, partial, views_alone, given={})
            partial.rename(kept)
    return kept
