"""The network of a joint run, its outputs, and where the run of each RBP lies."""

import dataclasses
import difflib
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout, onnx_scorer

if TYPE_CHECKING:
    import keras

    from deeprke_tf.runs.batching import Scorer


def is_joint(directory: Path) -> bool:
    """Tells whether a directory is a finished joint run."""
    path = directory / layout.MANIFEST
    return path.exists() and "rbps" in layout.read_manifest(directory)


def names_of(directory: Path) -> list[str]:
    """Returns the names of the RBPs of a joint run, in the order of its outputs.

    Raises:
      UserError: The manifest is damaged.
    """
    manifest = layout.read_manifest(directory)
    with layout.damage_told(directory):
        return [row["name"] for row in manifest["rbps"]]


def directory_of(directory: Path, rbp: str | None) -> Path:
    """Returns the directory of a run: that of one RBP, if it is a joint run.

    Args:
      directory: A run, an ensemble or a joint run.
      rbp: Name of the RBP, for a joint run.

    Raises:
      UserError: It is a joint run and there is no such RBP, or it is none and `rbp` is
        given.
    """
    if not is_joint(directory):
        if rbp is None:
            return directory
        raise UserError(
            f"`rbp` {rbp!r} is for joint runs, and {directory} is none: leave it out."
        )
    names = names_of(directory)
    if rbp not in names:
        asked = f"has no RBP {rbp!r}" if rbp else "is a joint run: name one with `rbp`"
        raise UserError(f"{directory} {asked}; {_advice(rbp or '', names)}")
    return directory / layout.RBPS / rbp


def require_rbps(model: str, known: Sequence[str], asked: Iterable[str]) -> None:
    """Refuses names that are not those of a model's RBPs.

    Args:
      model: What the model is called in the error.
      known: Names of its RBPs; none for a model of one RBP.
      asked: The names.

    Raises:
      UserError: There is no such RBP.
    """
    for name in asked:
        if name not in known:
            raise UserError(f"{model} has no RBP {name!r}; {_advice(name, known)}")


def _advice(name: str, known: Sequence[str]) -> str:
    """Returns which RBPs there are, the one that is like a name first."""
    if not known:
        return "it is no joint model."
    likely = difflib.get_close_matches(name.lower(), map(str.lower, known), n=1)
    near = [rbp for rbp in known if rbp.lower() in likely]
    question = f"did you mean {near[0]!r}? It" if near else "it"
    return f"{question} has: {', '.join(known)}."


@dataclasses.dataclass
class JointNetwork:
    """The network of a joint run, loaded and compiled when it is needed.

    Attributes:
      directory: The joint run.
      manifest: Contents of its manifest.
      config: All settings.
    """

    directory: Path
    manifest: dict[str, Any]
    config: RunConfig

    @classmethod
    def load(cls, directory: Path) -> "JointNetwork":
        """Returns the network of a finished joint run.

        Raises:
          UserError: It is none, or a file is damaged.
        """
        manifest = layout.read_manifest(directory)
        if "rbps" not in manifest:
            raise UserError(f"{directory} is a run of one RBP, not a joint run.")
        return cls(
            directory, manifest, config.load(RunConfig, directory / layout.CONFIG)
        )

    @property
    def names(self) -> list[str]:
        """Names of the RBPs, in the order of the outputs."""
        return [row["name"] for row in self.manifest["rbps"]]

    @functools.cached_property
    def model(self) -> "keras.Model":
        """The network; probabilities float32 [batch, n_rbps].

        Raises:
          UserError: Its file is damaged.
        """
        with layout.damage_told(self.directory):
            return layout.load_joint_network(self.directory, self.manifest, self.config)

    @functools.cached_property
    def score(self) -> "Scorer":
        """The compiled network; see `scorer.scorer`."""
        network = self.model
        from deeprke_tf.runs import scorer

        return scorer.scorer(network)

    @functools.cached_property
    def onnx_scorer(self) -> "Scorer | None":
        """The network in onnxruntime; None: there is no ONNX file.

        Raises:
          UserError: The file is damaged.
        """
        with layout.damage_told(self.directory):
            layout.require_digest(self.directory, self.manifest)
            return onnx_scorer.load(self.directory, self.manifest)


@dataclasses.dataclass
class Output:
    """One output of a joint network; see `run.NetworkOutput`."""

    joint: JointNetwork
    place: int

    def network(self) -> "keras.Model":
        """Returns it as a network of its own."""
        from deeprke_tf.networks.joint import single_output

        return single_output(self.joint.model, self.joint.config.model, self.place)

    def score(self, inputs: dict[str, Any]) -> np.ndarray:
        """Returns the probabilities of a padded batch, float32 [batch]."""
        return self.joint.score(inputs)[:, self.place]

    @property
    def onnx_scorer(self) -> "Scorer | None":
        """The same in onnxruntime; None: the joint run has no ONNX file."""
        return onnx_scorer.column(self.joint.onnx_scorer, self.place)
