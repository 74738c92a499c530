"""Runs the main job on real data and prints the numbers that docs/results.md quotes.

    python benchmarks/main_job.py --data-dir DATA --out RESULTS [--seeds 1 2 3]

DATA holds the folders `rbp31` and `rbp24` of the benchmark sets. For each experiment:
preprocess with the defaults, train preset `paper` (the epoch and the threshold chosen
on the validation split), evaluate once on the test split. A run that was interrupted
goes on; what is finished is not done again.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

RBP24 = ("positives", "negatives")

# Name, and the input files of `deeprke preprocess` by flag.
EXPERIMENTS = {
    **{
        f"rbp31-{number}": {
            "--sites": f"rbp31/{number}_*.train.fa.gz",
            "--test-sites": f"rbp31/{number}_*.test.fa.gz",
        }
        for number in range(1, 32)
    },
    "rbp24-PUM2": {
        **{f"--{part}": f"rbp24/PARCLIP_PUM2.train.{part}.fa.gz" for part in RBP24},
        **{f"--test-{part}": f"rbp24/PARCLIP_PUM2.test.{part}.fa.gz" for part in RBP24},
    },
    "rbp24-SFRS1": {
        "--sites": "rbp24/CLIPSEQ_SFRS1.train.processed.tsv.gz",
        **{
            f"--test-{part}": f"rbp24/CLIPSEQ_SFRS1.test.{part}.fa.gz" for part in RBP24
        },
    },
}


def main():
    """Prints one row for each experiment and seed, and the mean of the seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument(
        "--experiments",
        nargs="+",
        choices=EXPERIMENTS,
        default=["rbp31-22", "rbp31-6", "rbp24-PUM2", "rbp24-SFRS1"],
        metavar="NAME",
        help="rbp31-1 to rbp31-31, rbp24-PUM2, rbp24-SFRS1",
    )
    flags = parser.parse_args()
    print(
        "experiment    seed  epoch  val AUROC  test AUROC (95 % interval)  test AUPRC"
        "  ECE, raw and calibrated"
    )
    for name in flags.experiments:
        data = preprocess(name, flags.data_dir, flags.out)
        rows = [run(name, data, flags.out, seed) for seed in flags.seeds]
        for seed, (manifest, measured) in zip(flags.seeds, rows, strict=True):
            low, high = measured["auroc_ci"] or (math.nan, math.nan)
            before, after = (
                measured["calibration"][when]["ece"] for when in ("before", "after")
            )
            print(
                f"{name:<12}  {seed:>4}  {manifest['best_epoch']:>5}  "
                f"{measured['validation']['auroc']:>9.4f}  "
                f"{measured['auroc']:.4f} ({low:.4f} to {high:.4f})     "
                f"{measured['auprc']:.4f}      "
                f"{before:.4f}  {after:.4f}",
                flush=True,
            )
        mean = statistics.mean(measured["auroc"] for _manifest, measured in rows)
        print(f"{name:<12}  mean test AUROC of {len(rows)} seeds: {mean:.4f}")


def preprocess(name, data_dir, out):
    """Makes the dataset of an experiment, if it is not there; returns its directory."""
    data = out / "data" / name
    if not data.exists():
        arguments = []
        for flag, pattern in EXPERIMENTS[name].items():
            (path,) = data_dir.glob(pattern)
            arguments += [flag, path]
        deeprke("preprocess", *arguments, "--out", data)
    return data


def run(name, data, out, seed):
    """Trains and evaluates once; returns the run's manifest and metrics."""
    directory = out / "runs" / f"{name}-seed{seed}"
    if not (directory / "manifest.json").exists():
        deeprke(
            *("train", "--data", data, "--out", directory),
            *("--preset", "paper", "--seed", seed),
        )
    measured = json.loads((directory / "metrics.json").read_text())
    if measured["split"] != "test":
        deeprke("evaluate", "--model", directory, "--data", data)
        measured = json.loads((directory / "metrics.json").read_text())
    return json.loads((directory / "manifest.json").read_text()), measured


def deeprke(*arguments):
    """Runs a command of the package; its output goes to standard error."""
    command = [sys.executable, "-m", "deeprke_tf.cli", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
