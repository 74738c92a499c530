"""A finished run, or an ensemble of them, loaded from its directory."""

import dataclasses
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.runs import layout
from deeprke_tf.system import files

if TYPE_CHECKING:
    import keras


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
    manifest = layout.read_manifest(directory)
    run_config = config.load(RunConfig, directory / layout.CONFIG)
    try:
        encoding = config.from_dict(
            Encoding, manifest["encoding"], f"{directory / layout.MANIFEST}: encoding"
        )
        threshold = float(manifest["threshold"])
        calibration = Calibration.from_json(
            manifest["calibration"], str(directory / layout.MANIFEST)
        )
        members = _load_members(directory, manifest)
        model = _mean_network(members) if members else _load_model(directory, manifest)
    except KeyError as error:
        raise UserError(
            f"The run {directory} is damaged: {layout.MANIFEST} lacks {error}."
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

    # Keras looks their layers up by name.
    from deeprke_tf.networks import (
        kmer_conv,  # noqa: F401
        kmer_counts,  # noqa: F401
        positions,  # noqa: F401
        vmap_layers,  # noqa: F401
    )

    # Keras would load some damaged weights, or weights of another network.
    if files.sha256(directory / layout.MODEL) != manifest["model_sha256"]:
        raise ValueError(f"{layout.MODEL} is not the file that training wrote.")
    return keras.models.load_model(
        directory / layout.MODEL, compile=False, safe_mode=True
    )


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


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
