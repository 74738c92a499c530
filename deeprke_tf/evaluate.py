"""Measures a trained model on labelled records.

python -m deeprke_tf.evaluate --model runs/QKI --data tfrecords/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from deeprke_tf import cli
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.runs import run as runs
from deeprke_tf.system import directories, files, tables


@dataclasses.dataclass(frozen=True)
class EvaluateFlags:
    """Measures a model on the records of one split, each measure with its interval.

    AUROC and AUPRC are exact; accuracy, MCC and F1 are taken at the threshold that was
    chosen on the validation split in training. Intervals are of a stratified bootstrap.
    """

    model: Path
    """Run or ensemble of `deeprke train`."""
    data: Path
    """Directory that `deeprke preprocess` made."""
    split: Literal["train", "validation", "test"] = "test"
    """Split to measure on."""
    out: Path | None = None
    """Directory for metrics.json and figures. If not given: the run directory for the
    test split of the data that the run was trained on, and for all else a directory of
    its own in that, evaluated/DATA-SPLIT."""
    n_bootstrap: int = 1000
    """Resamples for the intervals."""
    batch_size: int = 512
    """Sites scored at once."""


def evaluate(flags: EvaluateFlags) -> None:
    """Writes `metrics.json` and figures, and says how good the model is.

    Raises:
      UserError: The run or the data cannot be used, or do not belong together.
    """
    if flags.n_bootstrap < 1 or flags.batch_size < 1:
        raise UserError("n_bootstrap and batch_size must be at least 1.")
    run = runs.load(flags.model)
    measured, labels, probabilities = measure(run, flags)
    out = flags.out or _own_place(run, flags, measured)
    directories.make_directory(out)
    from deeprke_tf.evaluation import figures

    if (out / layout.METRICS).exists() and out.samefile(flags.model):
        # What training measured stays where this takes its place.
        measured["validation"] = layout.validation_measures(out)
    drawn = figures.evaluation_figures(
        out / layout.FIGURES, flags.split, labels, probabilities, measured
    )
    files.write_json(out / layout.METRICS, measured)
    print(_summary(measured))
    for path in [out / layout.METRICS, *drawn]:
        print(f"wrote {path}")


def _own_place(run: runs.Run, flags: EvaluateFlags, measured: dict[str, Any]) -> Path:
    """Returns a directory where measures take the place of none but their own."""
    trained_on = run.manifest["data"]["dataset_sha256"]
    if flags.split == "test" and description.read(flags.data).sha256 == trained_on:
        return flags.model
    return flags.model / "evaluated" / f"{measured['data']}-{flags.split}"


def measure(run: runs.Run, flags: EvaluateFlags) -> tuple[dict[str, Any], Any, Any]:
    """Scores a split and measures it; of an ensemble, also each member's AUROC.

    Returns:
      The measures as `metrics.json` holds them, labels, int [n_sites], and
      probabilities, float32 [n_sites], of an ensemble their means.

    Raises:
      UserError: The data do not match the model, or a shard is damaged.
    """
    from deeprke_tf.data import batches as dataset
    from deeprke_tf.evaluation import metrics, reliability
    from deeprke_tf.runs import scorer

    info = description.read(flags.data)
    dataset.require_encoding(info, run.encoding, run.config.model.views)
    dataset.verify_shards(info, flags.split)
    batches = dataset.read_split(
        info, flags.split, run.config.model.views, flags.batch_size
    )
    each = []
    for member in run.trainings:
        score = scorer.scorer(member.model)
        labels, of_member = scorer.score_labelled(score, batches)
        each.append(of_member)
    probabilities = np.mean(each, axis=0)
    calibrated = run.calibration(probabilities)
    measured = {
        "split": flags.split,
        "data": info.directory.resolve().name,
        "model": run.directory.resolve().name,
        **metrics.evaluate_probabilities(
            labels, probabilities, run.threshold, n_bootstrap=flags.n_bootstrap
        ),
        "calibration": {
            "method": run.calibration.method,
            "before": reliability.calibration_measures(labels, probabilities),
            "after": reliability.calibration_measures(labels, calibrated),
        },
    }
    if run.members and measured["auroc"] is not None:
        measured["members_auroc"] = {
            member.directory.name: metrics.auroc(labels, of_member)
            for member, of_member in zip(run.members, each, strict=True)
        }
    return measured, labels, probabilities


def _summary(measured: dict[str, Any]) -> str:
    rows = [
        ["sites", f"{measured['n_sites']:,}", ""],
        ["bound", f"{measured['n_positive']:,}", ""],
    ]
    for name in ("auroc", "auprc", "accuracy", "mcc", "f1"):
        if measured[name] is not None:
            low, high = measured[f"{name}_ci"]
            label = name if name in ("accuracy",) else name.upper()
            rows.append([label, f"{measured[name]:.4f}", f"{low:.4f} to {high:.4f}"])
    if "members_auroc" in measured:
        alone = ", ".join(
            f"{auroc:.4f}" for auroc in measured["members_auroc"].values()
        )
        rows.append(["AUROC of members", alone, ""])
    rows.append(["threshold", f"{measured['threshold']:.4f}", ""])
    before, after = (measured["calibration"][when] for when in ("before", "after"))
    for name, label in (("brier", "Brier score"), ("ece", "calibration error")):
        rows.append([label, f"{after[name]:.4f}", f"{before[name]:.4f} uncalibrated"])
    rows += [
        [name.replace("_", " "), f"{count:,}", ""]
        for name, count in measured["confusion"].items()
    ]
    note = f"\nnote: {measured['note']}" if "note" in measured else ""
    return tables.text_table(rows) + note


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("evaluate", EvaluateFlags, evaluate, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
