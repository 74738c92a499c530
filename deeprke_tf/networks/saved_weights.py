"""The weights of a saved network, read without Keras, which takes seconds to load."""

import dataclasses
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

# By layer, such as "dense", or layer in a layer, such as "bilstm/forward_layer/cell".
Weights = Mapping[str, Sequence[np.ndarray]]

_FILE = "model.weights.h5"


@dataclasses.dataclass(frozen=True)
class SavedNetwork:
    """Where the network of one RBP lies; small, so that processes are sent it.

    Attributes:
      path: A `.keras` file whose layers hold no networks.
      output: Place of the RBP among the outputs of a joint network; None: it is of one.
    """

    path: Path
    output: int | None = None

    def weights(self) -> Weights | None:
        """Reads the weights; nothing in the file can run code.

        Returns:
          None: the file is from a Keras that did not write the names of layers.
        """
        weights = _read(self.path)
        if weights is None or self.output is None:
            return weights
        return _of_output(weights, self.output)


def _read(path: Path) -> Weights | None:
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


def _of_output(weights: Weights, output: int) -> Weights:
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
