"""The files that a report is made from."""

import contextlib
import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.file_names import MANIFEST as EXPLANATION
from deeprke_tf.runs import catalog, layout
from deeprke_tf.runs.evaluation import PREDICTIONS
from deeprke_tf.system import files
from deeprke_tf.system.damage import one_line_if_damaged

AUDIT, EXTRACTION, MATCHING = "audit.json", "extract.json", "matching.json"
# `deeprke run` leaves it beside the directories of its steps.
WORKFLOW = "workflow.json"

_PARTS = {
    "validation": "by which the epoch and the threshold were chosen",
    "out-of-fold": "by which the epochs and the threshold were chosen",
    "train": "from which the model has learned",
}

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Sources:
    """Directories of what is known about a model; None: not given, and not found.

    Attributes:
      model: The run or ensemble.
      explain: Of `deeprke explain`.
      audit: Of `deeprke audit`.
      evaluation: Of `deeprke evaluate`.
      extraction: Of `deeprke extract`.
      workflow: Of `deeprke run`.
    """

    model: Path
    explain: Path | None = None
    audit: Path | None = None
    evaluation: Path | None = None
    extraction: Path | None = None
    workflow: Path | None = None

    @property
    def title(self) -> str:
        """The name of the model; `deeprke run` calls all of them `model`."""
        if self.workflow:
            return self.workflow.resolve().name
        return layout.full_name(self.model)


@dataclasses.dataclass(frozen=True)
class Measured:
    """How good a model is on one split.

    Attributes:
      measures: Contents of `metrics.json`.
      labels: 1 bound, 0 background, [n_sites]; None: they were not kept.
      probabilities: Of the same sites, [n_sites].
      sites: Their table, if they have names.
    """

    measures: dict[str, Any]
    labels: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    sites: Any = None

    @property
    def split(self) -> str:
        """The split that was measured, in words."""
        return str(self.measures["split"]).replace("_", "-")

    @property
    def part(self) -> str:
        """What these sites had to do with the model; empty: nothing."""
        return _PARTS.get(self.split, "")


def made_by(
    command: str, directory: Path | None
) -> contextlib.AbstractContextManager[None]:
    """Names the directory to make again, where a damaged file ends the block."""
    remedy = f"make it again with `deeprke {command}`"
    return one_line_if_damaged(directory, remedy)


def find_sources(
    model: Path,
    *,
    explain: Path | None = None,
    audit: Path | None = None,
    evaluation: Path | None = None,
    extraction: Path | None = None,
) -> Sources:
    """Checks what was given, and looks for the rest where `deeprke run` puts it.

    Raises:
      UserError: A directory lacks the file that makes it what it should be.
    """
    layout.read_manifest(model)
    markers = {
        "explain": (explain, EXPLANATION, "explain"),
        "audit": (audit, AUDIT, "audit"),
        "evaluation": (evaluation, layout.METRICS, "evaluation"),
        "extraction": (extraction, EXTRACTION, "sites"),
    }
    parent = model.resolve().parent
    workflow = parent if (parent / WORKFLOW).exists() else None
    found: dict[str, Path | None] = {}
    for name, (given, marker, usual) in markers.items():
        if given is not None and not (given / marker).exists():
            raise UserError(f"`{name}` {given} has no {marker}.")
        beside = workflow / usual if workflow else None
        if given is None and beside is not None and (beside / marker).exists():
            given = beside
        found[name] = given
    if found["evaluation"] is None and _is_evaluated(model):
        found["evaluation"] = model
    return Sources(model, **found, workflow=workflow)


def _is_evaluated(model: Path) -> bool:
    """Tells whether a model has its measures on test, in the usual place.

    Packaged RBPs of a joint run have them without the predictions.
    """
    if (model / PREDICTIONS).exists() or layout.joint_above(model) is None:
        return (model / PREDICTIONS).exists()
    return bool(files.read_json(model / layout.METRICS).get("split") == "test")


def read_measured(sources: Sources, manifest: dict[str, Any]) -> Measured:
    """Reads the evaluation of a model, or what its training measured on validation.

    Raises:
      UserError: A file cannot be read, or the evaluation is of another model.
    """
    directory = sources.evaluation
    if directory is None:
        measures = layout.validation_measures(sources.model)
        return Measured(measures, *layout.read_validation(sources.model))
    measures = files.read_json(directory / layout.METRICS)
    if not math.isclose(measures["threshold"], manifest["threshold"], rel_tol=1e-6):
        raise UserError(
            f"`evaluation` {directory} is of another model: its threshold is "
            f"{measures['threshold']:.6f}, that of {sources.model} "
            f"{manifest['threshold']:.6f}."
        )
    if not (directory / PREDICTIONS).exists():
        if not catalog.name_in_catalog(directory):  # models come without them
            logger.warning(
                "%s has no %s: the report has no curves. Evaluate the model again, and "
                "give `evaluation`.",
                *(directory, PREDICTIONS),
            )
        return Measured(measures)
    sites = read_predictions(directory / PREDICTIONS)
    return Measured(
        measures, sites["label"].to_numpy(), sites["probability"].to_numpy(), sites
    )


def read_predictions(path: Path) -> Any:
    """Reads the predictions of an evaluation as a pandas table.

    Raises:
      UserError: The file cannot be read.
    """
    import pandas as pd

    columns = ["name", "label", "probability", "calibrated_probability"]
    try:
        # No cell is empty but a place that is not known; a site may be called NA.
        table = pd.read_csv(path, sep="\t", na_filter=False, dtype={"name": str})
        if missing := [column for column in columns if column not in table]:
            raise ValueError(f"there is no column {missing[0]}")
        return table.astype(dict.fromkeys(columns[2:], float))
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error
