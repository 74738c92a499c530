"""A trained model, with all that it is used for."""

from pathlib import Path

from deeprke_tf.api.explaining import ExplainingRun
from deeprke_tf.api.predicting import PredictingRun
from deeprke_tf.errors import UserError
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike


class Run(PredictingRun, ExplainingRun):
    """A trained model: a run, an ensemble, or several of them averaged.

    It has the attributes of `deeprke_tf.runs.run.Run`, such as `threshold`,
    `calibration`, `config`, `members` and `model`, the Keras network.
    """

    @checked
    def export(self, out: PathLike, license: str = "not stated") -> Path:
        """Writes the model as a SavedModel that TF Serving can load.

        Args:
          out: Directory of the served model, such as "serving/QKI"; versions lie in it.
          license: License of the model for its card, such as "CC-BY-4.0".

        Returns:
          The directory of the new version.

        Raises:
          UserError: The directory cannot be written to, or several runs were loaded
            together: train an ensemble to export one.
        """
        from deeprke_tf.serving.export import export_run

        if self.given:
            raise UserError(
                "Runs that were loaded together cannot be exported; train an ensemble."
            )
        path, _configuration = export_run(self, Path(out), license)
        return path
