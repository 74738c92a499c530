"""Counts sites of RBP-24 that overlap with the training sites of `rbp31`.

    python benchmarks/seen_sites.py --data-dir DATA --out OUT

A network that starts from `rbp31` may have seen the sites of another RBP, with the
labels of the RBPs of RBP-31. The test sites of RBP-24 stand for those of a user: human
CLIP sites from other places, of RBPs that RBP-31 has and of others. Each is taken as
101 nt around its middle, as the sites of RBP-31 are, and overlaps if it shares 38
letters in a row with a training site of the packaged network. The training sites are
those that joint training keeps (`OUT/sites`, made of `OUT/data`), as many as the model
says it has seen. seen_sites.json gets a row for each experiment.
"""

import argparse
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import split_sites
from joint_network import make_datasets

from deeprke_tf.benchmarking import experiments
from deeprke_tf.data import description
from deeprke_tf.data.joint_sites import write_joint_sites
from deeprke_tf.rna.fasta import fasta_records
from deeprke_tf.rna.sites import rna_letters
from deeprke_tf.runs import catalog, layout
from deeprke_tf.system import files
from deeprke_tf.system.streams import open_bytes

LENGTH = 101
# RBPs of RBP-24 that RBP-31 lacks, by the beginning of the experiment's name.
OTHERS = ("ALKBH5", "C17ORF85", "C22ORF28", "CAPRIN1", "PTB", "ZC3H7B")


def training_stretches(data_dir: Path, out: Path) -> np.ndarray:
    """Returns stretches of the training sites of `rbp31`, uint64, ascending."""
    facts = layout.read_manifest(catalog.resolve("rbp31"))
    names = make_datasets(data_dir, out / "data")
    datasets = {name: description.read(out / "data" / name) for name in names}
    letters = facts["joint"]["shared_letters"]
    sites = write_joint_sites(datasets, out / "sites", letters)
    found, expected = sites.split("train").n_sites, facts["joint"]["n_sites"]
    if found != expected:
        raise SystemExit(f"{found:,} training sites, and rbp31 has seen {expected:,}.")
    return split_sites.stretches(split_sites.letters(sites, "train"))


def windows(path: Path) -> Iterator[str]:
    """Yields the letters around the middle of each site, which is in upper case."""
    with contextlib.ExitStack() as closing:
        for _header, letters, _structure in fasta_records(open_bytes(path, closing)):
            shown = [place for place, letter in enumerate(letters) if letter.isupper()]
            start = max((shown[0] + shown[-1] + 1 - LENGTH) // 2, 0)
            yield rna_letters(letters[start : start + LENGTH])


def main() -> None:
    """Counts, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    flags = parser.parse_args()
    known = training_stretches(flags.data_dir, flags.out)
    rows = []
    for experiment in experiments.find("rbp24", flags.data_dir):
        row: dict = {"experiment": experiment.name}
        row["rbp_is_in_rbp31"] = not experiment.name.startswith(OTHERS)
        for path, label in experiment.test:
            overlaps = split_sites.overlapping([*windows(path)], known)
            name = "bound" if label else "background"
            row |= {f"n_{name}": len(overlaps), name: float(overlaps.mean())}
        rows.append(row)
    result: dict = {"experiments": rows}
    for is_in, name in ((True, "RBPs of RBP-31"), (False, "other RBPs")):
        some = [row for row in rows if row["rbp_is_in_rbp31"] == is_in]
        result[name] = {"n": len(some)}
        for kind in ("bound", "background"):
            shares = [row[kind] for row in some]
            result[name][kind] = float(np.mean(shares))
            result[name][f"{kind}_range"] = [min(shares), max(shares)]
    files.write_json(flags.out / "seen_sites.json", result)
    print(json.dumps({k: v for k, v in result.items() if k != "experiments"}, indent=2))


if __name__ == "__main__":
    main()
