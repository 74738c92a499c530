"""An exported model: what its card says, and its SavedModel on a worker."""

import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from deeprke_tf import config
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.system import tensorflow
from deeprke_tf.system.streams import File
from pipelines.beam import files

_CARD = "model_card.json"
_OUTPUTS = ("probability", "calibrated_probability", "probability_sd")


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """One version of a model that `deeprke export` wrote.

    Attributes:
      name: Of the model.
      path: Of the SavedModel; TensorFlow must be able to read there.
      encoding: What its k-mer ids mean.
      views: The inputs of its signature `ids`.
      outputs: What each signature gives: probability, calibrated probability and, of an
        ensemble, the standard deviation over its members.
      threshold: Probability from which a site is called bound.
      sha256: Of the weights it was exported from.
    """

    name: str
    path: str
    encoding: Encoding
    views: tuple[str, ...]
    outputs: tuple[str, ...]
    threshold: float
    sha256: str

    @property
    def has_sd(self) -> bool:
        """Whether it is an ensemble."""
        return _OUTPUTS[-1] in self.outputs

    @property
    def version(self) -> str:
        """The number that it is served under."""
        return self.path.rpartition("/")[2]


def find(path: str) -> ExportedModel:
    """Reads the card of an exported model.

    Args:
      path: A version, or the directory of all versions: then the newest.

    Raises:
      UserError: There is none, or its card cannot be read.
    """
    path = path.rstrip("/")
    card = files.BeamFile(f"{path}/{_CARD}")
    if not card.exists():
        versions = [name for name in files.names_in(path) if name.isdecimal()]
        if not versions:
            raise UserError(
                f"{path} is no model of `deeprke export`: it has no {_CARD}, and no "
                "version that has one."
            )
        path = f"{path}/{max(versions, key=int)}"
        card = files.BeamFile(f"{path}/{_CARD}")
    try:
        return _described(path, card)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{card} cannot be read ({error}); export the model again."
        ) from error


def _described(path: str, card: File) -> ExportedModel:
    with card.open("rb") as file:
        facts = json.loads(file.read())
    encoding = config.from_dict(Encoding, facts["encoding"], f"{card}: encoding")
    views = ("sequence_kmers", "structure_kmers")
    return ExportedModel(
        facts["name"],
        path,
        encoding,
        views if facts["model"]["structure"] else views[:1],
        _OUTPUTS if "members" in facts else _OUTPUTS[:2],
        facts["threshold"],
        facts["model"]["sha256"],
    )


class LoadedModel:
    """A SavedModel in memory.

    Args:
      model: Which one.
    """

    def __init__(self, model: ExportedModel):
        tensorflow.import_tensorflow()
        import tensorflow as tf

        self._model = model
        # The functions of a SavedModel live only as long as it does.
        self._saved = tf.saved_model.load(model.path)
        self._ids = self._saved.signatures["ids"]

    def score(
        self, sites: Sequence[dict[str, np.ndarray]], batch_size: int
    ) -> np.ndarray:
        """Scores encoded sites.

        Args:
          sites: The ids of each site's views, int64 [n_kmers].
          batch_size: Sites that the network sees at once.

        Returns:
          The outputs of the model, float32 [len(sites), n_outputs].
        """
        import tensorflow as tf

        from deeprke_tf.runs.scorer import batched_by_length

        scores = np.zeros((len(sites), len(self._model.outputs)), np.float32)
        for some, batch in batched_by_length(sites, batch_size):
            inputs = {view: tf.constant(batch[view]) for view in self._model.views}
            outputs = self._ids(**inputs)
            for column, name in enumerate(self._model.outputs):
                scores[some, column] = outputs[name].numpy()[:, 0]
        return scores
