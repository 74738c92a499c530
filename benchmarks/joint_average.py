"""Averages networks of single RBPs with a network of many RBPs, on RBP-31.

    deeprke benchmark rbp31 --data-dir DATA --out SINGLE --protocols grouped \
        --presets deeprke-no-structure
    python benchmarks/joint_average.py --data-dir DATA --out OUT --single SINGLE

The networks are averaged as `predict --model SINGLE_RUN rbp31/NAME` does. Both were
validated on the same sites, which decide whether averaging is worth it; the test sites
are scored once, after that. `--joint` names another joint run of `joint_network.py`
than the packaged one. OUT gets a dataset of each experiment (`data/NAME`) and
joint_average.json.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from flank_structure import mean_and_interval
from joint_network import make_datasets
from scipy import stats

from deeprke_tf import api
from deeprke_tf.evaluation import metrics
from deeprke_tf.system import files, tensorflow

SINGLE = "deeprke-no-structure.grouped.seed1.none"


def averaged(name: str, experiment: str, flags: argparse.Namespace) -> dict:
    """Measures the mean of both networks of an RBP; returns AUROCs of it and of one."""
    single = flags.single / "rbp31"
    alone = json.loads((single / "results" / experiment / f"{SINGLE}.json").read_text())
    both = api.load_run(single / "runs" / experiment / SINGLE, f"{flags.joint}/{name}")
    tested = both.evaluate(flags.out / "data" / name, n_bootstrap=1)
    return {
        "rbp": name,
        "alone": {"validation": alone["validation_auroc"], "test": alone["auroc"]},
        "averaged": {
            "validation": metrics.auroc(*both.validation),
            "test": tested.auroc,
        },
    }


def summary(rows: list[dict], split: str) -> dict:
    """Returns both means on a split, and by how much averaging raises it."""
    alone, both = (
        np.array([row[of][split] for row in rows]) for of in ("alone", "averaged")
    )
    return {
        "mean_alone": float(alone.mean()),
        "mean_averaged": float(both.mean()),
        "difference": mean_and_interval((both - alone).tolist()),
        "n_better": int((both > alone).sum()),
        "wilcoxon_p": float(stats.wilcoxon(both - alone).pvalue),
    }


def main() -> None:
    """Measures all experiments, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--single", type=Path, required=True)
    parser.add_argument("--joint", default="rbp31")
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    of_rbps = make_datasets(flags.data_dir, flags.out / "data")
    rows = []
    for name, experiment in of_rbps.items():
        rows.append(averaged(name, experiment, flags))
        print(rows[-1], flush=True)
    result = {split: summary(rows, split) for split in ("validation", "test")}
    files.write_json(flags.out / "joint_average.json", result | {"rbps": rows})
    print(result)


if __name__ == "__main__":
    sys.exit(main())
