"""Compares settings of `train --init-from rbp31` on validation splits of RBP-31.

    python benchmarks/fine_tuning.py --data-dir DATA --out OUT --single SINGLE \
        --rbps PUM2 FUS --settings "--body-rate 0.1" "--body-rate 0.3"

SINGLE is where `deeprke benchmark rbp31` has trained networks without structure, seed
1. Each setting is judged alone and averaged with the network from scratch, as
`train --init-from rbp31 --ensemble 2` does. OUT gets a dataset of each experiment, the
runs, which are not trained again, and fine_tuning.json. Test splits are not read.
"""

import argparse
import json
import shlex
from pathlib import Path

import numpy as np
import split_sites
from flank_structure import mean_and_interval
from joint_average import RUN
from joint_network import make_datasets, train_run

from deeprke_tf import api
from deeprke_tf.data import description
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import batching
from deeprke_tf.system import files, tensorflow


def measured(data: Path, alone: Path, runs: dict[str, Path]) -> dict:
    """Returns validation AUROCs: from scratch, and of each setting."""
    info = description.read(data)
    sites = split_sites.inputs(info, "validation", ("sequence_kmers",))
    labels = split_sites.labels(info, "validation")

    def scores(run: Path) -> np.ndarray:
        return batching.score_sites(api.load_run(run).network_scorer, sites, 512)

    scratch = scores(alone)
    row = {"rbp": data.name, "scratch": metrics.auroc(labels, scratch), "settings": {}}
    for setting, run in runs.items():
        tuned = scores(run)
        row["settings"][setting] = {
            "alone": metrics.auroc(labels, tuned),
            "averaged": metrics.auroc(labels, (scratch + tuned) / 2),
            "best_epoch": json.loads((run / "manifest.json").read_text())["best_epoch"],
        }
    return row


def summary(rows: list[dict]) -> dict:
    """Returns means of each setting, and differences from the first one."""
    result = {}
    first, *_others = rows[0]["settings"]
    for setting in rows[0]["settings"]:
        result[setting] = {}
        for kind in ("alone", "averaged"):
            found, of_first = (
                np.array([row["settings"][name][kind] for row in rows])
                for name in (setting, first)
            )
            result[setting][kind] = {"mean": float(found.mean())}
            if setting != first:
                gain = mean_and_interval((found - of_first).tolist())
                gain["n_better"] = int((found > of_first).sum())
                result[setting][kind]["gain"] = gain
    return result


def main() -> None:
    """Trains what is not there yet, and prints means and differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--single", type=Path, required=True)
    parser.add_argument("--rbps", nargs="+", required=True)
    parser.add_argument("--settings", nargs="+", default=[""])
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    of_rbps = make_datasets(flags.data_dir, flags.out / "data")
    rows = []
    for rbp in flags.rbps:
        data, runs = flags.out / "data" / rbp, {}
        for setting in flags.settings:
            name = setting.replace("--", "").replace(" ", "-") or "defaults"
            arguments = ("--data", data, "--init-from", "rbp31", *shlex.split(setting))
            runs[setting] = train_run(flags.out / name / rbp, *arguments)
        alone = flags.single / "rbp31" / "runs" / of_rbps[rbp] / RUN.format(seed=1)
        rows.append(measured(data, alone, runs))
        print(rows[-1], flush=True)
    result = {"means": summary(rows), "rbps": rows}
    files.write_json(flags.out / "fine_tuning.json", result)
    print(json.dumps(result["means"], indent=1))


if __name__ == "__main__":
    main()
