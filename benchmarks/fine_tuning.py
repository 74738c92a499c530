"""Compares settings of `train --init-from` on validation splits of RBP-31.

    python benchmarks/fine_tuning.py --data-dir DATA --out OUT --single SINGLE \
        --rbps PUM2 FUS --settings "--body-rate 0.1" "--body-rate 0.3"
    python benchmarks/fine_tuning.py --out OUT --few-sites FEW --sizes 1000 3000 \
        --settings "--body-rate 0.1" "--body-rate 0.3"

SINGLE is where `deeprke benchmark rbp31` has trained networks without structure, seed
1; the others start from `rbp31`. FEW is the OUT of `few_sites.py`, with its draws of
few sites and a joint network that has seen none of these RBPs.

Each setting is judged alone and averaged with the network from scratch, as
`train --init-from rbp31 --ensemble 2` does. OUT gets a dataset of each experiment, the
runs, which are not trained again, and fine_tuning.json. Test splits are not read.
"""

import argparse
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def measured(name: str, data: Path, alone: Path, runs: dict[str, Path]) -> dict:
    """Returns validation AUROCs: from scratch, and of each setting."""
    info = description.read(data)
    sites = split_sites.inputs(info, "validation", ("sequence_kmers",))
    labels = split_sites.labels(info, "validation")

    def scores(run: Path) -> np.ndarray:
        return batching.score_sites(api.load_run(run).network_scorer, sites, 512)

    scratch = scores(alone)
    row = {"rbp": name, "scratch": metrics.auroc(labels, scratch), "settings": {}}
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


class Case(NamedTuple):
    """A dataset, a network from scratch, and what others start from."""

    name: str
    data: Path
    alone: Path
    start: str | Path = "rbp31"
    seed: int = 1


def whole_experiments(
    data_dir: Path, out: Path, single: Path, rbps: list[str]
) -> Iterator[Case]:
    """Yields experiments of RBP-31 with all their sites."""
    of_rbps = make_datasets(data_dir, out / "data")
    for rbp in rbps:
        alone = single / "rbp31" / "runs" / of_rbps[rbp] / RUN.format(seed=1)
        yield Case(rbp, out / "data" / rbp, alone)


def few_sites(directory: Path, sizes: list[int]) -> Iterator[Case]:
    """Yields the draws of `few_sites.py` that are there."""
    for size in sizes:
        for path in sorted(directory.glob(f"draws/*.{size}.*/scratch/manifest.json")):
            draw = path.parent.parent
            seed = int(draw.suffix[1:])
            start = directory / "trunk"
            yield Case(draw.name, draw / "data", draw / "scratch", start, seed)


def main() -> None:
    """Trains what is not there yet, and prints means and differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--single", type=Path)
    parser.add_argument("--rbps", nargs="+", default=[])
    parser.add_argument("--few-sites", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[])
    parser.add_argument("--settings", nargs="+", default=[""])
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    if flags.few_sites:
        cases = few_sites(flags.few_sites, flags.sizes)
    else:
        cases = whole_experiments(flags.data_dir, flags.out, flags.single, flags.rbps)
    rows = []
    for case in cases:
        runs = {}
        for setting in flags.settings:
            name = setting.replace("--", "").replace(" ", "-") or "defaults"
            start = ("--data", case.data, "--init-from", case.start)
            seed = ("--seed", case.seed)  # A later one, of `setting`, counts.
            runs[setting] = train_run(
                flags.out / name / case.name, *start, *seed, *shlex.split(setting)
            )
        rows.append(measured(case.name, case.data, case.alone, runs))
        print(rows[-1], flush=True)
    result = {"means": summary(rows), "rbps": rows}
    files.write_json(flags.out / "fine_tuning.json", result)
    print(json.dumps(result["means"], indent=1))


if __name__ == "__main__":
    main()
