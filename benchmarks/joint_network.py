"""Trains one network for all experiments of RBP-31, and compares it with single ones.

    python benchmarks/joint_network.py --data-dir DATA --out OUT --single RESULTS

OUT gets a dataset of each experiment (`data/NAME`), the joint run (`run`), its measures
on the test splits, `joint.json` and `joint.png`. What is there is not made again. The
settings were chosen before the test splits were read. Single networks are the test
results of `deeprke benchmark`, preset `deeprke`, protocol `grouped`, seed 1, such as
docs/results/rbp31/results. At the end the time of one pass is compared with that of a
network of one RBP.

`--seeds 1 2 3` trains more joint networks (`run-2`, `run-3`); the comparison is that of
seed 1, with the mean of each seed beside. `--fine-tune` trains a network of each
experiment from the joint one (`fine-tuned/NAME`, `train --init-from` with its
defaults); with `--shard 1/2` and `2/2` two processes share these trainings, and write
nothing else. A copy of the packaged `rbp31` as OUT/run is not trained again.
"""

import argparse
import json
import shlex
import time
from pathlib import Path

import numpy as np
from scipy import stats

from deeprke_tf import api, train
from deeprke_tf.benchmarking import experiments
from deeprke_tf.benchmarking.names import short_names
from deeprke_tf.runs import batching, scorer
from deeprke_tf.system import files, plotting, tensorflow
from pipelines import preprocess

SETTINGS = (
    "--preset deeprke-no-structure --epochs 8 --batch-size 256 --dense-units 128 "
    "--dropout 0.2"
)


def make_datasets(data_dir: Path, out: Path) -> dict[str, str]:
    """Preprocesses each experiment; returns its name by the name of its RBP."""
    of_rbps = {}
    found = experiments.find("rbp31", data_dir)
    names = short_names([experiment.name for experiment in found])
    for experiment in found:
        name = names[experiment.name]
        of_rbps[name] = experiment.name
        if not (out / name / "dataset.json").exists():
            ((sites, _),), ((test, _),) = experiment.train, experiment.test
            flags = ["--sites", sites, "--test-sites", test, "--no-structure"]
            flags += ["--validation-groups", "overlap", "--out", out / name]
            if preprocess.main(list(map(str, flags))):
                raise SystemExit(f"{experiment.name} could not be preprocessed.")
    return of_rbps


def measured(run: Path, datasets: list[Path]) -> dict[str, dict]:
    """Returns the measures of each RBP on its test split, scored once and kept."""
    joint = api.load_run(run)
    paths = {name: run / "rbps" / name / "metrics.json" for name in joint.names}
    kept = {name: json.loads(path.read_text()) for name, path in paths.items()}
    if any(found["split"] != "test" for found in kept.values()):
        evaluated = joint.evaluate(datasets)
        evaluated.write(evaluated.usual_place)
        kept = {name: of.measures for name, of in evaluated.evaluations.items()}
    return kept


def train_run(out: Path, *arguments: object) -> Path:
    """Trains a run unless it is there."""
    is_done = (out / "manifest.json").exists()
    if not is_done and train.main([*map(str, arguments), "--out", str(out)]):
        raise SystemExit(f"Training of {out} failed.")
    return out


def fine_tuned(joint: Path, dataset: Path, out: Path) -> float:
    """Returns the test AUROC of a network that starts from the joint one."""
    arguments = ("--data", dataset, "--init-from", joint)
    run = train_run(out / dataset.name, *arguments)
    found = json.loads((run / "metrics.json").read_text())
    if found["split"] != "test":
        evaluated = api.load_run(run).evaluate(dataset)
        evaluated.write(evaluated.usual_place)
        found = evaluated.measures
    return float(found["auroc"])


def compared(
    measures: dict[str, dict], of_rbps: dict[str, str], single: Path, manifest: dict
) -> dict:
    """Returns a row for each RBP, and the differences from single networks."""
    rows = []
    for facts in manifest["rbps"]:
        name = facts["name"]
        path = single / of_rbps[name] / "deeprke.grouped.seed1.none.json"
        alone = json.loads(path.read_text())
        row = {"rbp": name, "experiment": of_rbps[name]}
        row |= {k: facts[k] for k in ("n_sites", "n_positive", "n_left_out")}
        row |= {k: measures[name][k] for k in ("auroc", "auroc_ci", "auprc")}
        rows.append(row | {"single_auroc": alone["auroc"]})
    joint, alone = (
        np.array([row[key] for row in rows]) for key in ("auroc", "single_auroc")
    )
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(rows), [10_000, len(rows)])
    means = (joint - alone)[drawn].mean(axis=1)
    return {
        "mean_auroc": float(joint.mean()),
        "mean_single_auroc": float(alone.mean()),
        "mean_difference": float((joint - alone).mean()),
        "interval_over_rbps": np.quantile(means, [0.025, 0.975]).tolist(),
        "n_better": int((joint > alone).sum()),
        "wilcoxon_p": float(stats.wilcoxon(joint - alone).pvalue),
        "rbps": rows,
    }


def draw(result: dict, path: Path) -> None:
    """Draws the AUROC of both for each RBP, the largest gain of the joint one first."""
    rows = sorted(result["rbps"], key=lambda row: row["auroc"] - row["single_auroc"])
    figure = plotting.new_figure(7.0, 0.22 * len(rows) + 1.2)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        ends = row["single_auroc"], row["auroc"]
        axes.plot(ends, [place, place], color="0.75", zorder=1)
    places = range(len(rows))
    for key, color, label in (
        ("single_auroc", plotting.VERMILION, "a network of its own, with structure"),
        ("auroc", plotting.BLUE, "the joint network, sequence alone"),
    ):
        values = [row[key] for row in rows]
        axes.scatter(values, places, s=22, color=color, label=label, zorder=2)
    axes.set_yticks(places, [row["rbp"] for row in rows], fontsize=7)
    axes.set_xlabel("Test AUROC")
    figure.legend(loc="outside upper center", ncols=2, fontsize=8)
    plotting.write(figure, path)


def time_of_a_pass(run: Path, n_sites: int = 2_000, n_rounds: int = 5) -> dict:
    """Times all outputs against a network of one RBP, in turn, on random sites."""
    joint = api.load_run(run)
    alone = joint[joint.names[0]].model  # with weights of its own
    rng = np.random.default_rng(1)
    sites = [{"sequence_kmers": ids} for ids in rng.integers(2, 66, [n_sites, 99])]
    score_alone, score_all = scorer.scorer(alone), joint.scorer(256)
    seconds = []
    for _round in range(n_rounds + 1):  # the first one traces
        started = time.perf_counter()
        batching.score_sites(score_alone, sites, 256)
        between = time.perf_counter()
        score_all(sites)
        seconds.append((between - started, time.perf_counter() - between))
    ratios = [of_all / of_one for of_one, of_all in seconds[1:]]
    return {
        "time_ratio_of_all_outputs": float(np.median(ratios)),
        "lowest_and_highest_ratio": [min(ratios), max(ratios)],
        "sites_per_s": n_sites / float(np.median([s for _one, s in seconds[1:]])),
    }


def main() -> None:
    """Makes what is not there yet, and prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--single", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--fine-tune", action="store_true")
    parser.add_argument("--shard", help="of the trainings of --fine-tune")
    flags = parser.parse_args()
    tensorflow.import_tensorflow()
    of_rbps = make_datasets(flags.data_dir, flags.out / "data")
    datasets = [flags.out / "data" / name for name in of_rbps]
    if flags.shard:
        first, step = map(int, flags.shard.split("/"))
        for dataset in datasets[first - 1 :: step]:
            fine_tuned(flags.out / "run", dataset, flags.out / "fine-tuned")
        return
    means = {}
    for seed in sorted(flags.seeds, reverse=True):  # `run` and `measures`: the first
        run = flags.out / ("run" if seed == 1 else f"run-{seed}")
        arguments = ("--joint", "--data", *datasets, *shlex.split(SETTINGS))
        measures = measured(train_run(run, *arguments, "--seed", seed), datasets)
        means[seed] = float(np.mean([of["auroc"] for of in measures.values()]))
    manifest = json.loads((run / "manifest.json").read_text())
    result = compared(measures, of_rbps, flags.single, manifest)
    result |= {"settings": SETTINGS, "joint": manifest["joint"]}
    result["mean_auroc_of_seeds"] = means
    if flags.fine_tune:
        for row, dataset in zip(result["rbps"], datasets, strict=True):
            row["fine_tuned_auroc"] = fine_tuned(run, dataset, flags.out / "fine-tuned")
        aurocs = [row["fine_tuned_auroc"] for row in result["rbps"]]
        result["mean_fine_tuned_auroc"] = float(np.mean(aurocs))
    result |= time_of_a_pass(run)
    files.write_json(flags.out / "joint.json", result)
    draw(result, flags.out / "joint.png")
    print(*(f"{k}: {v}" for k, v in result.items() if k != "rbps"), sep="\n")


if __name__ == "__main__":
    main()
