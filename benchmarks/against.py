"""Compares `predict` of one site, and `scan`, with those of another checkout.

    python benchmarks/against.py --other CHECKOUT --model RUN [RUN ...] [--nt 500000]

Each is run in turn, this checkout, the other, this one again, so that both meet the
same load; ratios are those of the medians. `predict` is timed as a whole command,
`scan` by whole commands and by its own count of nucleotides per second, which of some
versions leaves loading out; folds are not cached.
Probabilities of both are compared, too.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(checkout: Path, cache: Path, *arguments: object) -> float:
    """Runs a command of a checkout; returns how long it took, in seconds."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout),
        "DEEPRKE_CACHE": str(cache),
    }
    command = [sys.executable, "-m", "deeprke_tf.cli", *map(str, arguments)]
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True, cwd=cache, capture_output=True)
    return time.monotonic() - started


def write_rnas(path: Path, n_nt: int, length: int = 3_000) -> None:
    """Writes random RNAs of this many nucleotides together."""
    rng = random.Random(1)
    with path.open("w") as file:
        for number in range(max(1, n_nt // length)):
            letters = "".join(rng.choices("ACGU", k=min(length, n_nt)))
            file.write(f">rna{number}\n{letters}\n")


def one_site(checkout: Path, work: Path, model: str) -> float:
    """Returns the seconds of one `predict`."""
    sites = work / "site.fa"
    write_rnas(sites, 101)
    out = work / "site.tsv"
    return run(
        checkout, work, "predict", "--model", model, "--sites", sites, "--out", out
    )


def scanned(checkout: Path, work: Path, model: str) -> tuple[float, float, list[float]]:
    """Returns seconds and nt/s of one `scan`, and the probabilities of its windows."""
    with tempfile.TemporaryDirectory(dir=work) as directory:
        out = Path(directory) / "scan"
        arguments = [
            "scan",
            "--model",
            model,
            "--fasta",
            work / "rnas.fa",
            "--out",
            out,
        ]
        seconds = run(checkout, Path(directory), *arguments)
        speed = json.loads((out / "scan.json").read_text())["scored_now"]["scanned"]
        with (out / "windows.tsv").open() as file:
            rows = csv.DictReader(
                (row for row in file if row[0] != "#"), delimiter="\t"
            )
            probabilities = [float(row["probability"]) for row in rows]
            return seconds, speed["nt_per_second"], probabilities


def main() -> None:
    """Prints a row for each model and command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--model", nargs="+", required=True)
    parser.add_argument("--nt", type=int, default=500_000)
    parser.add_argument("--repeats", type=int, default=3)
    flags = parser.parse_args()
    checkouts = (ROOT, flags.other.resolve())
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        write_rnas(work / "rnas.fa", flags.nt)
        for model in flags.model:
            seconds: list[list[float]] = [[], []]
            whole: list[list[float]] = [[], []]
            speeds: list[list[float]] = [[], []]
            windows: list[list[float]] = [[], []]
            for _ in range(flags.repeats):
                for i, checkout in enumerate(checkouts):
                    seconds[i].append(one_site(checkout, work, model))
                    took, speed, windows[i] = scanned(checkout, work, model)
                    whole[i].append(took)
                    speeds[i].append(speed)
            here, other = map(statistics.median, seconds)
            print(
                f"{model}: one site {here:.2f} s, {other:.2f} s: {other / here:.1f} x"
            )
            here, other = map(statistics.median, whole)
            print(f"{model}: scan {here:.2f} s, {other:.2f} s: {other / here:.2f} x")
            here, other = map(statistics.median, speeds)
            print(f"{model}: scan {here:,.0f} nt/s, {other:,.0f}: {here / other:.2f} x")
            largest = max(abs(a - b) for a, b in zip(*windows, strict=True))
            print(f"{model}: largest difference of a probability {largest:.2g}")


if __name__ == "__main__":
    main()
