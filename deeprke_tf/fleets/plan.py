"""What a fleet shall train, as a directory that travels to the machine with the GPU.

PLAN/
    plan.json          the trainings: experiment, label, settings, and the files of each
    datasets/*.npz     sites as k-mer ids (`deeprke_tf.fleets.data`)
    vectors/*.npz      k-mer vectors of one view, or k-mer weights

TRAINED/<experiment>/<label>.npz    what became of each, when it is done
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import arrays, files

FILE_NAME = "plan.json"


@dataclasses.dataclass(frozen=True)
class Training:
    """One training of a plan.

    Attributes:
      experiment: What it is trained on, by name; the directory of its result.
      label: Names it within the experiment.
      dataset: File of its sites, in the plan's directory.
      dataset_sha256: Digest of the `dataset.json` that the sites were read from.
      vectors: Files of its k-mer vectors there, by view, and of its "kmer_weights".
      config: All its settings.
    """

    experiment: str
    label: str
    dataset: str
    dataset_sha256: str
    vectors: dict[str, str]
    config: RunConfig

    @property
    def preset(self) -> str:
        """Name of its settings, the first part of the label."""
        return self.label.partition(".")[0]

    @property
    def group(self) -> str:
        """Equal for trainings that one fleet can do."""
        settings = dataclasses.asdict(self.config)
        del settings["train"]["seed"]
        return json.dumps([self.preset, settings], sort_keys=True)

    def result_path(self, out: Path) -> Path:
        """Returns where its result lies."""
        return out / self.experiment / f"{self.label}.npz"


def write(directory: Path, trainings: Sequence[Training]) -> None:
    """Writes `plan.json`, the last file of a plan."""
    listed = [dataclasses.asdict(training) for training in trainings]
    files.write_json(directory / FILE_NAME, {"trainings": listed})


def read(directory: Path) -> list[Training]:
    """Reads the trainings of a plan.

    Raises:
      UserError: There is no plan, or it is damaged.
    """
    path = directory / FILE_NAME
    if not path.exists():
        raise UserError(
            f"{directory} has no {FILE_NAME}; make it with `deeprke benchmark --plan`."
        )
    contents = files.read_json(path)
    try:
        return [_training(entry, str(path)) for entry in contents["trainings"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is no plan: {error!r}.") from error


def _training(entry: dict[str, Any], source: str) -> Training:
    settings = config.from_dict(RunConfig, entry["config"], source)
    return Training(**{**entry, "config": settings})


def read_vectors(training: Training, plan: Path) -> dict[str, np.ndarray]:
    """Reads the k-mer vectors of a training by view, and its k-mer weights."""
    read = (arrays.read_arrays(plan / name) for name in training.vectors.values())
    return {view: array for of_file in read for view, array in of_file.items()}


def write_result(path: Path, values: dict[str, np.ndarray], facts: Any) -> None:
    """Writes what became of a training: probabilities and labels, and facts as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_arrays({**values, "facts": np.array(json.dumps(facts))}, path)


def read_result(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `write_result` wrote.

    Raises:
      UserError: It is missing or damaged.
    """
    values = arrays.read_arrays(path)
    try:
        return values, json.loads(str(values.pop("facts")))
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} is no result of `deeprke fleet`: {error!r}.") from None


def file_name(*parts: object) -> str:
    """Returns a short file name that differs where the parts do.

    >>> file_name("20_hnRNPL ctrl+kd", 1)
    'dbc9d606af1f400b.npz'
    """
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).hexdigest()
    return f"{digest[:16]}.npz"


def is_of(facts: dict[str, Any], settings: RunConfig) -> bool:
    """Tells whether a result is of a training with these settings.

    Half precision is no other training: the machine decides on it.

    Args:
      facts: Of `read_result`.
      settings: All of a training.
    """
    try:
        trained = config.from_dict(RunConfig, facts["config"], "config")
    except (KeyError, UserError):
        return False  # By another version.
    train = dataclasses.replace(
        trained.train, mixed_precision=settings.train.mixed_precision
    )
    return dataclasses.replace(trained, train=train) == settings
