"""Tries forms of preset deeprke on the validation split of some experiments.

Each form is trained on every experiment and seed of a plan at once
(`deeprke_tf.fleets.fleet`, on JAX). The test sites are not scored.

    deeprke benchmark rbp31 --data-dir DATA --out RESULTS --presets deeprke \
        --experiments 2 6 9 13 15 22 --plan PLAN
    python benchmarks/deeprke_search.py --plan PLAN --json search.json

Prints the mean validation AUROC of each form, and that of each training.
"""

import argparse
import dataclasses
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "jax"

SHAPE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "start": ({}, {}),
    "no structure": ({"structure": False}, {}),
    "dropout 0.5": ({"dropout": 0.5}, {}),
    "spatial dropout 0.3": ({"spatial_dropout": 0.3}, {}),
    "20 epochs": ({}, {"epochs": 20}),
    "trainable vectors": ({"trainable_vectors": True}, {}),
    "256 filters": ({"filters": (256,), "union_filters": (128, 64)}, {}),
    "kernel 12": ({"kernel_sizes": (12,)}, {}),
    "three union layers": (
        {"union_filters": (64, 64, 32), "union_kernel_sizes": (8, 8, 8)},
        {},
    ),
    "short union kernels": ({"union_kernel_sizes": (8, 8)}, {}),
    "LSTM 64": ({"lstm_units": 64, "dense_units": 64}, {}),
    "batch 64": ({}, {"batch_size": 64}),
    "no positions": ({"position_size": 0}, {}),
    "structure filters 16": ({"structure_filters": (16,)}, {}),
}

# From a trunk of all experiments of the plan; settings of what comes after.
TRUNK: dict[str, dict[str, Any]] = {
    f"trunk, {epochs} epochs at {rate:g}": {"epochs": epochs, "learning_rate": rate}
    for epochs, rate in ((4, 3e-4), (8, 3e-4), (6, 1e-3))
}


def main() -> None:
    """Trains the forms asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--preset", default="deeprke")
    parser.add_argument("--forms", nargs="*", default=[*SHAPE, *TRUNK])
    parser.add_argument("--json", type=Path)
    flags = parser.parse_args()
    config, members = _start(flags.plan, flags.preset)
    rows = []
    trunk: list[Any] = []
    for form in flags.forms:
        model, training = SHAPE.get(form) or ({}, TRUNK[form])
        if form in TRUNK:
            trunk = trunk or _from_trunk(config, members)
        changed = dataclasses.replace(
            config,
            model=dataclasses.replace(config.model, **model),
            train=dataclasses.replace(config.train, **training),
        )
        rows.append(_trained(form, trunk if form in TRUNK else members, changed))
        if flags.json:
            flags.json.write_text(json.dumps(rows, indent=2) + "\n")


def _start(plan: Path, preset: str) -> tuple[Any, list[Any]]:
    """Returns the settings of the preset and its trainings."""
    from deeprke_tf.fleet_train import vectors_of
    from deeprke_tf.fleets import fleet
    from deeprke_tf.fleets import plan as fleet_plan
    from deeprke_tf.fleets.data import Datasets

    trainings = [
        one for one in fleet_plan.read(plan) if one.label.startswith(f"{preset}.")
    ]
    with Datasets(plan) as datasets:
        splits = datasets.read(trainings)
    for one in splits:
        one.pop("test", None)  # chosen on validation alone
    members = [
        fleet.Member(sites, vectors_of(one, plan), one.config.train.seed)
        for one, sites in zip(trainings, splits, strict=True)
    ]
    return trainings[0].config, members


def _from_trunk(config: Any, members: list[Any]) -> list[Any]:
    """Returns the trainings, each to start from a trunk of all."""
    from deeprke_tf.fleets import trunk

    vectors = members[0].vectors
    starts, _facts = trunk.train(config, [one.splits for one in members], vectors)
    views = {view: vectors[view] for view in ("sequence", "structure")}
    return [  # k-mer weights stay those of its own sites.
        dataclasses.replace(one, vectors=one.vectors | views, start=start)
        for one, start in zip(members, starts, strict=True)
    ]


def _trained(form: str, members: Any, config: Any) -> dict[str, Any]:
    from deeprke_tf.fleets import fleet

    started = time.monotonic()
    trained = fleet.train_together(config, members, lambda line: None)
    aurocs = [one.history[one.best_epoch - 1]["val_auroc"] for one in trained]
    epochs = [one.best_epoch for one in trained]
    seconds = time.monotonic() - started
    mean = sum(aurocs) / len(aurocs)
    print(
        f"{mean:.4f}  {form}  best epochs {min(epochs)} to {max(epochs)}, "
        f"{seconds:.0f} s  " + " ".join(f"{auroc:.4f}" for auroc in aurocs),
        flush=True,
    )
    return {"form": form, "mean": mean, "aurocs": aurocs, "best_epochs": epochs}


if __name__ == "__main__":
    main()
