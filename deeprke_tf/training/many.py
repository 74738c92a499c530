"""Trains a run of each of several datasets, beside other processes that do so."""

import dataclasses
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system.directories import only_process


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of the run of a dataset.

    Attributes:
      run: Its directory.
      state: What happened to it here.
      auroc: On validation; None unless the run is finished.
      message: Why it failed; empty where it did not.
    """

    run: Path
    state: Literal["trained", "done before", "elsewhere", "failed"]
    auroc: float | None = None
    message: str = ""


def find(given: Sequence[Path]) -> list[Path]:
    """Returns the datasets that paths and patterns name, each once.

    Args:
      given: Dataset directories, and patterns such as `tfrecords/*`, of which what is
        no dataset is passed over.

    Raises:
      UserError: A directory is no dataset, a pattern matches none, or none is named.
    """
    if not given:
        raise UserError("--data names no dataset; give a directory or a pattern.")
    found: dict[Path, None] = {}
    for path in given:
        if not is_pattern(path):
            description.read(path)
            found[path] = None
            continue
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))
        datasets = [m for m in matches if (m / description.FILE_NAME).is_file()]
        if not datasets:
            raise UserError(
                f"No dataset matches {path}: {len(matches)} paths do, none with a "
                f"{description.FILE_NAME}; make some with `deeprke preprocess`."
            )
        found |= dict.fromkeys(datasets)
    return list(found)


def is_pattern(path: Path) -> bool:
    """Whether a path stands for others; one that is there stands for itself."""
    return not path.exists() and any(letter in str(path) for letter in "*?[")


def run_directories(datasets: Sequence[Path], out: Path, settings: str) -> list[Path]:
    """Returns where the run of each dataset goes.

    Args:
      datasets: Their directories; a run is named after the last part.
      out: Directory of the runs.
      settings: Name of the settings, the other half of a run's name.

    Raises:
      UserError: Two of them would share a run.
    """
    by_name: dict[str, Path] = {}
    for path in datasets:
        name = path.resolve().name
        if name in by_name:
            raise UserError(
                f"The datasets {by_name[name]} and {path} would both be trained as "
                f"{name}-{settings}; give them to one `deeprke train` each, with an "
                "--out of its own."
            )
        by_name[name] = path
    return [out / f"{name}-{settings}" for name in by_name]


def train_datasets(
    datasets: Sequence[Path],
    directories: Sequence[Path],
    run_config: RunConfig,
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
) -> list[Outcome]:
    """Trains what nobody has trained; a dataset that fails does not stop the others.

    Args:
      datasets: Directories of `pipelines.preprocess`.
      directories: The run of each.
      run_config: All settings.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `devices.strategy`.

    Returns:
      What became of each.
    """
    outcomes = []
    for number, (data, run) in enumerate(zip(datasets, directories, strict=True), 1):
        print(f"dataset {number} of {len(datasets)}: {data}", flush=True)
        try:
            outcome = _train_alone(data, run, run_config, vectors_from, n_devices)
        except UserError as error:
            outcome = Outcome(run, "failed", message=str(error))
            print(f"failed: {error}", flush=True)
        outcomes.append(outcome)
    return outcomes


def _train_alone(
    data: Path,
    run: Path,
    run_config: RunConfig,
    vectors_from: Path | None,
    n_devices: int | None,
) -> Outcome:
    """Trains a run unless it is finished, or another process is at it."""
    import keras

    from deeprke_tf.training import run as train_run

    with only_process(run) as is_free:
        if not is_free:
            return Outcome(run, "elsewhere")
        if (run / layout.MANIFEST).exists():
            require_same(run, data, run_config, vectors_from)
            auroc = layout.validation_measures(run)["auroc"]
            return Outcome(run, "done before", auroc)
        # The networks of earlier datasets are not needed any more.
        keras.utils.clear_session()
        measured = train_run.train_run(
            data, run, run_config, vectors_from=vectors_from, n_devices=n_devices
        )
        return Outcome(run, "trained", measured["auroc"])


def require_same(
    run: Path, data: Path, run_config: RunConfig, vectors_from: Path | None
) -> None:
    """Makes sure that a finished run is the one that would be trained.

    Raises:
      UserError: It was trained on other data or vectors, or with other settings.
    """
    manifest = layout.read_manifest(run)
    digest = description.read(data).sha256
    given = vectors_from.resolve().name if vectors_from else None
    other = {
        "data": manifest.get("data", {}).get("dataset_sha256") != digest,
        "settings": config.load(RunConfig, run / layout.CONFIG) != run_config,
        "--vectors-from": manifest.get("vectors", {}).get("from") != given,
    }
    if any(other.values()):
        what = " and ".join(name for name, is_other in other.items() if is_other)
        raise UserError(
            f"{run} is a finished run of other {what}; delete it, or name another "
            "--out."
        )
