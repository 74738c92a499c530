"""Models for other programs: as a SavedModel or as an ONNX file."""

from pathlib import Path
from typing import Literal

from deeprke_tf.errors import UserError
from deeprke_tf.runs import cards, joint, run
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike


class Exporting:
    """A run, an ensemble or a joint run that is exported."""

    @property
    def license(self) -> str:
        """License that `card.json` of the model states, or "not stated"."""
        assert isinstance(self, (run.Run, joint.JointRun))
        if isinstance(self, joint.JointRun):
            return cards.license_of(self.directories[0])
        return cards.license_of(self.directory)

    @checked
    def export(
        self,
        out: PathLike,
        license: str | None = None,
        format: Literal["savedmodel", "onnx"] = "savedmodel",
    ) -> Path:
        """Writes the model as a SavedModel for TF Serving, or as one ONNX file.

        Args:
          out: Directory of the served model, such as "serving/QKI"; versions lie in it.
            With `format` "onnx", the file, such as "QKI.onnx".
          license: License of the model for its card or the file's metadata, such as
            "CC-BY-4.0"; by default the one that `card.json` of the model states.
          format: "savedmodel" or "onnx".

        Returns:
          The directory of the new version, or the file.

        Raises:
          UserError: `out` cannot be written to, or several runs were loaded together:
            train an ensemble to export one. ONNX does not know a layer of the network.
        """
        assert isinstance(self, (run.Run, joint.JointRun))
        if isinstance(self, run.Run) and self.given:
            raise UserError(
                "Runs that were loaded together cannot be exported; train an ensemble."
            )
        license_name = license or self.license
        if format == "onnx":
            from deeprke_tf.serving.onnx_export import export_onnx

            export_onnx(self, Path(out), license_name)
            return Path(out)
        from deeprke_tf.serving.export import export_run

        path, _configuration = export_run(self, Path(out), license_name)
        return path
