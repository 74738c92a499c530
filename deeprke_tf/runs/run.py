"""The run directory: what a training run leaves, and how others read it.

config.json             all settings
sequence_vectors.npy    k-mer vectors, in id order
structure_vectors.npy
kmer_weights.npy        of the logistic regression of k-mer counts, if there is one
state/                  what an unfinished run goes on from; gone when it is finished
history.csv             one row an epoch
model.keras             the network of the best epoch, float32, without optimizer
metrics.json            how good it is
validation.csv          label and probability of each validation site: calibration and
                        thresholds come from them
figures/                learning curves, ROC and precision-recall curves
logs/                   for TensorBoard
manifest.json           what it was made from, and how; the last file: a run is
                        finished when it is there

An ensemble is a directory of runs that differ in their seed, and is read as one run:

seed-1/ seed-2/ ...     its members, each a run of its own as above
config.json             all settings, with the seed of the first member
metrics.json            as of a run, but of the mean probability of its members
validation.csv
figures/
manifest.json           threshold and calibration of that mean, and who the members are
"""

import dataclasses
import errno
import json
import os
import shlex
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.records import file_sha256
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import Calibration

if TYPE_CHECKING:
    import keras

CONFIG = "config.json"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
VALIDATION = "validation.csv"
HISTORY = "history.csv"
MODEL = "model.keras"
FIGURES = "figures"
STATE = "state"
LOGS = "logs"


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished training run, or an ensemble of them.

    Attributes:
      directory: Where it lies.
      config: All its settings; of an ensemble, those of its first member.
      encoding: What the k-mer ids of the model mean.
      threshold: Probability from which a site is called bound, chosen on validation.
      calibration: From the network's probabilities to calibrated ones, fitted there.
      manifest: The manifest, whole.
      model: The trained network; of an ensemble, one that gives the mean probability.
      members: The runs that an ensemble averages; none of a single training.
    """

    directory: Path
    config: RunConfig
    encoding: Encoding
    threshold: float
    calibration: Calibration
    manifest: dict[str, Any]
    model: "keras.Model"
    members: tuple["Run", ...] = ()

    @property
    def trainings(self) -> tuple["Run", ...]:
        """The members of an ensemble, or the run itself."""
        return self.members or (self,)


def load(directory: Path) -> Run:
    """Loads a finished run or ensemble; nothing in its files can run code.

    Raises:
      UserError: The directory is neither, or one of its files is damaged.
    """
    directory = Path(directory)
    manifest = read_manifest(directory)
    run_config = config.load(RunConfig, directory / CONFIG)
    try:
        encoding = config.from_dict(
            Encoding, manifest["encoding"], f"{directory / MANIFEST}: encoding"
        )
        threshold = float(manifest["threshold"])
        calibration = Calibration.from_json(
            manifest["calibration"], str(directory / MANIFEST)
        )
        members = _load_members(directory, manifest)
        model = _mean_network(members) if members else _load_model(directory, manifest)
    except KeyError as error:
        raise UserError(
            f"The run {directory} is damaged: {MANIFEST} lacks {error}."
        ) from error
    except (TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"The run {directory} is damaged: {_first_line(error)}"
        ) from error
    return Run(
        *(directory, run_config, encoding, threshold, calibration, manifest, model),
        members,
    )


def _load_model(directory: Path, manifest: dict[str, Any]) -> "keras.Model":
    """Loads the network of a single training."""
    import keras

    from deeprke_tf.fleets import vmap_layers  # noqa: F401

    # Keras looks their layers up by name.
    from deeprke_tf.networks import (
        kmer_conv,  # noqa: F401
        kmer_counts,  # noqa: F401
        positions,  # noqa: F401
    )

    # Keras would load some damaged weights, or weights of another network.
    if file_sha256(directory / MODEL) != manifest["model_sha256"]:
        raise ValueError(f"{MODEL} is not the file that training wrote.")
    return keras.models.load_model(directory / MODEL, compile=False, safe_mode=True)


def _load_members(directory: Path, manifest: dict[str, Any]) -> tuple[Run, ...]:
    """Loads the members of an ensemble; a single training has none."""
    members = []
    for facts in manifest.get("members", ()):
        member = load(directory / facts["directory"])
        if member.manifest["model_sha256"] != facts["model_sha256"]:
            raise ValueError(
                f"{facts['directory']} is not the run that the ensemble was made of."
            )
        members.append(member)
    return tuple(members)


def _mean_network(members: tuple[Run, ...]) -> "keras.Model":
    from deeprke_tf.networks.mean_network import mean_network

    return mean_network([member.model for member in members])


def write_validation(
    directory: Path, labels: np.ndarray, probabilities: np.ndarray
) -> None:
    """Keeps what a model says of its validation sites.

    Args:
      directory: The run.
      labels: 1 bound, 0 background, [n_sites].
      probabilities: Of the network, float32 [n_sites].
    """
    import pandas as pd

    partial = directory / f"{VALIDATION}.partial"
    table = pd.DataFrame({"label": labels, "probability": probabilities})
    table.to_csv(partial, index=False)
    os.replace(partial, directory / VALIDATION)


def read_validation(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels, int64 [n_sites], and probabilities, float32 [n_sites].

    Raises:
      UserError: The run has none, or they are damaged.
    """
    import pandas as pd

    path = directory / VALIDATION
    try:
        table = pd.read_csv(path, dtype={"label": "int64", "probability": "float32"})
        return table["label"].to_numpy(), table["probability"].to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error


def validation_measures(directory: Path) -> dict[str, Any]:
    """Returns what a run measured on validation, evaluated since then or not.

    Raises:
      UserError: Its measures cannot be read.
    """
    measured = read_json(directory / METRICS)
    return measured.get("validation", measured)


def read_manifest(directory: Path) -> dict[str, Any]:
    """Reads the manifest of a finished run.

    Raises:
      UserError: There is none, or it cannot be read.
    """
    path = directory / MANIFEST
    if not path.exists():
        unfinished = (directory / CONFIG).exists()
        raise UserError(
            f"{directory} is an unfinished run; give the same `deeprke train` command "
            "again to finish it."
            if unfinished
            else f"{directory} is not a run of `deeprke train`: it has no {MANIFEST}."
        )
    return read_json(path)


def read_json(path: Path) -> Any:
    """Reads a JSON file of a run.

    Raises:
      UserError: It cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error


def write_json(path: Path, contents: Any) -> None:
    """Writes JSON aside and renames it, so that a killed run leaves no half of it."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(contents, indent=2) + "\n")
    os.replace(partial, path)


def make_directory(path: Path) -> None:
    """Makes a directory for output, with those above it, unless it is there.

    Raises:
      UserError: A file is in the way, or the directory cannot be written to.
    """
    if path.exists() and not path.is_dir():
        raise UserError(f"--out {path} is a file; name a directory.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot make {path}: {error.strerror}.") from error
    if not os.access(path, os.W_OK):
        raise UserError(f"Cannot write to {path}: {os.strerror(errno.EACCES)}.")


def command_line() -> str:
    """Returns the command of this process, fit to be given to a shell again."""
    program = [Path(sys.argv[0]).name]
    # `python -m` leaves the path of the module's file, which is no command.
    if module := getattr(sys.modules["__main__"], "__spec__", None):
        program = ["python", "-m", module.name.removesuffix(".__main__")]
    return shlex.join([*program, *sys.argv[1:]])


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
