"""The plan of a search, and the file that keeps it: `search.json`."""

import contextlib
import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Literal, TypeAlias

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, files
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.tuning import results
from deeprke_tf.tuning.space import Space

Tuner: TypeAlias = Literal["random", "bayesian", "hyperband"]

HYPERBAND_FACTOR = 3  # Hyperband keeps one trial of so many


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """Everything that is the same for all trials of a search.

    Attributes:
      data: Dataset directory.
      out: Directory of the search.
      start: Settings of the first trial; no trial trains for more epochs.
      space: Settings that vary.
      tuner: How the settings of a trial are chosen.
      trials: Maximum number of trials; None: 20, with Hyperband one round.
      executions: Trainings per trial; each has its own seed.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices of each training; see `devices.strategy`.
      progress: Makes the progress bars of each training.

    Raises:
      UserError: A number is out of range, or too few trials for Hyperband.
    """

    data: Path
    out: Path
    start: RunConfig
    space: Space
    tuner: Tuner = "random"
    trials: int | None = None
    executions: int = 1
    vectors_from: Path | None = None
    n_devices: int | None = None
    progress: Progress = no_progress

    def __post_init__(self):
        if self.trials is not None and self.trials < 1:
            raise UserError(f"`trials` must be at least 1, got {self.trials}.")
        if self.executions < 1:
            raise UserError(
                f"`executions_per_trial` must be at least 1, got {self.executions}."
            )
        size = hyperband_size(self.start.train.epochs)
        if self.tuner == "hyperband" and self.max_trials < size:
            raise UserError(
                f"A Hyperband round over {self.start.train.epochs} epochs has {size} "
                "trials, and the early ones train for only an epoch or two: "
                f"`trials={self.trials}` would end the search before any full "
                "training. Leave `trials` out, or change `epochs` or `tuner`."
            )

    @property
    def max_trials(self) -> int:
        """Maximum number of trials."""
        default = hyperband_size(self.start.train.epochs)
        return self.trials or (default if self.tuner == "hyperband" else 20)


def hyperband_size(epochs: int) -> int:
    """Returns the number of trials in one Hyperband round, over all brackets.

    >>> hyperband_size(30)
    90

    Args:
      epochs: Maximum epochs of a trial.
    """
    brackets, left = 0, float(epochs)
    while left >= 1:
        brackets, left = brackets + 1, left / HYPERBAND_FACTOR
    full = math.ceil(1 + math.log(epochs, HYPERBAND_FACTOR))
    return sum(
        math.ceil(full / (bracket + 1) * HYPERBAND_FACTOR**halvings)
        for bracket in range(brackets)
        for halvings in range(bracket + 1)
    )


def begin(plan: SearchPlan) -> None:
    """Makes the directory of a search, or verifies that it holds the same search.

    Raises:
      UserError: The data are incomplete, or `out` holds something else.
    """
    described = _described(plan)
    directories.make_directory(plan.out)
    with directories.only_process(plan.out / results.ORACLE, wait=True):
        if (plan.out / results.SEARCH).exists():
            _require_same(plan.out, described)
        elif any(not path.name.startswith(".") for path in plan.out.iterdir()):
            raise UserError(
                f"{plan.out} is not empty and not a search; choose another `out`."
            )
        else:
            files.write_json(plan.out / results.SEARCH, described)


def _described(plan: SearchPlan) -> dict[str, Any]:
    """Returns the parts of a plan that may not change, after checking the data."""
    from deeprke_tf.data import description, stored_sites  # They load TensorFlow.
    from deeprke_tf.training import fine_tuning

    # Otherwise every trial would fail, one after the other.
    info = description.read(plan.data)
    info.require_views(plan.start.model.views)
    fine_tuning.require_scratch(plan.start)
    for split in ("train", "validation"):
        info.split(split)
        stored_sites.verify_shards(info, split)
    described = {
        "data": info.sha256,
        "tuner": plan.tuner,
        "executions_per_trial": plan.executions,
        "vectors_from": plan.vectors_from and str(plan.vectors_from),
        "start": dataclasses.asdict(plan.start),
        "space": {name: repr(domain) for name, domain in plan.space.items()},
    }
    return json.loads(json.dumps(described))  # as a file returns it


def _require_same(out: Path, described: dict[str, Any]) -> None:
    before = files.read_json(out / results.SEARCH)
    if not isinstance(before, dict):
        raise UserError(f"{out / results.SEARCH} is not the file of a search.")
    with contextlib.suppress(KeyError, TypeError, UserError):
        # Settings added since the search began take their defaults.
        start = config.from_dict(RunConfig, before["start"], results.SEARCH)
        before["start"] = json.loads(json.dumps(dataclasses.asdict(start)))
    other = [name for name in described if before.get(name) != described[name]]
    if other:
        raise UserError(
            f"{out} is a search with other {' and '.join(other)}; choose another `out`."
        )
