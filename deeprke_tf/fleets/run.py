"""Trains the networks of a plan on one device, those of equal shape at once."""

import dataclasses
import functools
import importlib.metadata
import logging
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from deeprke_tf import __version__
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.fleets import data, plan
from deeprke_tf.fleets.data import Splits
from deeprke_tf.fleets.plan import Training
from deeprke_tf.system import directories

if TYPE_CHECKING:
    from deeprke_tf.fleets.fleet import Trained
    from deeprke_tf.fleets.steps import Member

_logger = logging.getLogger(__name__)

ReadSites: TypeAlias = Callable[[str], Splits]  # of a dataset of the plan


def train_plan(
    plan_directory: Path,
    out: Path,
    *,
    presets: Sequence[str] = (),
    at_once: int = 32,
    mixed_precision: bool = False,
) -> None:
    """Trains what the plan asks for and has no result yet.

    Keras must not be imported before: it is made to run on JAX.

    Args:
      plan_directory: Of `deeprke benchmark --plan`.
      out: Directory for the results, one file for each training.
      presets: Only trainings of these presets, in this order; all if empty.
      at_once: Networks that train at the same time.
      mixed_precision: Compute in bfloat16.

    Raises:
      UserError: JAX is not installed, there is no plan or no such preset in it, or
        networks diverged.
    """
    if at_once < 1:
        raise UserError(f"`at_once` must be at least 1, got {at_once}.")
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        import jax  # noqa: F401
    except ImportError as error:
        raise UserError(
            "A fleet needs JAX: pip install 'deeprke_tf[jax]', on GPUs also "
            "'jax[cuda13]'."
        ) from error
    trainings = plan.read(plan_directory)
    unknown = set(presets) - {one.preset for one in trainings}
    if unknown:
        raise UserError(f"The plan has no training of preset {sorted(unknown)[0]!r}.")
    directories.make_directory(out)
    asked = trainings
    if presets:  # in the order that they are named in
        asked = [one for one in trainings if one.preset in presets]
        asked = sorted(asked, key=lambda one: presets.index(one.preset))
    left = [one for one in asked if not _is_done(one, out)]
    _logger.info(
        "%d trainings to do, %d done before", len(left), len(asked) - len(left)
    )
    # One object for each dataset: the device holds it once.
    sites_of = functools.cache(lambda name: data.read(plan_directory / name))
    diverged: list[str] = []
    for group in _groups(left):
        for some in _of_like_size(group, sites_of, at_once):
            diverged += _train_group(
                some, sites_of, plan_directory, out, mixed_precision
            )
    _logger.info("wrote %s", out)
    if diverged:
        raise UserError(
            f"{len(diverged)} of {len(left)} networks diverged and have no result: "
            f"{'; '.join(diverged)}. Those that are left out of `mixed_precision`, or "
            "have a lower learning_rate in plan.json, may do better."
        )


def _is_done(training: Training, out: Path) -> bool:
    """Tells whether there is a result of this very training."""
    path = training.result_path(out)
    if not path.exists():
        return False
    _arrays, facts = plan.read_result(path)
    same_data = facts["dataset_sha256"] == training.dataset_sha256
    return same_data and plan.is_of(facts, training.config)


def _groups(trainings: Sequence[Training]) -> list[list[Training]]:
    """Returns the trainings whose networks have one shape together."""
    groups: dict[str, list[Training]] = defaultdict(list)
    for one in trainings:
        groups[one.group].append(one)
    return list(groups.values())


def _of_like_size(
    group: Sequence[Training], sites_of: ReadSites, at_once: int
) -> list[list[Training]]:
    """Cuts a group where datasets fall to half the size: a fleet waits for all.

    Large ones are first: small ones take as long for little, and may be cut off.
    """
    sizes = {id(one): len(sites_of(one.dataset)["train"].labels) for one in group}
    parts: list[list[Training]] = []
    # Stable: those of one size keep the order of the plan.
    for one in sorted(group, key=lambda one: -sizes[id(one)]):
        size = sizes[id(one)]
        last = parts[-1] if parts else []
        if not last or len(last) == at_once or 2 * size < sizes[id(last[0])]:
            parts.append([])
        parts[-1].append(one)
    return parts


def _train_group(
    group: Sequence[Training],
    sites_of: ReadSites,
    plan_directory: Path,
    out: Path,
    mixed_precision: bool,
) -> list[str]:
    """Trains networks together, writes their results, and returns which diverged."""
    import jax

    from deeprke_tf.fleets.fleet import train_together
    from deeprke_tf.fleets.steps import Member

    device = jax.devices()[0].device_kind
    _logger.info("%d x %s on %s", len(group), group[0].preset, device)
    members = [
        Member(
            sites_of(one.dataset),
            plan.read_vectors(one, plan_directory),
            one.config.train.seed,
        )
        for one in group
    ]
    config = group[0].config
    if mixed_precision:
        config = _replaced(config, mixed_precision=True)
    started = time.monotonic()
    trained = train_together(config, members)
    seconds = time.monotonic() - started
    n_sites = sum(
        len(one.splits["train"].labels) * len(result.history)
        for one, result in zip(members, trained, strict=True)
    )
    speed = n_sites / seconds
    _logger.info("%.0f s, %s sites/s with compilation", seconds, f"{speed:,.0f}")
    shared = {
        "seconds": round(seconds, 1),
        "n_together": len(group),
        "device": device,
        "versions": _versions(),
    }
    diverged = []
    for one, member, result in zip(group, members, trained, strict=True):
        if result.diverged:
            diverged.append(f"{one.experiment} {one.label} ({result.diverged})")
            continue
        facts = _facts(one, result, _replaced(config, seed=one.config.train.seed))
        _write(one.result_path(out), member, result, facts | shared)
    return diverged


def _write(
    path: Path, member: "Member", result: "Trained", facts: dict[str, Any]
) -> None:
    labels = {
        f"{split}_labels": member.splits[split].labels.astype("uint8")
        for split in result.probabilities
    }
    plan.write_result(path, result.arrays | labels, facts)


def _replaced(config: RunConfig, **training: Any) -> RunConfig:
    """Returns the settings with others for the training."""
    return dataclasses.replace(
        config, train=dataclasses.replace(config.train, **training)
    )


def _facts(training: Training, result: "Trained", config: RunConfig) -> dict[str, Any]:
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
