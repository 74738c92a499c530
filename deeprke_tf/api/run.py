"""A trained model, with all that it is used for."""

from deeprke_tf.api.explaining import ExplainingRun
from deeprke_tf.api.exporting import Exporting
from deeprke_tf.api.predicting import PredictingRun


class Run(PredictingRun, ExplainingRun, Exporting):
    """A trained model: a run, an ensemble, or several of them averaged.

    It has the attributes of `deeprke_tf.runs.run.Run`, such as `threshold`,
    `calibration`, `config`, `members` and `model`, the Keras network.
    """
