"""Measures a trained model on labelled records.

python -m deeprke_tf.evaluate --model runs/QKI --data tfrecords/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from deeprke_tf import api, cli
from deeprke_tf.system import tables


@dataclasses.dataclass(frozen=True)
class EvaluateFlags:
    """Measures a model on the records of one split, each measure with its interval.

    AUROC and AUPRC are exact; accuracy, MCC and F1 are taken at the threshold of the
    model. Intervals come from a stratified bootstrap.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    data: Path
    """Directory that `deeprke preprocess` made."""
    split: Literal["train", "validation", "test"] = "test"
    """Split to measure on."""
    out: Path | None = None
    """Directory for metrics.json, predictions.tsv (every site, its label and its
    probabilities) and figures. If not given: the run directory for the test split of
    the data that the run was trained on, and for all other sites evaluated/DATA-SPLIT
    in it; for a model given by its name evaluated/MODEL-DATA-SPLIT here."""
    n_bootstrap: int = 1000
    """Resamples for the intervals."""
    batch_size: int = 512
    """Sites scored at once."""


def evaluate(flags: EvaluateFlags) -> None:
    """Measures a model and writes the files.

    Raises:
      UserError: The run or the data cannot be used, or do not belong together.
    """
    evaluation = api.load_run(flags.model).evaluate(
        *(flags.data, flags.split),
        n_bootstrap=flags.n_bootstrap,
        batch_size=flags.batch_size,
    )
    written = evaluation.write(flags.out or evaluation.usual_place)
    print(_summary(evaluation.measures))
    for path in written:
        print(f"wrote {path}")


def _summary(measured: dict[str, Any]) -> str:
    rows = [
        ["sites", f"{measured['n_sites']:,}", ""],
        ["bound", f"{measured['n_positive']:,}", ""],
    ]
    for name in ("auroc", "auprc", "accuracy", "mcc", "f1"):
        if measured[name] is not None:
            label = name if name in ("accuracy",) else name.upper()
            interval = measured[f"{name}_ci"]
            ends = "{:.4f} to {:.4f}".format(*interval) if interval else "no interval"
            rows.append([label, f"{measured[name]:.4f}", ends])
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
