"""The files of a run directory, and their readers.

config.json             all settings
sequence_vectors.npy    k-mer vectors, in id order
structure_vectors.npy
kmer_weights.npy        weights of the logistic regression of k-mer counts, if any
state/                  checkpoint of an unfinished run
history.csv             one row per epoch
model.keras             the network of the best epoch, float32, without optimizer
model.onnx              the same for onnxruntime; versions before 0.2 wrote none
metrics.json            performance on validation
validation.csv          label and probability of each validation site, from which
                        calibration and thresholds are chosen
figures/                learning curves, ROC and precision-recall curves
logs/                   for TensorBoard
manifest.json           data, settings and versions; the last file: a run with a
                        manifest is finished

An ensemble is a directory of runs that differ in their seed, and is read as one run:

seed-1/ seed-2/ ...     its members, each a run of its own as above
config.json             all settings, with the seed of the first member
metrics.json            performance of the mean probability of its members
validation.csv          the mean probabilities
figures/                as of a run
manifest.json           threshold and calibration of the mean, and the members

A joint run has one network for several RBPs, and a run of each:

config.json, *_vectors.npy, history.csv, logs/, figures/    as of a run
kmer_weights.npy        weights of all RBPs, side by side
model.keras             the network, with an output for each RBP
model.onnx              the same for onnxruntime
metrics.json            performance on validation: means, and of each RBP
rbps/NAME/              a run of one RBP; its network is an output of the one above
manifest.json           the RBPs in the order of the outputs, and their sites
"""

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.runs import keras_files
from deeprke_tf.system import files, tensorflow

if TYPE_CHECKING:
    import keras

    from deeprke_tf.networks.saved_weights import SavedNetwork

CONFIG = "config.json"
MANIFEST = "manifest.json"
METRICS = "metrics.json"
VALIDATION = "validation.csv"
HISTORY = "history.csv"
MODEL = "model.keras"
ONNX = "model.onnx"
FIGURES = "figures"
STATE = "state"
LOGS = "logs"
RBPS = "rbps"

# What Keras and others raise for files that training did not write; Keras 3.12, of
# Python 3.10, has assertions.
DAMAGED = (
    *(AttributeError, ImportError, OSError, RuntimeError, TypeError, ValueError),
    *(AssertionError, zipfile.BadZipFile),
)


def write_validation(
    directory: Path, labels: np.ndarray, probabilities: np.ndarray
) -> None:
    """Writes the predictions of a model for its validation sites.

    Args:
      directory: The run.
      labels: 1 bound, 0 background, [n_sites].
      probabilities: Of the model, float32 [n_sites].
    """
    import pandas as pd

    table = pd.DataFrame({"label": labels, "probability": probabilities})
    with files.written_aside(directory / VALIDATION) as file:
        table.to_csv(file, index=False)


def read_validation(directory: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads labels, int64 [n_sites], and probabilities, float32 [n_sites].

    Raises:
      UserError: The file is missing or damaged.
    """
    import pandas as pd

    path = directory / VALIDATION
    try:
        table = pd.read_csv(path, dtype={"label": "int64", "probability": "float32"})
        labels, probabilities = table["label"], table["probability"]
        if not (labels.isin([0, 1]).all() and probabilities.between(0, 1).all()):
            raise ValueError("labels are 0 or 1, and probabilities from 0 to 1")
        return labels.to_numpy(), probabilities.to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error


def validation_measures(directory: Path) -> dict[str, Any]:
    """Reads the measures on validation, from before an evaluation on other sites too.

    Raises:
      UserError: The measures cannot be read.
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
    manifest = files.read_json(path)
    if not isinstance(manifest, dict):
        raise UserError(f"{path} is damaged: it is no manifest of a run.")
    return manifest


@contextlib.contextmanager
def damage_told(directory: Path) -> Iterator[None]:
    """Turns what damaged files of a run raise into an error for the user.

    Raises:
      UserError: The block raised one of `DAMAGED`, or lacked an entry of the manifest.
    """
    try:
        yield
    except KeyError as error:
        raise UserError(
            f"The run {directory} is damaged: {MANIFEST} lacks {error}."
        ) from error
    except DAMAGED as error:
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"The run {directory} is damaged: {cause}") from error


def require_network(
    directory: Path, manifest: dict[str, Any], encoding: Encoding
) -> None:
    """Refuses the network of a single training that is not its own.

    Raises:
      OSError: There is none.
      ValueError: The file is not the one that training wrote, or has vectors of another
        number of k-mers.
    """
    vectors = directory / "sequence_vectors.npy"
    n_kmers = len(encoding.sequence_vocabulary)
    if vectors.exists() and len(np.load(vectors, mmap_mode="r")) != n_kmers:
        raise ValueError(f"{MANIFEST} and {vectors.name} differ in the k-mers.")
    require_digest(directory, manifest)


def require_digest(directory: Path, manifest: dict[str, Any]) -> None:
    """Refuses a Keras file that is not the one that training wrote.

    Raises:
      OSError: There is none.
      ValueError: It is another.
    """
    # Keras would load some damaged weights, or weights of another network.
    if files.sha256(_network_of(directory, manifest)) != manifest["model_sha256"]:
        raise ValueError(f"{MODEL} is not the file that training wrote.")


def _network_of(directory: Path, manifest: dict[str, Any]) -> Path:
    """Returns the Keras file of a run; an RBP of a joint run has that of all."""
    return directory / manifest.get("network", {}).get("file", MODEL)


def joint_above(directory: Path) -> Path | None:
    """Returns the joint run, or the ensemble of such, that the run of an RBP is in.

    Returns:
      None: The run is in no joint run.

    Raises:
      UserError: The manifest above cannot be read.
    """
    parent = directory.resolve().parent
    joint = parent.parent
    is_one = parent.name == RBPS and (joint / MANIFEST).exists()
    return joint if is_one and "rbps" in read_manifest(joint) else None


def full_name(directory: Path) -> str:
    """Returns the name of a run; of one RBP of a joint run as in "rbp31/QKI"."""
    name = directory.resolve().name
    joint = joint_above(directory)
    return f"{joint.name}/{name}" if joint else name


def load_network(
    directory: Path, manifest: dict[str, Any], config: RunConfig
) -> "keras.Model":
    """Loads the network of a single training; nothing in its file can run code.

    Of an RBP of a joint run it is the network of this RBP alone.

    Raises:
      ValueError: The file is not the one that training wrote, or reads other views.
    """
    network = _loaded(_network_of(directory, manifest), manifest, config)
    of_joint = manifest.get("network")
    if of_joint is None:
        return network
    from deeprke_tf.networks.joint import single_output

    return single_output(network, config.model, of_joint["output"])


def saved_network(directory: Path, manifest: dict[str, Any]) -> "SavedNetwork":
    """Returns where the network of `load_network` lies, to be read without TensorFlow.

    Raises:
      ValueError: A network's file is not the one that training wrote.
    """
    from deeprke_tf.networks.saved_weights import SavedNetwork

    require_digest(directory, manifest)
    onnx_file(directory, manifest)  # which may be needed late, and is checked here
    output = manifest.get("network", {}).get("output")
    return SavedNetwork(_network_of(directory, manifest), output)


def onnx_file(directory: Path, manifest: dict[str, Any]) -> Path | None:
    """Returns the ONNX file of a single training or a joint run; None: it has none.

    Raises:
      ValueError: It is not the one that training wrote.
    """
    path = _network_of(directory, manifest).with_name(ONNX)
    if "onnx_sha256" not in manifest or not path.exists():
        return None
    if files.sha256(path) != manifest["onnx_sha256"]:
        raise ValueError(f"{ONNX} is not the file that training wrote.")
    return path


def load_joint_network(
    directory: Path, manifest: dict[str, Any], config: RunConfig
) -> "keras.Model":
    """Loads the network of a joint run; nothing in its file can run code.

    Raises:
      ValueError: The file is not the one that training wrote, reads other views, or has
        another number of outputs than the manifest has RBPs.
    """
    network = _loaded(directory / MODEL, manifest, config)
    n_rbps = len(manifest["rbps"])
    if network.outputs[0].shape[1] != n_rbps:
        raise ValueError(f"{MODEL} does not have the {n_rbps} outputs of {MANIFEST}.")
    return network


def register_layers() -> None:
    """Lets Keras find the layers that it looks up by name when it loads a network."""
    import keras

    from deeprke_tf.networks import (
        byte_dropout,  # noqa: F401
        fourier_conv,  # noqa: F401
        fused_lstm,  # noqa: F401
        kmer_conv,  # noqa: F401
        kmer_counts,  # noqa: F401
        positions,  # noqa: F401
    )

    # As networks name them that were saved before 2026-11-30.
    keras.saving.get_custom_objects().update(
        {
            "deeprke_tf>Conv1D": keras.layers.Conv1D,
            "deeprke_tf>HalvingMaxPooling1D": keras.layers.MaxPooling1D,
        }
    )


def _loaded(path: Path, manifest: dict[str, Any], config: RunConfig) -> "keras.Model":
    tensorflow.require_tensorflow()
    import keras

    from deeprke_tf.networks import fourier_conv

    register_layers()
    if files.sha256(path) != manifest["model_sha256"]:
        raise ValueError(f"{MODEL} is not the file that training wrote.")
    with keras_files.readable(path) as readable:
        network = keras.models.load_model(readable, compile=False, safe_mode=True)
    if {tensor.name for tensor in network.inputs} != set(config.model.views):
        raise ValueError(f"{CONFIG} and {MODEL} differ in the views that are read.")
    return fourier_conv.with_fourier_convolutions(network)
