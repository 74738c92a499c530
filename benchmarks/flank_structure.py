"""Asks on validation sites whether structure folded within its surroundings helps more.

    python benchmarks/flank_structure.py --data-dir DATA --out OUT

A window that is folded alone has lost the RNA around it. The sites of RBP-24 come with
up to 150 nt of flank on each side, so these forms can be compared, each reading the
letters of the site alone:

    none    the sequence
    alone   and loop contexts of the site, folded alone
    flanks  and loop contexts of the site, folded with its flanks

For the sets of PUM2, QKI, IGF2BP1-3 and ELAVL1 (PAR-CLIP), about a sixth of the
training sites is split off for validation; no 38 letters of a validation site and its
flanks occur in a training site and its flanks. Networks are trained with seeds 1 to 3:
preset deeprke, and deeprke-no-structure for `none`. The measure is the AUROC of the
kept epoch on the validation sites. The test sites of RBP-24 are not read.

The bases at the edges of these sites tell the label, and a fold within the flanks
depends on them. With `--mask-edges` they are N in the flanks, as in `deeprke benchmark
rbp24 --masks both-edges`, and those of the site are left out of it.

What is there is not made again. With `--shard 1/2` and `2/2` two processes share the
work; `--report` writes flank_structure.json of what is there.
"""

import argparse
import csv
import itertools
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from joint_network import train_run
from scipy import stats

from deeprke_tf.benchmarking import experiments
from deeprke_tf.benchmarking.data import write_with_structures
from deeprke_tf.benchmarking.edge_masking import NEIGHBORS, masked
from deeprke_tf.data import description, stored_sites
from deeprke_tf.data.description import Dataset
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import all_loop_contexts
from deeprke_tf.system import files, locks, tensorflow
from pipelines import preprocess

SETS = ("PARCLIP_PUM2", "PARCLIP_QKI", "PARCLIP_IGF2BP123", "PARCLIP_ELAVL1A")
SEEDS = (1, 2, 3)
FORMS = {
    "none": ("alone", "deeprke-no-structure"),
    "alone": ("alone", "deeprke"),
    "flanks": ("flanks", "deeprke"),
}
K = 3


class Flanked(NamedTuple):
    """A site within its flanks, and its half-open place there."""

    sequence: str
    start: int
    end: int
    label: int

    @property
    def letters(self) -> str:
        """The letters of the site."""
        return self.sequence[self.start : self.end]

    def without_edges(self) -> "Flanked":
        """Returns the site without the bases that tell the label, which are N then."""
        whole = Site("", self.sequence, viewpoint=(self.start, self.end))
        ends = self.start + NEIGHBORS, self.end - 1 - NEIGHBORS
        return Flanked(masked(whole, "both-edges"), *ends, self.label)


# === Data ===


def read_sites(name: str, data_dir: Path) -> dict[str, Flanked]:
    """Reads the training sites of a set, by names of our own.

    A site whose own letters are too few, or begin or end with N, is left out.
    """
    (found,) = experiments.select(experiments.find("rbp24", data_dir), [name])
    flanked = {}
    for path, label in found.train:
        for row, site in enumerate(SitesFile(path, k=K, label=label)):
            if isinstance(site, Site) and site.viewpoint:
                one = Flanked(site.sequence, *site.viewpoint, int(site.label or 0))
                letters = one.letters
                if len(letters) >= K and "N" not in letters[0] + letters[-1]:
                    flanked[f"{label}.{row}"] = one
    return flanked


def make_datasets(name: str, flags: argparse.Namespace) -> dict[str, Dataset]:
    """Preprocesses a set: `alone` by `deeprke preprocess`, `flanks` from it."""
    directory = flags.out / name
    directory.mkdir(parents=True, exist_ok=True)
    with locks.held(directory.resolve(), seconds=-1):
        sites = whole = read_sites(name, flags.data_dir)
        if flags.mask_edges:
            sites = {n: site.without_edges() for n, site in whole.items()}
        alone, flanks = directory / "alone", directory / "flanks"
        if not (alone / description.FILE_NAME).exists():
            splits = _splits(whole, directory)
            rows = [
                (site_name, site.letters, site.label, splits[site_name])
                for site_name, site in sites.items()
                if site_name in splits and len(site.letters) >= K
            ]
            table = [("name", "sequence", "label", "split"), *rows]
            path = directory / "sites.tsv"
            path.write_text("".join("\t".join(map(str, row)) + "\n" for row in table))
            _preprocessed("--sites", path, "--out", alone, *_folding(flags))
        dataset = description.read(alone)
        if not (flanks / description.FILE_NAME).exists():
            _write_flanks(dataset, sites, flanks, flags)
    return {"alone": dataset, "flanks": description.read(flanks)}


def _folding(flags: argparse.Namespace) -> list[object]:
    cache = ["--fold-cache", flags.fold_cache] if flags.fold_cache else []
    return ["--workers", flags.workers, *cache]


def _preprocessed(*flags: object) -> None:
    if preprocess.main(list(map(str, flags))):
        raise SystemExit(f"Could not be preprocessed: {flags}.")


def _splits(sites: dict[str, Flanked], directory: Path) -> dict[str, str]:
    """Returns the split of each site, such that the splits do not overlap in flanks."""
    fasta, out = directory / "flanked.fa", directory / "flanked"
    fasta.write_text(
        "".join(f">{n}; class:{s.label}\n{s.sequence}\n" for n, s in sites.items())
    )
    grouping = ("--validation-groups", "overlap", "--validation-fraction", 0.2)
    more = ("--no-structure", "--overwrite")
    _preprocessed("--sites", fasta, "--out", out, *grouping, *more)
    info = description.read(out)
    return {
        site_name: split for split in info.splits for site_name in _names(info, split)
    }


def _names(info: Dataset, split: str) -> list[str]:
    return stored_sites.sites_of_split(info, split)["name"]


def _write_flanks(
    alone: Dataset, sites: dict[str, Flanked], out: Path, flags: argparse.Namespace
) -> None:
    """Writes the dataset again with structures of the sites within their flanks."""
    encoding = alone.encoding
    with FoldingPool(encoding.fold, flags.fold_cache, flags.workers) as pool:
        folds = pool.structures(site.sequence for site in sites.values())

    def structures(split: str) -> Sequence[np.ndarray]:
        of_split = [sites[name] for name in _names(alone, split)]
        contexts = all_loop_contexts([folds[site.sequence] for site in of_split])
        cut = [
            whole[site.start : site.end]
            for site, whole in zip(of_split, contexts, strict=True)
        ]
        return encoding.structure_vocabulary.encode_all(cut)

    write_with_structures(alone, out, structures, "of the sites within their flanks")


# === Networks ===


def trained(directory: Path, form: str, seed: int, data: Dataset) -> dict[str, Any]:
    """Trains a network, unless it is there; returns its measures on validation."""
    path = directory / f"{form}.seed{seed}.json"
    if not path.exists():
        import keras

        keras.utils.clear_session()
        run = path.with_suffix("")
        always = ("--data", data.directory, "--seed", seed, "--preset", FORMS[form][1])
        train_run(run, *always)
        with open(run / "history.csv", newline="") as table:
            aurocs = [float(row["val_auroc"]) for row in csv.DictReader(table)]
        split = data.split("validation")
        result = {"set": directory.name, "form": form, "seed": seed}
        result |= {"n_sites": split.n_sites, "n_positive": split.n_positive}
        result |= {"n_training_sites": data.split("train").n_sites}
        files.write_json(path, result | {"auroc": max(aurocs), "of_epochs": aurocs})
    return json.loads(path.read_text())


# === Results ===


def report(out: Path, sets: Sequence[str]) -> dict[str, Any]:
    """Writes all results that are there, means and differences."""
    wanted = itertools.product(sets, FORMS, SEEDS)
    paths = [out / name / f"{form}.seed{seed}.json" for name, form, seed in wanted]
    results = [json.loads(path.read_text()) for path in paths if path.exists()]
    aurocs = {(r["set"], r["seed"], r["form"]): r["auroc"] for r in results}
    summary: dict[str, Any] = {"means": {}, "differences": {}, "results": results}
    for name in sets:
        summary["means"][name] = {
            form: float(np.mean(found))
            for form in FORMS
            if (found := [aurocs[k] for k in aurocs if k[0] == name and k[2] == form])
        }
    for form, other in (("alone", "none"), ("flanks", "none"), ("flanks", "alone")):
        of_sets = {}
        for name in sets:
            found = [
                aurocs[name, seed, form] - aurocs[name, seed, other]
                for seed in SEEDS
                if {(name, seed, form), (name, seed, other)} <= aurocs.keys()
            ]
            if found:
                of_sets[name] = mean_and_interval(found) | {"of_seeds": found}
        overall = mean_and_interval([of["mean"] for of in of_sets.values()])
        difference = {"sets": of_sets, "over_sets": overall}
        summary["differences"][f"{form} - {other}"] = difference
    files.write_json(out / "flank_structure.json", summary)
    return summary


def mean_and_interval(values: list[float]) -> dict[str, Any]:
    """Returns a mean, with the 95 % interval of a t-test."""
    if len(values) < 2:
        return {"mean": float(np.mean(values)), "interval": None}
    low, high = stats.t.interval(
        0.95, len(values) - 1, np.mean(values), stats.sem(values)
    )
    return {"mean": float(np.mean(values)), "interval": [float(low), float(high)]}


def flags_parser(description: str) -> argparse.ArgumentParser:
    """Returns a parser with the flags of the scripts that ask about structure."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--workers", type=int, default=1, help="folding processes")
    parser.add_argument("--fold-cache", type=Path)
    parser.add_argument("--report", action="store_true", help="train nothing")
    return parser


def main() -> None:
    """Trains what is not there yet, and prints means and differences."""
    parser = flags_parser(__doc__)
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--mask-edges", action="store_true")
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if not flags.report:
        tensorflow.import_tensorflow()
        first, step = map(int, flags.shard.split("/"))
        # All forms and sets of one seed before the next.
        wanted = itertools.product(SEEDS, flags.sets, FORMS)
        for seed, name, form in itertools.islice(wanted, first - 1, None, step):
            data = make_datasets(name, flags)[FORMS[form][0]]
            trained(flags.out / name, form, seed, data)
    summary = report(flags.out, flags.sets)
    for name, means in summary["means"].items():
        print(name, {form: round(auroc, 4) for form, auroc in means.items()})
    for pair, found in summary["differences"].items():
        print(pair, found["over_sets"])


if __name__ == "__main__":
    sys.exit(main())
