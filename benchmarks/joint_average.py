"""Averages networks of single RBPs with a network of many RBPs, on RBP-31.

    deeprke benchmark rbp31 --data-dir DATA --out SINGLE --protocols grouped \
        --presets deeprke-no-structure
    python benchmarks/joint_average.py --data-dir DATA --out OUT --single SINGLE

The networks are averaged as `predict --model SINGLE_RUN rbp31/NAME` does. Both were
validated on the same sites, which decide whether averaging is worth it; the test sites
are scored once, after that. Separate networks are trained on sites that overlap with
test sites, as the published protocol has it, and the joint network is not; so the test
sites are also taken without those that share 38 letters with a training site.
`--joint` names another joint run of `joint_network.py` than the packaged one. OUT gets
a dataset of each experiment (`data/NAME`) and joint_average.json.
"""

import argparse
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

SINGLE = "deeprke-no-structure.grouped.seed1.none"
MODELS = ("separate", "joint", "averaged")
SITES = ("validation", "test", "test without overlaps")


def measured(data: Path, run: Path, joint: api.JointRun) -> dict:
    """Returns AUROCs of the separate and the joint network of an RBP, and of both."""
    info = description.read(data)
    score_alone, score_all = api.load_run(run).network_scorer, joint.scorer(512)
    place = joint.names.index(data.name)
    row = {"rbp": data.name, "auroc": {}}
    for split in ("validation", "test"):
        sites = split_sites.inputs(info, split, ("sequence_kmers",))
        alone = batching.score_sites(score_alone, sites, 512)
        of_joint = score_all(sites).probability[:, place]
        scores = dict(
            zip(MODELS, (alone, of_joint, (alone + of_joint) / 2), strict=True)
        )
        labels = split_sites.labels(info, split)
        row["auroc"][split] = _aurocs(labels, scores)
    trained = split_sites.stretches(split_sites.letters(info, "train"))
    is_new = ~split_sites.overlapping(split_sites.letters(info, "test"), trained)
    of_new = {model: values[is_new] for model, values in scores.items()}
    row["auroc"]["test without overlaps"] = _aurocs(labels[is_new], of_new)
    return row | {"n_test": len(labels), "n_without_overlaps": int(is_new.sum())}


def _aurocs(labels: np.ndarray, scores: dict[str, np.ndarray]) -> dict[str, float]:
    return {model: metrics.auroc(labels, values) for model, values in scores.items()}


def summary(rows: list[dict], sites: str) -> dict:
    """Returns the means on some sites, and the differences from separate networks."""
    found = {m: np.array([row["auroc"][sites][m] for row in rows]) for m in MODELS}
    result = {"means": {model: float(values.mean()) for model, values in found.items()}}
    for model in MODELS[1:]:
        differences = found[model] - found["separate"]
        result[f"{model} - separate"] = mean_and_interval(differences.tolist()) | {
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
    parser.add_argument("--joint", default="rbp31")
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    joint = api.load_run(flags.joint)
    rows = []
    for name, experiment in make_datasets(flags.data_dir, flags.out / "data").items():
        run = flags.single / "rbp31" / "runs" / experiment / SINGLE
        rows.append(measured(flags.out / "data" / name, run, joint))
        print(rows[-1], flush=True)
    result = {sites: summary(rows, sites) for sites in SITES}
    files.write_json(flags.out / "joint_average.json", result | {"rbps": rows})
    print(*result.items(), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
