"""Averages networks of single RBPs with a network of many RBPs, on RBP-31.

    deeprke benchmark rbp31 --data-dir DATA --out SINGLE --protocols grouped \
        --presets deeprke-no-structure
    python benchmarks/joint_average.py --data-dir DATA --out OUT --single SINGLE

The networks are averaged as `predict --model SINGLE_RUN rbp31/NAME` does. Both were
validated on the same sites, which decide whether averaging is worth it; the test sites
are scored once, after that. Separate networks are trained on sites that overlap with
test sites, as the published protocol has it, and the joint network is not; so the test
sites are also taken without those that share 38 letters with a training site.
`--joint` names other joint runs than the packaged one; several are averaged, too. With
`--seeds 1 2 3` of the separate networks, on experiments that have them all, so are
three of these, with the joint network and without. `--fine-tuned` names the directory
in which `joint_network.py --fine-tune` has made a network of each experiment, or
several of other seeds, and `--compared` its joint.json, with the test AUROCs of
networks with structure. OUT gets a dataset of each experiment (`data/NAME`) and
joint_average.json, which `--report` summarizes anew.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import split_sites
from flank_structure import mean_and_interval
from joint_network import make_datasets
from scipy import stats

from deeprke_tf import api
from deeprke_tf.data import description
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import batching
from deeprke_tf.system import files, tensorflow

RUN = "deeprke-no-structure.grouped.seed{seed}.none"
SITES = ("validation", "test", "test without overlaps")
PAIRS = (
    ("joint", "separate"),
    ("averaged", "separate"),
    ("several separate", "separate"),
    ("averaged", "several separate"),
    ("several and joint", "several separate"),
    ("several joint", "joint"),
    ("separate and several joint", "averaged"),
    ("separate and mean joint", "averaged"),
    ("fine-tuned", "separate"),
    ("fine-tuned", "averaged"),
    ("fine-tuned and separate", "separate"),
    ("fine-tuned and separate", "several separate"),
    ("fine-tuned and separate", "averaged"),
    ("fine-tuned and separate", "with structure"),
    ("several fine-tuned and several separate", "fine-tuned and separate"),
    ("fine-tuned, separate and joint", "averaged"),
    ("fine-tuned, separate and joint", "fine-tuned and separate"),
    ("fine-tuned, separate and several joint", "fine-tuned, separate and joint"),
)

Scores = dict[str, np.ndarray]


def means_of(
    separate: list[np.ndarray], joint: list[np.ndarray], tuned: list[np.ndarray]
) -> Scores:
    """Returns the probabilities of networks of each kind, and mean probabilities.

    Args:
      separate: Of networks of one experiment, a seed each.
      joint: Of joint networks, a seed each.
      tuned: Of networks that start from the joint one, a seed each, if there are any.
    """
    one, of_joint = separate[:1], joint[:1]
    groups = {"separate": one, "joint": of_joint, "averaged": one + of_joint}
    if len(separate) > 1:
        groups["several separate"] = separate
        groups["several and joint"] = separate + of_joint
    if len(joint) > 1:
        groups["several joint"] = joint
        groups["separate and several joint"] = one + joint
        groups["separate and mean joint"] = [*one, np.mean(joint, axis=0)]
    if tuned:
        both = tuned[:1] + one
        groups["fine-tuned"] = tuned[:1]
        groups["fine-tuned and separate"] = both
        groups["fine-tuned, separate and joint"] = both + of_joint
        if len(joint) > 1:
            groups["fine-tuned, separate and several joint"] = both + joint
        if len(tuned) == len(separate) > 1:
            groups["several fine-tuned and several separate"] = tuned + separate
    return {name: np.mean(scores, axis=0) for name, scores in groups.items()}


def scores_of(
    runs: list[Path],
    joint: list[api.JointRun],
    tuned: list[Path],
    name: str,
    sites: list[split_sites.Site],
) -> Scores:
    """Scores sites by all networks of an RBP; see `means_of`."""

    def by_run(run: Path) -> np.ndarray:
        return batching.score_sites(api.load_run(run).network_scorer, sites, 512)

    place = joint[0].names.index(name)
    return means_of(
        [by_run(run) for run in runs],
        [of_all.scorer(512)(sites).probability[:, place] for of_all in joint],
        [by_run(run) for run in tuned],
    )


def measured(
    data: Path, runs: list[Path], joint: list[api.JointRun], tuned: list[Path]
) -> dict:
    """Returns the AUROCs of all networks of an RBP and of their means."""
    info = description.read(data)
    row = {"rbp": data.name, "auroc": {}}
    for split in ("validation", "test"):
        sites = split_sites.inputs(info, split, ("sequence_kmers",))
        scores = scores_of(runs, joint, tuned, data.name, sites)
        labels = split_sites.labels(info, split)
        row["auroc"][split] = _aurocs(labels, scores)
    trained = split_sites.stretches(split_sites.letters(info, "train"))
    is_new = ~split_sites.overlapping(split_sites.letters(info, "test"), trained)
    of_new = {model: values[is_new] for model, values in scores.items()}
    row["auroc"]["test without overlaps"] = _aurocs(labels[is_new], of_new)
    return row | {"n_test": len(labels), "n_without_overlaps": int(is_new.sum())}


def _aurocs(labels: np.ndarray, scores: Scores) -> dict[str, float]:
    return {model: metrics.auroc(labels, values) for model, values in scores.items()}


def summary(rows: list[dict], sites: str) -> dict:
    """Returns the means on some sites, and differences with intervals."""
    models = rows[0]["auroc"][sites]
    found = {m: np.array([row["auroc"][sites][m] for row in rows]) for m in models}
    result: dict = {"means": {m: mean_and_interval([*of]) for m, of in found.items()}}
    for model, other in PAIRS:
        if {model, other} <= found.keys():
            differences = found[model] - found[other]
            result[f"{model} - {other}"] = mean_and_interval(differences.tolist()) | {
                "lowest_and_highest": [differences.min(), differences.max()],
                "n_better": int((differences > 0).sum()),
                "wilcoxon_p": float(stats.wilcoxon(differences).pvalue),
            }
    return result


def main() -> None:
    """Measures all experiments, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--single", type=Path, required=True)
    parser.add_argument("--joint", nargs="+", default=["rbp31"])
    parser.add_argument("--fine-tuned", type=Path, nargs="+", default=[])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--compared", type=Path)
    parser.add_argument("--report", action="store_true", help="score nothing")
    flags = parser.parse_args()
    path = flags.out / "joint_average.json"
    rows = json.loads(path.read_text())["rbps"] if flags.report else scored(flags)
    if flags.compared:
        found = json.loads(flags.compared.read_text())["rbps"]
        alone = {row["rbp"]: row["single_auroc"] for row in found}
        for row in rows:
            row["auroc"]["test"]["with structure"] = alone[row["rbp"]]
    result = {sites: summary(rows, sites) for sites in SITES}
    others = [row for row in rows if "MNase" not in row["rbp"]]
    result["test without MNase"] = summary(others, "test")
    files.write_json(path, result | {"rbps": rows})
    print(*result.items(), sep="\n")


def scored(flags: argparse.Namespace) -> list[dict]:
    """Scores all experiments whose networks are there."""
    tensorflow.import_tensorflow()
    joint = [api.load_run(run) for run in flags.joint]
    rows = []
    for name, experiment in make_datasets(flags.data_dir, flags.out / "data").items():
        of_experiment = flags.single / "rbp31" / "runs" / experiment
        runs = [of_experiment / RUN.format(seed=seed) for seed in flags.seeds]
        tuned = [directory / name for directory in flags.fine_tuned]
        if all((run / "manifest.json").exists() for run in (*runs, *tuned)):
            rows.append(measured(flags.out / "data" / name, runs, joint, tuned))
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    sys.exit(main())
