"""The files of a trained network: for Keras, and for onnxruntime."""

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.onnx_network import onnx_file
from deeprke_tf.runs import layout, onnx_scorer
from deeprke_tf.system import files

_logger = logging.getLogger(__name__)

# Of probabilities; rounding alone gives 1e-6.
_TOLERANCE = 1e-5
_N_SITES, _LONGEST = 32, 200  # k-mers


def write(out: Path, model: keras.Model, config: ModelConfig) -> None:
    """Writes `model.keras` and, if it gives the same probabilities, `model.onnx`.

    Args:
      out: The run.
      model: A trained network.
      config: Its shape.
    """
    with files.path_aside(out / layout.MODEL) as partial:
        model.save(partial)
    try:
        contents = checked_onnx(model, config)
    except ValueError as error:
        (out / layout.ONNX).unlink(missing_ok=True)
        _logger.warning(
            "no %s is written, and predictions will load TensorFlow: %s",
            *(layout.ONNX, error),
        )
        return
    with files.bytes_written_aside(out / layout.ONNX) as file:
        file.write(contents)


def digests(out: Path) -> dict[str, Any]:
    """Returns the entries of the manifest for the files of a network."""
    entries = {"model_sha256": files.sha256(out / layout.MODEL)}
    if (out / layout.ONNX).exists():
        entries["onnx_sha256"] = files.sha256(out / layout.ONNX)
    return entries


def checked_onnx(model: keras.Model, config: ModelConfig) -> bytes:
    """Returns a network as an ONNX file that gives its probabilities.

    Raises:
      ValueError: It has a layer that is not known in ONNX, or the probabilities differ.
    """
    contents = onnx_file([(model, config)])
    sites = _random_sites(model)
    expected = np.asarray(model(sites, training=False))
    found = onnx_scorer.scorer_of(contents)(sites).reshape(expected.shape)
    difference = float(np.abs(found - expected).max())
    if not difference <= _TOLERANCE:
        raise ValueError(f"Probabilities in ONNX differ by {difference:.2g}.")
    return contents


def _random_sites(model: keras.Model) -> dict[str, np.ndarray]:
    """Returns padded sites of any length, int64 [batch, n_kmers], for each view."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, _LONGEST, _N_SITES)
    inside = np.arange(lengths.max()) < lengths[:, np.newaxis]
    sites = {}
    for tensor in model.inputs:
        view = tensor.name.removesuffix("_kmers")
        n_ids = model.get_layer(f"{view}_cnn_conv_1").get_config()["n_ids"]
        ids = rng.integers(PAD_ID + 1, n_ids, inside.shape)
        sites[tensor.name] = np.where(inside, ids, PAD_ID)
    return sites
