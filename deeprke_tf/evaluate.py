"""Measures a trained model on labelled records.

python -m deeprke_tf.evaluate --model runs/QKI --data tfrecords/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from deeprke_tf import api, cli
from deeprke_tf.data.description import find
from deeprke_tf.errors import UserError
from deeprke_tf.system import tables
from deeprke_tf.system.messages import counted


@dataclasses.dataclass(frozen=True)
class EvaluateFlags:
    """Measures a model on the records of one split, each measure with its interval.

    AUROC and AUPRC are exact; accuracy, MCC and F1 are taken at the threshold of the
    model. Intervals come from a stratified bootstrap.

    A joint run is measured for each RBP on its own dataset: name several in --data. The
    table has a row for each RBP; with --compare, runs of single RBPs are measured on
    the same sites.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    data: tuple[Path, ...]
    """Directory that `deeprke preprocess` made; for a joint run several, or a pattern
    such as 'tfrecords/*'."""
    rbp: str | None = None
    """Of a joint run: the one RBP to measure."""
    compare: tuple[Path, ...] = ()
    """With a joint run: runs that were trained on the same datasets, one each."""
    split: Literal["train", "validation", "test"] = "test"
    """Split to measure on."""
    out: Path | None = None
    """Directory for metrics.json, predictions.tsv (every site, its label and its
    probabilities) and figures. If not given: the run directory for the test split of
    the data that the run was trained on, and for all other sites evaluated/DATA-SPLIT
    in it; for a model given by its name evaluated/MODEL-DATA-SPLIT here. Of several
    datasets, the names are without DATA."""
    n_bootstrap: int = 1000
    """Resamples for the intervals."""
    batch_size: int = 512
    """Sites scored at once."""


def evaluate(flags: EvaluateFlags) -> None:
    """Measures a model and writes the files.

    Raises:
      UserError: The run or the data cannot be used, or do not belong together.
    """
    datasets = find(flags.data)
    run = api.load_run(flags.model, rbp=flags.rbp)
    settings = {"n_bootstrap": flags.n_bootstrap, "batch_size": flags.batch_size}
    if isinstance(run, api.JointRun):
        _evaluate_joint(run, datasets, flags, settings)
        return
    what = f"{flags.model} is a run of one RBP"
    if flags.rbp:
        what = f"`rbp` measures {flags.rbp} alone"
    if len(datasets) > 1:
        raise UserError(f"{what}: give one dataset as `data`, here {len(datasets)}.")
    if flags.compare:
        raise UserError(f"{what}; `compare` is for all RBPs of a joint run.")
    evaluation = run.evaluate(datasets[0], flags.split, **settings)
    written = evaluation.write(flags.out or evaluation.usual_place)
    print(_summary(evaluation.measures))
    for path in written:
        print(f"wrote {path}")


def _evaluate_joint(
    run: api.JointRun,
    datasets: Sequence[Path],
    flags: EvaluateFlags,
    settings: dict[str, int],
) -> None:
    """Measures each RBP of a joint run and writes the files."""
    from deeprke_tf.runs import joint_evaluation

    others = [api.load_single(path) for path in flags.compare]
    evaluated = run.evaluate(datasets, flags.split, **settings)
    out = flags.out or evaluated.usual_place
    rows = [["RBP", "sites", "bound", "AUROC", "95 % interval", "AUPRC"]]
    for row in evaluated.table.to_dict("records"):
        rows.append(
            [
                *(row["rbp"], f"{row['n_sites']:,}", f"{row['n_positive']:,}"),
                f"{row['auroc']:.4f}",
                f"{row['auroc_low']:.4f} to {row['auroc_high']:.4f}",
                f"{row['auprc']:.4f}",
            ]
        )
    rows.append(["mean", "", "", f"{evaluated.mean_auroc:.4f}", "", ""])
    print(tables.text_table(rows))
    written = evaluated.write(out)
    if others:
        compared = joint_evaluation.compare(
            evaluated, others, batch_size=flags.batch_size
        )
        written.append(compared.write(out))
        print(compared)
    print(f"wrote {counted(len(written), 'file')} in {out}")


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
