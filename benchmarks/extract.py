"""Measures `deeprke extract`, in windows/s, beside `bedtools getfasta -s`, in one run.

    python benchmarks/extract.py [--n-windows 100000] [--rounds 3] [--gtf GENES.gtf.gz]

A genome of random letters and peaks of 101 nt on both strands are simulated. Each side
runs in a process of its own, start-up included, on a genome whose index is there; the
letters of both are compared. Background windows are timed, too. With --gtf, sites get
regions and genes.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LENGTH = 101
WIDTH = 60  # letters in a line of FASTA


def main():
    """Prints seconds, windows/s and peak memory of each side."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n-windows", type=int, default=100_000)
    parser.add_argument("--chromosomes", type=int, default=3)
    parser.add_argument("--megabases", type=int, default=50, help="of a chromosome")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gtf", type=Path, help="of chr1, chr2, ...")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        simulate(folder, flags)
        extract = [sys.executable, "-m", "deeprke_tf.extract", "--genome", "g.fa"]
        extract += ["--peaks", "p.bed", "--extend", "0", "0", "--overlaps", "keep"]
        extract += ["--gtf", str(flags.gtf.resolve())] if flags.gtf else []
        sides = {
            "extract": [*extract, "--background", "none", "--out", "none"],
            "extract, with background": [*extract, "--out", "background"],
        }
        if shutil.which("bedtools"):
            getfasta = "bedtools getfasta -s -tab -fi g.fa -bed p.bed -fo letters.tsv"
            sides = {"bedtools getfasta -s": getfasta.split(), **sides}
        seconds = {name: [] for name in sides}
        memory = dict.fromkeys(sides, 0.0)
        for _ in range(flags.rounds):
            for name, command in sides.items():
                for out in ("none", "background"):
                    shutil.rmtree(folder / out, ignore_errors=True)
                taken, mebibytes = run(command, folder)
                seconds[name].append(taken)
                memory[name] = max(memory[name], mebibytes)
                if name == "extract" and len(sides) == 3:
                    compare(folder)
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(
            f"{name:26} {median:8.2f} s {flags.n_windows / median:12,.0f} windows/s "
            f"{memory[name]:8,.0f} MiB"
        )


def simulate(folder: Path, flags: argparse.Namespace) -> None:
    """Writes a genome with its index, and peaks sorted by position."""
    generator, rng = np.random.default_rng(1), random.Random(1)
    size = flags.megabases * 1_000_000 // WIDTH * WIDTH
    letters = np.frombuffer(b"ACGT", np.uint8)
    with open(folder / "g.fa", "wb") as file:
        for i in range(flags.chromosomes):
            file.write(f">chr{i + 1}\n".encode())
            # In pieces: the memory of this process counts as that of its children.
            for n_lines in np.diff([*range(0, size // WIDTH, 10_000), size // WIDTH]):
                lines = np.full((n_lines, WIDTH + 1), ord("\n"), np.uint8)
                lines[:, :WIDTH] = letters[generator.integers(0, 4, (n_lines, WIDTH))]
                file.write(lines.tobytes())
    places = {
        (rng.randint(1, flags.chromosomes), rng.randrange(size - LENGTH))
        for _ in range(flags.n_windows)
    }
    rows = [
        f"chr{chrom}\t{start}\t{start + LENGTH}\t.\t1\t{rng.choice('+-')}\n"
        for chrom, start in sorted(places)
    ]
    (folder / "p.bed").write_text("".join(rows))
    from deeprke_tf.genome.genome import open_genome

    open_genome(folder / "g.fa")


def run(command: list[str], folder: Path) -> tuple[float, float]:
    """Runs a command; returns seconds and peak memory, MiB."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(errors.decode()[-1000:])
    return time.monotonic() - started, usage.ru_maxrss / 1024


def compare(folder: Path) -> None:
    """Refuses letters that differ."""
    lines = (folder / "letters.tsv").read_text().splitlines()
    theirs = dict(line.split("\t") for line in lines)
    rows = (folder / "none" / "sites.tsv").read_text().splitlines()
    ours = {row.split("\t")[0]: row.split("\t")[8] for row in rows[1:]}
    if ours != theirs:
        raise RuntimeError("bedtools and extract give different letters")


if __name__ == "__main__":
    main()
