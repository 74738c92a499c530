"""One trial: a training as `deeprke train` does it, in a process of its own.

A trial that runs out of memory, or takes TensorFlow down with it, takes nothing else
down. What it computes does not depend on who runs it: a trial that was killed goes on
from its last whole epoch, wherever it is begun again.
"""

import dataclasses
import hashlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files, tensorflow
from deeprke_tf.system.directories import only_process
from deeprke_tf.system.processes import end_with_parent
from deeprke_tf.tuning import results
from deeprke_tf.tuning.results import TrialResult

_MOST_FRUITLESS_STARTS = 3
_SECONDS_UNTIL_ASKED_AGAIN = 2.0
_STARTS = "starts.json"


class TrialLostError(Exception):
    """The trial is no longer this worker's: it has been given to another."""


@dataclasses.dataclass(frozen=True)
class TrialTask:
    """What is the same for all trials of a search.

    Attributes:
      data: Dataset directory.
      search: Directory of the search.
      executions: Trainings of a trial, each with a seed of its own.
      vectors_from: Ready k-mer vectors, or None to train them.
      n_devices: Devices of each training; see `devices.strategy`.
      worker: Name of this process in results.
    """

    data: Path
    search: Path
    executions: int = 1
    vectors_from: Path | None = None
    n_devices: int | None = None
    worker: str = ""


def run_trial(
    task: TrialTask,
    trial: str,
    run_config: RunConfig,
    on_wait: Callable[[], None],
    seconds_between_waits: float,
) -> TrialResult:
    """Trains a trial, or goes on with it; keeps and returns how it ended.

    Args:
      task: The search.
      trial: Its name.
      run_config: Its settings; the seed is that of its first execution.
      on_wait: Called now and then while it trains; what it raises ends the training.
      seconds_between_waits: How often.
    """
    before = results.read_result(task.search, trial)
    if before:
        return before
    directory = results.trial_directory(task.search, trial)
    directory.mkdir(parents=True, exist_ok=True)
    files.write_json(directory / layout.CONFIG, dataclasses.asdict(run_config))
    started = time.monotonic()
    message = _begin(directory)
    try:
        for number in range(1, task.executions + 1):
            message = message or _train_apart(
                task,
                directory / f"run-{number}",
                _execution(run_config, number),
                on_wait,
                seconds_between_waits,
            )
    except (KeyboardInterrupt, TrialLostError):
        (directory / _STARTS).unlink()  # Not ended by what it computes.
        raise
    result = _result(task, trial, message)
    result = dataclasses.replace(result, seconds=time.monotonic() - started)
    results.write_result(task.search, result)
    return result


def _execution(run_config: RunConfig, number: int) -> RunConfig:
    """Returns the settings of one of the trainings of a trial, counted from 1."""
    seed = run_config.train.seed + number - 1
    return dataclasses.replace(
        run_config, train=dataclasses.replace(run_config.train, seed=seed)
    )


def _result(task: TrialTask, trial: str, message: str) -> TrialResult:
    """Reads how the executions of a trial ended, and keeps their histories."""
    directory = results.trial_directory(task.search, trial)
    numbers = range(1, task.executions + 1)
    for number in numbers:
        history = directory / f"run-{number}" / layout.HISTORY
        if history.exists():
            shutil.copyfile(history, directory / f"history-{number}.csv")
    if message:
        return TrialResult(trial, worker=task.worker, message=message)
    finished = [directory / f"run-{number}" for number in numbers]
    manifests = [layout.read_manifest(run) for run in finished]
    return TrialResult(
        trial,
        tuple(layout.validation_measures(run)["auroc"] for run in finished),
        tuple(manifest["best_epoch"] for manifest in manifests),
        tuple(manifest["n_epochs"] for manifest in manifests),
        worker=task.worker,
    )


def _begin(directory: Path) -> str:
    """Counts the starts of a trial; returns why it is given up, or nothing.

    Where this process too goes down with a trial, as for lack of memory, the search
    would begin the same trial forever.
    """
    histories = sorted(directory.glob(f"run-*/{layout.HISTORY}"))
    progress = [path.read_text().count("\n") for path in histories]
    path = directory / _STARTS
    starts = [*(files.read_json(path) if path.exists() else []), progress]
    files.write_json(path, starts)
    if starts.count(progress) > _MOST_FRUITLESS_STARTS:
        return (
            f"begun {_MOST_FRUITLESS_STARTS} times without finishing another epoch: "
            "most likely the machine runs out of memory"
        )
    return ""


def _train_apart(
    task: TrialTask,
    run: Path,
    run_config: RunConfig,
    on_wait: Callable[[], None],
    seconds_between_waits: float,
) -> str:
    """Trains in another process; returns why that failed, or nothing."""
    if (run / layout.MANIFEST).exists():
        return ""
    # A process that has loaded TensorFlow must not be forked.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_train, args=(sender, task, run, run_config), daemon=True
    )
    process.start()
    sender.close()
    try:
        while process.is_alive():
            process.join(seconds_between_waits)
            on_wait()
    finally:
        if process.is_alive():
            process.kill()
            process.join()
    if receiver.poll():
        try:
            return receiver.recv()
        except EOFError:
            pass  # It ended without a word.
    return _death(process.exitcode or 0)


def _death(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "killed by the system, most likely for lack of memory"
    if exit_code < 0:
        return f"ended by {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}"


def _train(
    result: Connection, task: TrialTask, run: Path, run_config: RunConfig
) -> None:
    """Trains in this process; sends why that failed, or nothing."""
    end_with_parent()
    tensorflow.import_tensorflow()
    result.send(_failure(task, run, run_config))


def _failure(task: TrialTask, run: Path, run_config: RunConfig) -> str:
    """Trains; returns why that failed, or nothing."""
    import tensorflow as tf

    try:
        _train_when_free(task, run, run_config)
    except UserError as error:
        return str(error)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        return f"out of memory: {_first_line(error)}"
    except Exception as error:  # A trial that fails must not end the search.
        return f"{type(error).__name__}: {_first_line(error)}"
    return ""


def _train_when_free(task: TrialTask, run: Path, run_config: RunConfig) -> None:
    """Trains as soon as nobody else does, unless the run is finished then.

    A worker that was given up for lost may still be at it, until it hears of that.
    """
    from deeprke_tf.training import run as train_run

    while True:
        with only_process(run) as is_free:
            if is_free:
                if not (run / layout.MANIFEST).exists():
                    train_run.train_run(
                        task.data,
                        run,
                        run_config,
                        vectors_from=_vectors(task, run_config),
                        n_devices=task.n_devices,
                    )
                return
        time.sleep(_SECONDS_UNTIL_ASKED_AGAIN)


def _vectors(task: TrialTask, run_config: RunConfig) -> Path | None:
    """Returns where the vectors of a trial are, made unless another trial did."""
    if task.vectors_from or run_config.model.one_hot:
        return task.vectors_from
    from deeprke_tf.data import description
    from deeprke_tf.training import vectors

    seed = run_config.train.seed
    settings = f"{run_config.vectors} {run_config.model.structure} {seed}"
    key = hashlib.blake2b(settings.encode(), digest_size=8).hexdigest()
    kept = (task.search / results.VECTORS / key).resolve()
    if not kept.exists():
        kept.parent.mkdir(exist_ok=True)
        info = description.read(task.data)
        # Made aside: several workers may want the same at once.
        with tempfile.TemporaryDirectory(dir=kept.parent) as made:
            aside = Path(made) / key
            aside.mkdir()
            # k-mer weights depend on class weights: each trial fits its own.
            model = dataclasses.replace(run_config.model, kmer_weight=0.0)
            views_alone = dataclasses.replace(run_config, model=model)
            vectors.make_vectors(info, aside, views_alone, given={})
            try:
                os.rename(aside, kept)
            except OSError:
                if not kept.exists():
                    raise
    return kept


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0]
