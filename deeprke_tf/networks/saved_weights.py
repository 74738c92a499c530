"""The weights of a saved network, read without Keras, which takes seconds to load."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

# By layer, such as "dense", or layer in a layer, such as "bilstm/forward_layer/cell".
Weights = Mapping[str, Sequence[np.ndarray]]

_FILE = "model.weights.h5"


def read(path: Path) -> Weights | None:
    """Returns the weights of a `.keras` file; nothing in it can run code.

    Args:
      path: Of a network whose layers hold no networks.

    Returns:
      None: it is from a Keras that did not write the names of layers.
    """
    found: dict[str, list[np.ndarray]] = {}
    with zipfile.ZipFile(path) as archive:
        contents = io.BytesIO(archive.read(_FILE))
    with h5py.File(contents, "r") as file:
        for layer in file["layers"].values():
            name = layer["vars"].attrs.get("name")
            if name is None:
                return None
            _collect(layer, name, found)
    return found


def of_output(weights: Weights, output: int) -> Weights:
    """Returns the weights of the network of one RBP of a joint network.

    Args:
      weights: Those of the joint network.
      output: Place of the RBP among the outputs.
    """
    kernel, bias = weights["log_odds"]
    single = {**weights, "log_odds": [kernel[:, [output]], bias[[output]]]}
    if "kmer_counts" in weights:
        single["kmer_counts"] = [weights["kmer_counts"][0][:, output]]
    return single


def _collect(group: h5py.Group, name: str, found: dict[str, list[np.ndarray]]) -> None:
    for key, inner in group.items():
        if key != "vars":
            _collect(inner, f"{name}/{key}", found)
        elif len(inner):
            numbers = sorted(inner, key=int)
            found[name] = [inner[i][...].astype(np.float32) for i in numbers]
