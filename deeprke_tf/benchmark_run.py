"""Does the tasks of a benchmark, one after another, beside other processes that do so.

OUT/<benchmark>/
    results/<experiment>/<preset>.<protocol>.seed<n>.<mask>.json   when a task is done
    data/<experiment>/...       datasets, shared by its tasks
    runs/<experiment>/...       trained runs
    locks/                      who works on what
"""

import dataclasses
import hashlib
import importlib.metadata
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from deeprke_tf import (
    __version__,
    cli,
    dataset_info,
    linear_baselines,
    metrics,
    presets,
    runs,
)
from deeprke_tf.benchmark_tasks import N_PUBLISHED_FOLDS, Task
from deeprke_tf.dataset_info import DatasetInfo
from deeprke_tf.edge_masking import write_masked
from deeprke_tf.errors import UserError
from deeprke_tf.linear_baselines import Labelled
from deeprke_tf.progress import progress_bar
from deeprke_tf.records import file_sha256


@dataclasses.dataclass(frozen=True)
class Trained:
    """What one training gave.

    Attributes:
      labels: Of the test sites, [n_sites].
      probabilities: Of the test sites, [n_sites].
      threshold: Chosen on validation.
      facts: What else the result says of it.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    threshold: float
    facts: dict[str, Any]


def do_tasks(
    tasks: Sequence[Task], out: Path, fold_flags: Sequence[str]
) -> tuple[int, dict[str, str]]:
    """Does what is not done yet; a task that fails does not stop the others.

    Args:
      tasks: All tasks of the plan.
      out: The directory of the results.
      fold_flags: Flags of `preprocess` for folding.

    Returns:
      How many tasks other processes are at; and what went wrong, by task.
    """
    n_elsewhere, failed = 0, {}
    with progress_bar(len(tasks), "task", "benchmark") as bar:
        for task in tasks:
            name = f"{task.experiment.name} {task.label}"
            bar.set_postfix_str(name[-60:])
            try:
                n_elsewhere += not _do_alone(task, out, fold_flags)
            except UserError as error:
                failed[name] = str(error)
            bar.update()
    return n_elsewhere, failed


def _do_alone(task: Task, out: Path, fold_flags: Sequence[str]) -> bool:
    """Does a task unless it is done; returns False if another process is at it."""
    if task.result_path(out).exists():
        return True
    lock = task.lock_path(out)
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(lock, timeout=0):
            # It may have been done between the question and the lock.
            if not task.result_path(out).exists():
                result = run_task(task, out, fold_flags)
                task.result_path(out).parent.mkdir(parents=True, exist_ok=True)
                runs.write_json(task.result_path(out), result)
    except filelock.Timeout:
        return False
    return True


def run_task(task: Task, out: Path, fold_flags: Sequence[str]) -> dict[str, Any]:
    """Trains and measures; returns what the result file holds."""
    started = time.time()
    n_trainings = N_PUBLISHED_FOLDS if task.protocol == "published" else 1
    trained = []
    for part in range(n_trainings):
        data = _dataset(task, part, out, fold_flags)
        trained.append(_train(task, data, _run_directory(task, part, out)))
    aurocs = [metrics.auroc(one.labels, one.probabilities) for one in trained]
    # The best on the test, where the protocol says so; else there is only one.
    best = trained[int(np.argmax(aurocs))]
    measured = metrics.evaluate_probabilities(
        best.labels, best.probabilities, best.threshold
    )
    return {
        "benchmark": task.benchmark,
        "experiment": task.experiment.name,
        "number": task.experiment.number,
        "preset": task.preset,
        "protocol": task.protocol,
        "optimistic": task.protocol == "published",
        "seed": task.seed,
        "mask": task.mask,
        "k": task.k,
        **measured,
        "test_aurocs": aurocs,
        **best.facts,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.time() - started, 1),
        "command": runs.command_line(),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    packages = ("tensorflow", "keras", "scikit-learn", "numpy", "viennarna")
    return {
        "deeprke_tf": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
    }


# === Data ===


def _dataset(
    task: Task, part: int, out: Path, fold_flags: Sequence[str]
) -> DatasetInfo:
    """Returns the dataset of a task, made once for all tasks that share it."""
    split = "frozen" if task.protocol == "frozen" else f"third{part + 1}"
    directory = out / task.benchmark / "data" / task.experiment.name
    data = directory / f"{split}.{task.mask}.k{task.k}"
    locks = task.lock_path(out).parent
    key = hashlib.sha256(str(data.relative_to(out)).encode()).hexdigest()[:24]
    with filelock.FileLock(locks / f"data-{key}.lock"):
        if not (data / dataset_info.FILE_NAME).exists():
            arguments = ["--out", str(data), "--k", str(task.k), *fold_flags]
            if task.protocol == "published":
                fraction = str(1 / N_PUBLISHED_FOLDS)
                arguments += ["--validation-fraction", fraction]
                arguments += ["--seed", str(part + 1)]
            arguments += _inputs(task, directory)
            _command("preprocess", arguments)
    return dataset_info.read(data)


def _inputs(task: Task, directory: Path) -> list[str]:
    """Returns the flags that name the sites, masked ones written before."""
    arguments = []
    names = {1: "positives", 0: "negatives", None: "sites"}
    for prefix, files in (
        ("--", task.experiment.train),
        ("--test-", task.experiment.test),
    ):
        for path, label in files:
            if task.mask != "none" and label is not None:
                masked_path = directory / "masked" / f"{task.mask}.{path.name}"
                if not masked_path.exists():
                    write_masked(path, label, task.mask, masked_path)
                path = masked_path
            arguments += [f"{prefix}{names[label]}", str(path)]
    return arguments


def _command(name: str, arguments: Iterable[str]) -> None:
    """Runs a command of this package in this process."""
    if cli.main([name, *arguments]) != 0:
        raise UserError(f"`deeprke {name}` failed; see above.")
    sys.stdout.flush()


# === Training ===


def _run_directory(task: Task, part: int, out: Path) -> Path:
    name = task.label if task.protocol == "frozen" else f"{task.label}.{part + 1}"
    return out / task.benchmark / "runs" / task.experiment.name / name


def _train(task: Task, info: DatasetInfo, directory: Path) -> Trained:
    facts = {
        "data": {
            "dataset_sha256": file_sha256(info.directory / dataset_info.FILE_NAME),
            "inputs": info.contents["inputs"],
            "n_train": info.split("train").n_sites,
            "n_train_positive": info.split("train").n_positive,
            "n_validation": info.split("validation").n_sites,
            "n_skipped": info.contents["skipped"],
        }
    }
    linear = task.preset in linear_baselines.NAMES
    train = _train_linear if linear else _train_network
    return train(task, info, directory, facts)


def _train_linear(
    task: Task, info: DatasetInfo, _directory: Path, facts: dict[str, Any]
) -> Trained:
    sites = {split: _sequences(info, split) for split in info.splits}
    started = time.monotonic()
    score, chosen = linear_baselines.fit(
        task.preset, sites["train"], sites["validation"], task.seed
    )
    facts |= {"chosen": chosen, "training_seconds": time.monotonic() - started}
    validation, test = sites["validation"], sites["test"]
    threshold = metrics.best_threshold(validation.labels, score(validation.sequences))
    return Trained(test.labels, score(test.sequences), threshold, facts)


def _sequences(info: DatasetInfo, split: str) -> Labelled:
    """Returns the sites of a split as letters."""
    from deeprke_tf import dataset

    vocabulary = info.encoding.sequence_vocabulary
    sequences: list[str] = []
    labels: list[int] = []
    for inputs, label, _weight in dataset.read_split(
        info, split, ("sequence_kmers",), 1_000
    ):
        labels += label.numpy()[:, 0].astype(int).tolist()
        for ids in inputs["sequence_kmers"].numpy():
            letters = linear_baselines.letters_of(ids[ids > 0], vocabulary)
            sequences.append(letters)
    return Labelled(sequences, np.array(labels))


def _train_network(
    task: Task, info: DatasetInfo, directory: Path, facts: dict[str, Any]
) -> Trained:
    import keras

    from deeprke_tf import evaluate, train_run

    settings = presets.preset(task.preset)
    training = dataclasses.replace(settings.train, seed=task.seed)
    settings = dataclasses.replace(settings, train=training)
    # Networks of earlier tasks are not needed any more.
    keras.utils.clear_session()
    started = time.monotonic()
    if not (directory / runs.MANIFEST).exists():
        train_run.train_run(info.directory, directory, settings)
    run = runs.load(directory)
    flags = evaluate.EvaluateFlags(directory, info.directory, n_bootstrap=1)
    _measured, labels, probabilities = evaluate.measure(run, flags)
    facts |= {
        "config": dataclasses.asdict(run.config),
        "model_sha256": run.manifest["model_sha256"],
        "best_epoch": run.manifest["best_epoch"],
        "n_epochs": run.manifest["n_epochs"],
        "validation_auroc": runs.read_json(directory / runs.METRICS)["auroc"],
        "training_seconds": time.monotonic() - started,
    }
    return Trained(labels, probabilities, run.threshold, facts)
