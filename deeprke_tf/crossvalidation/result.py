"""The result of a cross-validation: measures, out-of-fold probabilities, files.

Measures of a cv fold are those of its run on the held-out sites, at the threshold and
with the calibration that the run chose on its own validation sites. Pooled measures are
those of all sites together, each as the run called it that has not seen it.
"""

import dataclasses
import functools
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprke_tf.evaluation import figures, metrics, reliability
from deeprke_tf.runs import layout
from deeprke_tf.runs.evaluation import PREDICTIONS
from deeprke_tf.system import files, tables
from deeprke_tf.system.damage import one_line_if_damaged

_logger = logging.getLogger(__name__)

FILE_NAME = "crossvalidation.json"
OUT_OF_FOLD = "out_of_fold.tsv"
ROC = f"{layout.FIGURES}/roc_cv_folds.png"
MEASURES = (*metrics.MEASURES, "brier", "ece")

_NUMBERS = {"label": int, "probability": np.float32, "calibrated_probability": float}


@dataclasses.dataclass(frozen=True)
class CvFold:
    """The evaluated run of one cv fold.

    Attributes:
      name: Its name.
      measures: By the names of `MEASURES`.
      threshold: From which its run calls a site bound.
      best_epoch: Of its run.
      n_trained: Sites that the run was trained on.
      sites: Its `predictions.tsv`; cells that are no number of `_NUMBERS` are texts.
    """

    name: str
    measures: dict[str, float]
    threshold: float
    best_epoch: int
    n_trained: int
    sites: pd.DataFrame

    @classmethod
    def read(cls, run: Path) -> "CvFold":
        """Reads the files of a run that was evaluated on its test split.

        Raises:
          UserError: One of them is damaged.
        """
        with one_line_if_damaged(run, "delete it, and give the same command again"):
            return cls._of_files(run)

    @classmethod
    def _of_files(cls, run: Path) -> "CvFold":
        measured = files.read_json(run / layout.METRICS)
        manifest = layout.read_manifest(run)
        of_calibrated = measured["calibration"]["after"]
        sites = pd.read_csv(
            run / PREDICTIONS, sep="\t", dtype=str, keep_default_na=False
        )
        return cls(
            run.name,
            {name: (measured | of_calibrated)[name] for name in MEASURES},
            measured["threshold"],
            manifest["best_epoch"],
            manifest["data"]["splits"]["train"]["n_sites"],
            sites.astype(_NUMBERS),
        )


@dataclasses.dataclass(frozen=True, repr=False)
class CrossValidation:
    """A finished cross-validation.

    Attributes:
      directory: Where it lies.
      contents: The contents of `crossvalidation.json`.
    """

    directory: Path
    contents: dict[str, Any]

    @classmethod
    def read(cls, directory: Path) -> "CrossValidation":
        """Reads a finished cross-validation.

        Raises:
          UserError: It is not finished, or the file cannot be read.
        """
        found = cls(directory, files.read_json(directory / FILE_NAME))
        with one_line_if_damaged(
            directory / FILE_NAME, "delete it, and the same command writes it anew"
        ):
            _ = found.summary  # reads all that there should be
        return found

    def __repr__(self) -> str:
        auroc = self.contents["measures"]["auroc"]
        return (
            f"<CrossValidation of {self.contents['n_sites']:,} sites, "
            f"{self.contents['folds']} folds by {self.contents['groups']}: AUROC "
            f"{auroc['mean']:.4f} ± {auroc['sd']:.4f}>"
        )

    @property
    def final(self) -> Path:
        """The directory of the final model, for `load_run`."""
        return self.directory / "final"

    @property
    def table(self) -> Path:
        """The file of all sites with their out-of-fold probabilities."""
        return self.directory / OUT_OF_FOLD

    @property
    def figure(self) -> Path:
        """The ROC curves of all cv folds."""
        return self.directory / ROC

    @functools.cached_property
    def measures(self) -> pd.DataFrame:
        """A row for each measure; columns `mean`, `sd`, `pooled` and each cv fold."""
        rows = {
            name: {
                **{column: found[column] for column in ("mean", "sd", "pooled")},
                **found["cv_folds"],
            }
            for name, found in self.contents["measures"].items()
        }
        return pd.DataFrame.from_dict(rows, orient="index")

    @functools.cached_property
    def sites(self) -> pd.DataFrame:
        """`out_of_fold.tsv`: a row for each site, with its cv fold and probability."""
        texts = dict.fromkeys(("name", "chrom", "strand", "blocks", "gene"), str)
        numbers = dict.fromkeys(("start", "end"), "Int64")
        return pd.read_csv(
            self.table,
            sep="\t",
            dtype={**texts, **numbers, "probability": np.float32},
            keep_default_na=False,
            na_values={name: [""] for name in numbers},
        )

    @property
    def summary(self) -> str:
        """The measures and the cv folds as tables."""
        found = self.contents
        rows = [["", "mean", "sd", "pooled", "95 % interval"]]
        for name, of_one in found["measures"].items():
            numbers = [f"{of_one[column]:.4f}" for column in ("mean", "sd", "pooled")]
            interval = of_one["pooled_ci"]
            ends = "{:.4f} to {:.4f}".format(*interval) if interval else ""
            rows.append([_TITLES[name], *numbers, ends])
        of_folds = [["cv fold", "sites", "bound", "groups", "AUROC", "best epoch"]]
        for number, facts in enumerate(found["cv_folds"]):
            auroc = found["measures"]["auroc"]["cv_folds"][facts["name"]]
            counts = [f"{facts[count]:,}" for count in ("n_sites", "n_positive")]
            groups = f"{found['n_groups_of_cv_folds'][number]:,}"
            epoch = str(facts["best_epoch"])
            of_folds.append([facts["name"], *counts, groups, f"{auroc:.4f}", epoch])
        return (
            f"{found['n_sites']:,} sites ({found['n_positive']:,} bound) in "
            f"{found['n_groups']:,} groups, by {found['groups']}\n\n"
            f"{tables.text_table(of_folds)}\n\n{tables.text_table(rows)}"
        )


_TITLES = {
    **{name: name.upper() for name in metrics.MEASURES},
    "accuracy": "accuracy",
    "brier": "Brier score",
    "ece": "calibration error",
}


def out_of_fold(cv_folds: Sequence[CvFold]) -> pd.DataFrame:
    """Returns the sites of all cv folds, with a column `cv_fold`."""
    each = [fold.sites.assign(cv_fold=n) for n, fold in enumerate(cv_folds, start=1)]
    return pd.concat(each, ignore_index=True)


def measure(cv_folds: Sequence[CvFold], sites: pd.DataFrame) -> dict[str, Any]:
    """Measures all cv folds.

    Args:
      cv_folds: At least two.
      sites: Result of `out_of_fold`.

    Returns:
      A part of `crossvalidation.json`: number of sites, measures and cv folds.
    """
    pooled = _pooled(cv_folds, sites)
    measures = {}
    for name in MEASURES:
        values = {fold.name: fold.measures[name] for fold in cv_folds}
        measures[name] = {
            "mean": float(np.mean([*values.values()])),
            "sd": float(np.std([*values.values()], ddof=1)),
            "pooled": pooled[name],
            "pooled_ci": pooled.get(f"{name}_ci"),
            "cv_folds": values,
        }
    return {
        "n_sites": len(sites),
        "n_positive": int(sites["label"].sum()),
        "measures": measures,
        "cv_folds": [
            {
                "name": fold.name,
                "n_sites": len(fold.sites),
                "n_positive": int(fold.sites["label"].sum()),
                "threshold": fold.threshold,
                "best_epoch": fold.best_epoch,
            }
            for fold in cv_folds
        ],
    }


def _pooled(cv_folds: Sequence[CvFold], sites: pd.DataFrame) -> dict[str, Any]:
    """Returns the measures of all sites together."""
    labels, probabilities = sites["label"], sites["probability"]
    calls = [fold.sites["probability"] >= fold.threshold for fold in cv_folds]
    # Each at the threshold of its own run: calls are probabilities of 0 and 1.
    of_calls = metrics.evaluate_probabilities(labels, pd.concat(calls), threshold=0.5)
    of_order = metrics.evaluate_probabilities(labels, probabilities, threshold=0.5)
    areas = ("auroc", "auroc_ci", "auprc", "auprc_ci")
    return {
        **of_calls,
        **{name: of_order[name] for name in areas},
        **reliability.calibration_measures(labels, sites["calibrated_probability"]),
    }


def write(
    out: Path,
    contents: dict[str, Any],
    cv_folds: Sequence[CvFold],
    sites: pd.DataFrame,
) -> None:
    """Writes table, figure and, last, `crossvalidation.json`; warns of what is odd."""
    with files.written_aside(out / OUT_OF_FOLD) as file:
        sites.to_csv(file, sep="\t", index=False, float_format="%.9g")
    (out / layout.FIGURES).mkdir(exist_ok=True)
    auroc = contents["measures"]["auroc"]
    figures.roc_curves(
        {
            fold.name: (fold.sites["label"], fold.sites["probability"])
            for fold in cv_folds
        },
        out / ROC,
        title=f"{len(cv_folds)} folds by {contents['groups']} ({len(sites):,} sites)\n"
        f"AUROC {auroc['mean']:.3f} ± {auroc['sd']:.3f}",
    )
    files.write_json(out / FILE_NAME, contents)
    _warn(contents)


def _warn(contents: dict[str, Any]) -> None:
    sizes = [fold["n_sites"] for fold in contents["cv_folds"]]
    if max(sizes) > 2 * min(sizes):
        _logger.warning(
            "cv folds have %d to %d sites, as some groups (by %s) are large: measures "
            "vary more than for equal ones.",
            *(min(sizes), max(sizes), contents["groups"]),
        )
    interval = contents["measures"]["auroc"]["pooled_ci"]
    if interval and interval[0] <= 0.5:
        _logger.warning(
            "on sites that they have not seen, the models are not clearly better than "
            "chance (AUROC %.4f to %.4f).",
            *interval,
        )
