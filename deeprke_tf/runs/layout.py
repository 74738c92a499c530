"""The files of a run directory: what a training run leaves there.

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

from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.system import files

CONFIG = "config.json"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
VALIDATION = "validation.csv"
HISTORY = "history.csv"
MODEL = "model.keras"
FIGURES = "figures"
STATE = "state"
LOGS = "logs"


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

    table = pd.DataFrame({"label": labels, "probability": probabilities})
    with files.written_aside(directory / VALIDATION) as file:
        table.to_csv(file, index=False)


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
    measured = files.read_json(directory / METRICS)
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
    return files.read_json(path)
