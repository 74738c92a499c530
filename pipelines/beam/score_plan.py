"""What a scoring run shall do, apart from who does it."""

import dataclasses
from pathlib import Path
from typing import Literal

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import OF_MODEL, Calling
from deeprke_tf.system.streams import File
from pipelines.beam.exported_model import ExportedModel

TableFormat = Literal["tsv", "parquet"]


@dataclasses.dataclass(frozen=True)
class ScorePlan:
    """One scoring run.

    Attributes:
      models: At least one; all read the same views of the same encoding.
      files: Sites files.
      out: Directory to make.
      overwrite: Whether scores at `out` are replaced.
      format: Of the tables.
      sites_per_shard: Most sites in a table.
      max_length: Longest RNA to fold, nucleotides.
      batch_size: Sites that a network sees at once.
      fold_cache: File of known folds on each worker, if not the one of its user.
    """

    models: tuple[ExportedModel, ...]
    files: tuple[File, ...]
    out: str
    overwrite: bool
    format: TableFormat
    sites_per_shard: int
    max_length: int
    batch_size: int
    fold_cache: Path | None

    def __post_init__(self):
        for name in ("sites_per_shard", "max_length", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"{name} must be at least 1, got {getattr(self, name)}."
                )
        first = self.models[0]
        names = [model.name for model in self.models]
        for model in self.models:
            if names.count(model.name) > 1:
                raise UserError(f"Two models are called {model.name}; score one a run.")
            if (model.encoding, model.views) != (first.encoding, first.views):
                raise UserError(
                    f"{model.name} and {first.name} differ in k, fold settings or "
                    "views; score them in two runs."
                )

    @property
    def encoding(self) -> Encoding:
        """What k-mer ids mean to all the models."""
        return self.models[0].encoding

    @property
    def views(self) -> tuple[str, ...]:
        """What all the models read."""
        return self.models[0].views

    def comments(self, model: ExportedModel) -> list[str]:
        """Returns what a table says of its model, by line."""
        return [
            f"deeprke score, model {model.name}, version {model.version}",
            f"threshold {Calling(model.threshold, OF_MODEL)}",
            "calibration as exported with the model",
        ]
