"""Export of a run as one ONNX file, for runtimes other than TensorFlow."""

from pathlib import Path
from typing import Any

import keras

from deeprke_tf import __version__, config
from deeprke_tf.config import ModelConfig, RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.networks.onnx_network import onnx_file
from deeprke_tf.runs import layout
from deeprke_tf.runs.joint import JointRun
from deeprke_tf.runs.run import Run
from deeprke_tf.system import directories, files


def export_onnx(
    run: Run | JointRun, path: Path, license_name: str = "not stated"
) -> None:
    """Writes the networks of a run, or their mean, as one file.

    Its metadata are what a user needs beside the network: `k` and both alphabets, and
    by RBP thresholds and calibrations, as JSON.

    Args:
      run: A finished run, ensemble or joint run.
      path: The file.
      license_name: License of the model, an SPDX identifier.

    Raises:
      UserError: `path` is a directory or cannot be written, or a network has a layer
        that is not known in ONNX.
    """
    if path.is_dir():
        raise UserError(
            f"`out` {path} is a directory; with `format` onnx, name a file."
        )
    directories.make_directory(path.parent)
    encoding = run.encoding
    metadata = {
        "deeprke_tf": __version__,
        "model": run.name,
        "license": license_name,
        "k": encoding.k,
        "sequence_alphabet": encoding.sequence_alphabet,
        "structure_alphabet": encoding.structure_alphabet,
        **_of_outputs(run),
    }
    try:
        contents = onnx_file(_networks(run), metadata)
    except ValueError as error:
        raise UserError(f"{run.name} cannot be exported as ONNX: {error}") from error
    with files.bytes_written_aside(path) as file:
        file.write(contents)


def _networks(run: Run | JointRun) -> list[tuple[keras.Model, ModelConfig]]:
    if isinstance(run, Run):
        return [(each.model, each.config.model) for each in run.trainings]
    configs = [
        config.load(RunConfig, directory / layout.CONFIG)
        for directory in run.directories
    ]
    return [
        (model, each.model) for model, each in zip(run.models, configs, strict=True)
    ]


def _of_outputs(run: Run | JointRun) -> dict[str, Any]:
    """Returns names, thresholds and calibrations of the outputs."""
    if isinstance(run, Run):
        runs, names = [run], []
    else:
        runs, names = [run.run(name) for name in run.names], list(run.names)
    return {
        "rbps": names,
        "thresholds": [each.threshold for each in runs],
        "calibrations": [each.calibration.to_json() for each in runs],
    }
