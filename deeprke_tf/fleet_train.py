"""Trains many networks at once on a GPU, with Keras on JAX.

python -m deeprke_tf.fleet_train --plan PLAN --out TRAINED
"""

import dataclasses
import importlib.metadata
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from deeprke_tf import __version__, cli
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories

if TYPE_CHECKING:
    import numpy as np

    from deeprke_tf.config import RunConfig
    from deeprke_tf.fleets.data import Datasets
    from deeprke_tf.fleets.fleet import Member, Trained
    from deeprke_tf.fleets.plan import Training


_VIEWS = {"sequence", "structure"}


class Start(NamedTuple):
    """What a network starts from.

    Attributes:
      weights: Those that are trained.
      vectors: The k-mer vectors that they were trained on, by view.
      facts: How the trunk was trained.
    """

    weights: "list[np.ndarray]"
    vectors: "dict[str, np.ndarray]"
    facts: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class FleetFlags:
    """Trains the networks of a plan, those of equal shape at once, on one device.

    The plan is of `deeprke benchmark --plan`; `deeprke benchmark --trained` takes the
    results. Needs JAX (`pip install 'deeprke_tf[jax]'`, on GPUs `jax[cuda13]`), and no
    TensorFlow. What is done is not done again.
    """

    plan: Path
    """Directory that `deeprke benchmark --plan` made."""
    out: Path
    """Directory for the results, one file for each training."""
    presets: tuple[str, ...] = ()
    """Only trainings of these presets, in this order."""
    at_once: int = 32
    """Networks that train at the same time."""
    mixed_precision: bool = False
    """Compute in bfloat16; weights, loss and probability stay float32."""

    def __post_init__(self):
        if self.at_once < 1:
            raise UserError(f"at_once must be at least 1, got {self.at_once}.")


def fleet_train(flags: FleetFlags) -> None:
    """Trains what the plan asks for and has no result yet."""
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        import jax  # noqa: F401
    except ImportError as error:
        raise UserError(
            "A fleet needs JAX: pip install 'deeprke_tf[jax]', on GPUs also "
            "'jax[cuda13]'."
        ) from error
    from deeprke_tf.fleets import plan as fleet_plan
    from deeprke_tf.fleets.data import Datasets

    trainings = fleet_plan.read(flags.plan)
    unknown = set(flags.presets) - {one.preset for one in trainings}
    if unknown:
        raise UserError(f"The plan has no training of preset {sorted(unknown)[0]!r}.")
    directories.make_directory(flags.out)
    asked = trainings
    if flags.presets:  # in the order that they are named in
        order = flags.presets.index
        asked = [one for one in trainings if one.preset in flags.presets]
        asked = sorted(asked, key=lambda one: order(one.preset))
    left = [one for one in asked if not _is_done(one, flags.out)]
    print(f"{len(left)} trainings to do, {len(asked) - len(left)} done before")
    diverged: list[str] = []
    with Datasets(flags.plan) as datasets:
        for group in _groups(left):
            starts = _starts(group, trainings, datasets, flags)
            for some in _of_like_size(group, datasets, flags.at_once):
                diverged += _train_group(some, datasets, starts, flags)
    print(f"wrote {flags.out}")
    if diverged:
        raise UserError(
            f"{len(diverged)} of {len(left)} networks diverged and have no result: "
            f"{'; '.join(diverged)}. Those that are left out of --mixed-precision, or "
            "have a lower learning_rate in plan.json, may do better."
        )


def _is_done(training: "Training", out: Path) -> bool:
    """Tells whether there is a result of this very training."""
    from deeprke_tf.fleets import plan as fleet_plan

    path = training.result_path(out)
    if not path.exists():
        return False
    _arrays, facts = fleet_plan.read_result(path)
    same_data = facts["dataset_sha256"] == training.dataset_sha256
    return same_data and fleet_plan.is_of(facts, training.config)


def _groups(trainings: Sequence["Training"]) -> list[list["Training"]]:
    """Returns the trainings whose networks have one shape together."""
    groups: dict[str, list[Training]] = defaultdict(list)
    for one in trainings:
        groups[one.group].append(one)
    return list(groups.values())


def _of_like_size(
    group: Sequence["Training"], datasets: "Datasets", at_once: int
) -> list[list["Training"]]:
    """Cuts a group where datasets fall to half the size: a fleet waits for all.

    Large ones are first: small ones take as long for little, and may be cut off.
    """
    sizes = {
        id(one): len(splits["train"].labels)
        for one, splits in zip(group, datasets.read(group), strict=True)
    }
    parts: list[list[Training]] = []
    # Stable: those of one size keep the order of the plan.
    for one in sorted(group, key=lambda one: -sizes[id(one)]):
        size = sizes[id(one)]
        last = parts[-1] if parts else []
        if not last or len(last) == at_once or 2 * size < sizes[id(last[0])]:
            parts.append([])
        parts[-1].append(one)
    return parts


def _starts(
    group: Sequence["Training"],
    trainings: Sequence["Training"],
    datasets: "Datasets",
    flags: FleetFlags,
) -> "dict[Path, Start]":
    """Returns what the networks start from, by result; none: random weights.

    Args:
      group: Trainings to do, of one shape.
      trainings: All of the plan: a trunk is trained on the sites of those done before,
        too, and so is the same when a fleet goes on.
      datasets: Their sites.
      flags: Of the command.
    """
    if not group[0].transfer:
        return {}
    from deeprke_tf.fleets import trunk

    found = {}
    for name in dict.fromkeys(one.trunk for one in group):
        alike = [one for one in trainings if one.trunk == name]
        vectors = vectors_of(alike[0], flags.plan)
        config = _config(alike[0], flags)
        starts, facts = trunk.train(config, datasets.read(alike), vectors, _say)
        for one, weights in zip(alike, starts, strict=True):
            found[one.result_path(flags.out)] = Start(weights, vectors, facts)
    return found


def _train_group(
    group: Sequence["Training"],
    datasets: "Datasets",
    starts: "dict[Path, Start]",
    flags: FleetFlags,
) -> list[str]:
    """Trains networks together, writes their results, and returns which diverged."""
    import jax

    from deeprke_tf.fleets import fleet

    device = jax.devices()[0].device_kind
    print(f"{len(group)} x {group[0].preset} on {device}", flush=True)
    members = _members(group, datasets, starts, flags)
    config = _config(group[0], flags)
    started = time.monotonic()
    trained = fleet.train_together(config, members, _say)
    seconds = time.monotonic() - started
    n_sites = [
        len(one.splits["train"].labels) * len(result.history)
        for one, result in zip(members, trained, strict=True)
    ]
    _say(f"{seconds:.0f} s, {sum(n_sites) / seconds:,.0f} sites/s with compilation")
    shared = {
        "seconds": round(seconds, 1),
        "n_together": len(group),
        "device": device,
        "versions": _versions(),
    }
    diverged = []
    for one, member, result in zip(group, members, trained, strict=True):
        path = one.result_path(flags.out)
        if result.diverged:
            diverged.append(f"{one.experiment} {one.label} ({result.diverged})")
            continue
        facts = _facts(one, result, _replaced(config, seed=one.config.train.seed))
        if path in starts:
            facts["trunk"] = starts[path].facts
        _write(path, member, result, facts | shared)
    return diverged


def _members(
    group: Sequence["Training"],
    datasets: "Datasets",
    starts: "dict[Path, Start]",
    flags: FleetFlags,
) -> "list[Member]":
    from deeprke_tf.fleets import fleet

    members = []
    for one, splits in zip(group, datasets.read(group), strict=True):
        start = starts.get(one.result_path(flags.out))
        vectors = vectors_of(one, flags.plan)
        if start:  # k-mer weights stay those of its own sites.
            vectors |= {view: start.vectors[view] for view in _VIEWS & vectors.keys()}
        weights = start.weights if start else None
        members.append(fleet.Member(splits, vectors, one.config.train.seed, weights))
    return members


def _write(
    path: Path, member: "Member", result: "Trained", facts: dict[str, Any]
) -> None:
    from deeprke_tf.fleets import plan as fleet_plan

    labels = {
        f"{split}_labels": member.splits[split].labels.astype("uint8")
        for split in result.probabilities
    }
    fleet_plan.write_result(path, result.arrays | labels, facts)


def vectors_of(training: "Training", plan: Path) -> dict[str, Any]:
    """Reads the k-mer vectors of a training by view, and its k-mer weights."""
    from deeprke_tf.fleets import plan as fleet_plan

    read = (fleet_plan.read_arrays(plan / name) for name in training.vectors.values())
    return {view: array for arrays in read for view, array in arrays.items()}


def _say(line: str) -> None:
    print(line, flush=True)


def _config(training: "Training", flags: FleetFlags) -> "RunConfig":
    if not flags.mixed_precision:
        return training.config
    return _replaced(training.config, mixed_precision=True)


def _replaced(config: "RunConfig", **training: Any) -> "RunConfig":
    """Returns the settings with others for the training."""
    return dataclasses.replace(
        config, train=dataclasses.replace(config.train, **training)
    )


def _facts(
    training: "Training", result: "Trained", config: "RunConfig"
) -> dict[str, Any]:
    return {
        "dataset_sha256": training.dataset_sha256,
        "config": dataclasses.asdict(config),
        "model_sha256": result.model_sha256,
        "best_epoch": result.best_epoch,
        "history": result.history,
    }


def _versions() -> dict[str, str]:
    return {
        "deeprke_tf": __version__,
        "python": platform.python_version(),
        **{
            name: importlib.metadata.version(name) for name in ("jax", "keras", "numpy")
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("fleet", FleetFlags, fleet_train, argv)


if __name__ == "__main__":
    sys.exit(main())
