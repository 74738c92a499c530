"""Counts the validation and test sites that share 31 letters with a training site.

    python benchmarks/validation_overlap.py --plan PLAN

PLAN is of `deeprke benchmark --plan`. Where many validation sites do, validation rises
by what a network remembers, and the best epoch is not the best for new sites.
"""

import argparse
from pathlib import Path

from deeprke_tf.fleets import packs, plan
from deeprke_tf.fleets.packs import PackedSites
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.stretches import SHARED, overlaps


def main() -> None:
    """Prints a row for each experiment of the plan."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plan", type=Path, required=True)
    flags = parser.parse_args()
    trainings = plan.read(flags.plan)
    datasets = {one.dataset: one.experiment for one in trainings}
    print(f"shares of sites with {SHARED} letters of a training site")
    print("validation     test           experiment")
    print("bound  backgr. bound  backgr.")
    for dataset, experiment in datasets.items():
        splits = {
            name: _sites(packed)
            for name, packed in packs.read(flags.plan / dataset).items()
        }
        cells = []
        for split in ("validation", "test"):
            shared = overlaps(splits["train"], splits[split])["train_test"]
            cells += [shared["bound_sharing"], shared["background_sharing"]]
        print(*(f"{cell:<6.3f}" for cell in cells), f" {experiment}", flush=True)


def _sites(packed: PackedSites) -> list[Site]:
    return [
        Site("", sequence, int(label), None)
        for sequence, label in zip(packed.sequences, packed.labels, strict=True)
    ]


if __name__ == "__main__":
    main()
