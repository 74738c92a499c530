"""Measures what `deeprke scan --fdr` finds of sites planted in simulated transcripts.

    python benchmarks/scan_recall.py --out RESULTS [--model RUN] [--transcripts 200]

A transcript is random letters with sites of `deeprke_tf.rna.simulation` at known
places: as many positives, the motif in a hairpin loop, as decoys, the motif elsewhere,
and the motif nowhere else. Without --model, one is trained on windows of other such
transcripts: a third around a positive, a third around a decoy, a third away from both.

A called site, or window, is right if it overlaps the motif of a positive; recall is the
share of positives that a called site overlaps. `beside` is the FDR among calls that
overlap no decoy; `shuffled` is that of the sites that `--fdr` would call if shuffled
RNAs, which hold no decoy, were all it knew of false ones. `covered` is the share of
nucleotides that called sites cover: about the recall that as many sites at random
places would have. One long RNA is scanned, too. Folds are cold. Memory is the peak of
the largest process of the scan. What is finished is not done again: an interrupted run
is resumed.
"""

import argparse
import bisect
import csv
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from deeprke_tf.rna.simulated_files import LINE_WIDTH, write_labelled_fasta
from deeprke_tf.rna.simulation import SimulationConfig, motif_pattern, simulate
from deeprke_tf.rna.sites import Site
from deeprke_tf.scanning.fdr import call_at_fdr
from deeprke_tf.scanning.sources import windows_of as windows_of_origin
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.scanning.windows import Tiling, call_sites

DENSITY = 1000  # nucleotides for a positive, and for a decoy
WINDOW = 90  # nucleotides, the longest site that is simulated by default
MARGIN = 12  # nucleotides beside the motif: an arm and the rest of the loop
MOTIF = SimulationConfig.motif
GC = SimulationConfig.gc


class PlantedRna(NamedTuple):
    """An RNA and the starts of the motifs in it, ascending."""

    name: str
    sequence: str
    bound: list[int]
    decoys: list[int]


def main():
    """Prints a row for the transcripts and one for the long RNA."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="run of `deeprke train`")
    parser.add_argument("--transcripts", type=int, default=200)
    parser.add_argument("--length", type=int, default=3000, help="of a transcript, nt")
    parser.add_argument("--long", type=int, default=100_000, help="of the long RNA, nt")
    parser.add_argument("--fdr", type=float, default=0.1)
    parser.add_argument("--train-sites", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    flags = parser.parse_args()
    flags.out.mkdir(parents=True, exist_ok=True)
    model = flags.model or trained(
        flags.out, flags.train_sites, flags.epochs, flags.seed
    )
    print(
        "RNAs                recall  covered  precision     FDR  beside"
        "  shuffled  window FDR  beside     nt/s  peak MiB"
    )
    for n_rnas, length in ((flags.transcripts, flags.length), (1, flags.long)):
        rnas = list(planted_rnas(n_rnas, length, f"scanned {flags.seed}"))
        name = f"{model.name}-{n_rnas}x{length}-seed{flags.seed}"
        title = f"{n_rnas:,} of {length:,} nt"
        scanned(rnas, model, flags.out / name, flags.fdr)
        print(row(title, rnas, flags.out / name, flags.fdr), flush=True)


# === Simulation ===


def planted_rnas(n_rnas, length, seed):
    """Yields RNAs of one length; the same for the same arguments."""
    n_each = 2 * max(1, length // DENSITY)
    config = SimulationConfig(
        n_sites=n_rnas * n_each,
        decoys=1.0,
        seed=random.Random(f"sites {seed}").getrandbits(63),
    )
    sites = simulate(config)
    for i in range(n_rnas):
        rng = random.Random(f"{seed} {i}")
        yield planted_rna(f"tx{i}", list(itertools.islice(sites, n_each)), length, rng)


def planted_rna(name, sites, length, rng):
    """Sets sites at random places of an RNA, in their order."""
    n_random = length - sum(len(site.sequence) for site in sites)
    cuts = sorted(rng.randint(0, n_random) for _ in sites)
    sequence, starts = "", ([], [])
    edges = [0, *cuts, n_random]
    after = [*(site.sequence for site in sites), ""]
    for n, site, following in zip(
        (end - start for start, end in itertools.pairwise(edges)),
        [*sites, None],
        after,
        strict=True,
    ):
        sequence += spacer(n, sequence, following, rng)
        if site:
            (motif,) = motif_starts(site.sequence)
            starts[1 - site.label].append(len(sequence) + motif)
            sequence += site.sequence
    return PlantedRna(name, sequence, *starts)


def spacer(n, before, after, rng):
    """Draws letters that make no motif, with those beside them neither."""
    weights = [GC if letter in "CG" else 1 - GC for letter in "ACGU"]
    part = len(MOTIF) - 1
    while True:
        letters = "".join(rng.choices("ACGU", weights, k=n))
        if not motif_starts(before[-part:] + letters + after[:part]):
            return letters


def motif_starts(sequence):
    """Returns where the motif is."""
    return [match.start() for match in motif_pattern(MOTIF).finditer(sequence)]


def windows(rna, rng):
    """Yields labelled windows: around each motif, and as many away from all."""
    last = len(rna.sequence) - WINDOW
    motifs = sorted(rna.bound + rna.decoys)
    for number, motif in enumerate(motifs):
        low = max(0, motif + len(MOTIF) + MARGIN - WINDOW)
        high = min(last, motif - MARGIN)
        start = rng.randint(min(low, last), max(high, min(low, last)))
        yield window(rna, start, f"motif{number}")
        if motif in rna.bound:
            start = rng.randint(0, last)
            while overlapped(motifs, start, start + WINDOW):
                start = rng.randint(0, last)
            yield window(rna, start, f"random{number}")


def window(rna, start, name):
    """Cuts a window as a site; it is bound if it holds the motif of a positive."""
    end = start + WINDOW
    is_bound = any(start <= motif <= end - len(MOTIF) for motif in rna.bound)
    return Site(f"{rna.name}_{name}", rna.sequence[start:end], int(is_bound))


def overlapped(motifs, start, end):
    """Returns those of the motifs, by ascending starts, that an interval overlaps."""
    first = bisect.bisect_right(motifs, start - len(MOTIF))
    return motifs[first : bisect.bisect_left(motifs, end)]


# === Training and scanning ===


def trained(out, n_sites, epochs, seed):
    """Trains a model on windows, if it is not there; returns its run directory."""
    name = f"{n_sites}sites-seed{seed}"
    sites, data = out / f"windows-{name}.fa.gz", out / f"data-{name}"
    run = out / f"run-{name}-{epochs}epochs"
    if not sites.exists():
        rng = random.Random(f"windows {seed}")
        # Three kb give about nine windows.
        rnas = planted_rnas(-(-n_sites // 9), 3 * DENSITY, f"training {seed}")
        all_windows = (site for rna in rnas for site in windows(rna, rng))
        write_labelled_fasta(itertools.islice(all_windows, n_sites), sites)
    if not data.exists():
        deeprke("preprocess", "--sites", sites, "--out", data)
    if not (run / "manifest.json").exists():
        flags = ("--preset", "paper", "--epochs", epochs, "--seed", seed)
        deeprke("train", "--data", data, "--out", run, *flags)
    return run


def scanned(rnas, model, directory, fdr):
    """Scans RNAs, if that is not done."""
    fasta = directory.with_name(f"{directory.name}.fa")
    write_fasta(rnas, fasta)
    measured = directory / "benchmark.json"
    before = json.loads(measured.read_text()) if measured.exists() else {}
    if before.get("fdr") == fdr:
        return
    peak = deeprke(
        *("scan", "--model", model, "--fasta", fasta, "--out", directory),
        # Of this scan alone: with another's, its folds would cost nothing.
        *("--fold-cache", directory.with_name(f"{directory.name}.folds.sqlite")),
        *("--fdr", fdr),
    )
    speed = json.loads((directory / "scan.json").read_text())["scored_now"]["scanned"]
    cost = before
    # With another FDR alone, nothing is scored again.
    if speed["nt"]:
        cost = {"nt_per_second": speed["nt_per_second"], "peak_mib": round(peak)}
    measured.write_text(json.dumps({**cost, "fdr": fdr}, indent=2) + "\n")


def write_fasta(rnas, path):
    """Writes RNAs, wrapped."""
    with open(path, "w") as file:
        for rna in rnas:
            file.write(f">{rna.name}\n")
            for start in range(0, len(rna.sequence), LINE_WIDTH):
                file.write(rna.sequence[start : start + LINE_WIDTH] + "\n")


def deeprke(*arguments):
    """Runs a command; returns the memory of its largest process, in MiB.

    Its output goes to standard error.
    """
    command = [sys.executable, "-m", "deeprke_tf.cli", *map(str, arguments)]
    with subprocess.Popen(command, stdout=sys.stderr) as process:
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    # In KiB on Linux, in bytes on macOS.
    return usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


# === What was found ===


def row(title, rnas, directory, fdr):
    """Returns the measures of a scan as a line of the table."""
    bound = {rna.name: rna.bound for rna in rnas}
    sites = [
        (line[0], int(line[1]), int(line[2]))
        for line in read_table(directory / "sites.bed")
        if not line[0].startswith("track ")
    ]
    found = {
        (name, motif)
        for name, start, end in sites
        for motif in overlapped(bound[name], start, end)
    }
    recall = len(found) / sum(map(len, bound.values()))
    decoys = {rna.name: rna.decoys for rna in rnas}
    obtained, obtained_beside = false_shares(sites, bound, decoys)
    by_chance, _ = false_shares(sites_by_chance(directory, fdr), bound, decoys)
    window_fdr, window_fdr_beside = false_shares(
        called_windows(directory), bound, decoys
    )
    covered = sum(end - start for _, start, end in sites)
    covered /= sum(len(rna.sequence) for rna in rnas)
    cost = json.loads((directory / "benchmark.json").read_text())
    return (
        f"{title:<18}  {recall:>6.3f}  {covered:>7.3f}  "
        f"{1 - obtained:>9.3f}  {obtained:>6.3f}  {obtained_beside:>6.3f}  "
        f"{by_chance:>8.3f}  {window_fdr:>10.3f}  {window_fdr_beside:>6.3f}  "
        f"{cost['nt_per_second']:>7,.0f}  {cost['peak_mib']:>8,}"
    )


def sites_by_chance(directory, fdr):
    """Returns the sites that a scan would call by its shuffled RNAs alone."""
    manifest = json.loads((directory / "scan.json").read_text())
    tiling = Tiling(manifest["window"], manifest["stride"])
    with ScoreStore(directory / "scores.sqlite") as store:
        scanned, shuffled = (
            windows_of_origin(store, origin, tiling)
            for origin in ("scanned", "background")
        )
        threshold = call_at_fdr(scanned, shuffled, fdr).threshold
        return [
            (rna.name, site.start, site.end)
            for rna in store.scored("scanned")
            for site in call_sites(
                *tiling.place(rna.length), rna.probabilities, threshold
            )
        ]


def false_shares(intervals, bound, decoys):
    """Returns the share of intervals without a bound motif; NaN where there is none.

    First of all of them, then of those that a decoy alone does not explain.
    """
    n_right = n_on_decoys = 0
    for name, start, end in intervals:
        if overlapped(bound[name], start, end):
            n_right += 1
        elif overlapped(decoys[name], start, end):
            n_on_decoys += 1
    return tuple(
        1 - n_right / n if n else float("nan")
        for n in (len(intervals), len(intervals) - n_on_decoys)
    )


def called_windows(directory):
    """Returns the windows that reach the threshold of the scan."""
    threshold = json.loads((directory / "scan.json").read_text())["threshold"]
    place, lines = windows_of(directory)
    return [
        (line[0], int(line[1]), int(line[2]))
        for line in lines
        # Written with six decimals.
        if line[place] and threshold and float(line[place]) >= threshold - 5e-7
    ]


def windows_of(directory):
    """Returns the column of the probability in `windows.tsv`, and its lines."""
    header, *lines = read_table(directory / "windows.tsv")
    return header.index("probability"), lines


def read_table(path):
    """Returns the cells of a table of a scan by line, without its comments."""
    with open(path, newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        return list(csv.reader(lines, "excel-tab"))


if __name__ == "__main__":
    main()
