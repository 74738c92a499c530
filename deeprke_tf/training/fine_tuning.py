"""Training that starts from the network of another run, for few sites.

The body of the network, all before its output, comes from the other run. It stays as it
is for the first epochs, in which the new output learns, then learns at a lower rate.
"""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import keras
from keras import ops

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.networks import joint
from deeprke_tf.runs import layout
from deeprke_tf.runs.joint_network import JointNetwork, is_joint
from deeprke_tf.runs.run import Run
from deeprke_tf.training import objective
from deeprke_tf.training.settings import as_given


class Source(NamedTuple):
    """A run to start from.

    Attributes:
      directory: It holds the k-mer vectors; of an RBP of a joint run the joint one.
      config: All settings.
      encoding: How its k-mer ids are made.
    """

    directory: Path
    config: RunConfig
    encoding: Encoding

    def network(self) -> keras.Model:
        """Loads the network.

        Raises:
          UserError: A file is damaged.
        """
        if is_joint(self.directory):
            return JointNetwork.load(self.directory).model
        return Run.load(self.directory).model


def read(directory: Path) -> Source:
    """Reads settings and encoding of a run, a joint run, or one RBP of a joint run.

    Raises:
      UserError: It is none, an ensemble, or damaged.
    """
    manifest = layout.read_manifest(directory)
    with layout.damage_told(directory):
        if "members" in manifest:
            names = ", ".join(member["directory"] for member in manifest["members"])
            raise UserError(
                f"{directory} is an ensemble; `init_from` takes a member: {names}."
            )
        directory = layout.joint_above(directory) or directory
        source = f"{directory / layout.MANIFEST}: encoding"
        encoding = config.from_dict(Encoding, manifest["encoding"], source)
    return Source(
        directory, config.load(RunConfig, directory / layout.CONFIG), encoding
    )


def check(source: Source | None, info: Dataset, run_config: RunConfig) -> None:
    """Refuses what cannot be trained from another run, before anything is written.

    Args:
      source: The run to start from; None: training starts from scratch.
      info: The dataset.
      run_config: All settings.

    Raises:
      UserError: The dataset has another encoding, the network another shape, the body
        is never trained though it should be, or settings need a source.
    """
    settings = run_config.train
    if source is None:
        require_scratch(run_config)
        return
    info.require_encoding(source.encoding, run_config.model.views)
    there, here = _shape(source.config), _shape(run_config)
    if other := [name for name in there | here if there.get(name) != here.get(name)]:
        values = (as_given(of.get(other[0])) for of in (there, here))
        raise UserError(
            f"The network of {source.directory} has another shape than the one to "
            f"train: `{other[0]}` {', here '.join(values)}. "
            "With `init_from` leave `preset`, `config` and settings of network and "
            "vectors out to take its own."
        )
    n_sites = info.split("train").n_sites
    n_epochs = objective.for_sites(settings, n_sites).epochs
    if settings.body_rate and settings.frozen_epochs >= n_epochs:
        raise UserError(
            f"`frozen_epochs` {settings.frozen_epochs} of {n_epochs} epochs leave none "
            "to train all weights in; give fewer, or `body_rate=0` to train the output "
            "alone."
        )


def require_scratch(run_config: RunConfig) -> None:
    """Refuses settings of a training that starts from another run.

    Raises:
      UserError: A setting is one.
    """
    if run_config.train.frozen_epochs or run_config.train.body_rate != 1:
        raise UserError(
            "`frozen_epochs` and `body_rate` are for trainings that start from another "
            "run: give `init_from`, or `frozen_epochs=0` and `body_rate=1`."
        )


# Settings of a network that its weights before the output do not depend on.
_NO_SHAPE = {"trainable_vectors", "union_mean", "kmer_weight"}
_NO_SHAPE |= {"dropout", "spatial_dropout"}


def _shape(run_config: RunConfig) -> dict[str, Any]:
    """Returns the settings that the shapes of vectors and weights depend on."""
    model = run_config.model
    modules = ("structure", "union") if model.structure else ("union",)
    shape = {
        name: value
        for name, value in dataclasses.asdict(model).items()
        if model.reads(name) and name not in _NO_SHAPE | {"structure_filters"}
    }
    for module in modules:
        filters, shape[f"{module}_kernel_sizes"] = model.shape_of(module)
        shape[f"{module}_filters"] = filters
    return shape | {"vector_size": run_config.vectors.vector_size}


def copy_body(source: Source, model: keras.Model) -> None:
    """Copies all weights but those of the output.

    Raises:
      UserError: The source is damaged.
    """
    try:
        joint.copy_body(source.network(), model)
    except ValueError as error:
        raise UserError(
            f"The network of {source.directory} is not what its settings say: {error}"
        ) from error


@keras.saving.register_keras_serializable("deeprke_tf")
class FineTuningAdam(keras.optimizers.Adam):
    """Adam with a lower learning rate for all weights but those of the output.

    Args:
      frozen_steps: Steps in which the other weights stay as they are.
      body_rate: Their learning rate after that, as a fraction.
    """

    def __init__(self, *args: Any, frozen_steps: int, body_rate: float, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.frozen_steps = frozen_steps
        self.body_rate = body_rate

    def build(self, variables: Any) -> None:
        """Makes the moments of the weights."""
        super().build(variables)
        self._are_of_output = [joint.is_of_output(v.path) for v in variables]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one weight."""
        # TensorFlow's variable has no path; Adam finds its moments by the same index.
        if not self._are_of_output[self._get_variable_index(variable)]:
            is_frozen = self.iterations < self.frozen_steps
            learning_rate *= ops.where(is_frozen, 0.0, self.body_rate)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer."""
        own = {"frozen_steps": self.frozen_steps, "body_rate": self.body_rate}
        return super().get_config() | own
