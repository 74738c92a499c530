"""Searches for better settings, with KerasTuner.

python -m deeprke_tf.tune --data tfrecords/QKI --out searches/QKI --trials 20
"""

import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deeprke_tf import cli, config, presets, train
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, files
from deeprke_tf.tuning import results, roles
from deeprke_tf.tuning import space as tune_space
from deeprke_tf.tuning import trial as tune_trial
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.trial import TrialTask

if TYPE_CHECKING:
    from deeprke_tf.tuning.oracle import SearchPlan

_TRIALS = 20
_SIGNS_BEFORE_LOST = 6


@dataclasses.dataclass(frozen=True)
class TuneFlags:
    """Searches for settings with a higher AUROC on the validation split.

    A trial is a training as `deeprke train` does it; the first one is the preset, with
    the settings given here. The test split is never read. A search that was killed goes
    on when the same command is given again, and a finished one with more --trials.
    KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT spread it over
    processes and machines; see docs/tune.md.
    """

    data: Path = train.SAMPLE
    """Directory that `deeprke preprocess` made."""
    out: Path | None = None
    """Directory of the search; searches/<data>-<preset> if not given."""
    trials: int | None = None
    """Most trials; 20 if not given, with hyperband one round."""
    tuner: Literal["random", "bayesian", "hyperband"] = "random"
    """How the settings of a trial are chosen."""
    space: Path | None = None
    """TOML or JSON file that narrows or widens the space of settings."""
    executions_per_trial: int = 1
    """Trainings of a trial, each with the next seed; the mean AUROC counts."""
    max_time: float | None = None
    """Hours after which no more trials are begun; counted from this command on."""
    lost_after: float = 60.0
    """Seconds without a sign after which the trial of a worker goes to another."""
    preset: str = presets.DEFAULT
    """Settings to start from, of `deeprke train`."""
    config: Path | None = None
    """File of settings as a run's config.json holds them, in place of a preset."""
    vectors_from: Path | None = None
    """Directory that `deeprke vectors` made, in place of vectors trained here."""
    devices: int | None = None
    """GPUs of each trial, by default all; where there is none, logical CPU devices."""
    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self):
        for name in ("trials", "executions_per_trial"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")
        for name in ("max_time", "lost_after"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} must be above 0, got {value}.")

    @property
    def start(self) -> RunConfig:
        """The settings of the first trial."""
        return RunConfig(self.model, self.vectors, self.train)


def default_flags(argv: Sequence[str]) -> TuneFlags:
    """Returns the flags' defaults: those of the preset or file that `argv` names.

    Raises:
      UserError: No such preset, or a file that cannot be used.
    """
    given = train.default_flags(argv)
    return TuneFlags(
        preset=given.preset,
        config=given.config,
        model=given.model,
        vectors=given.vectors,
        train=given.train,
    )


def tune(flags: TuneFlags) -> None:
    """Searches as the flags say; the chief, or one alone, shows the leaderboard.

    Raises:
      UserError: Something given cannot be used, or all trials failed.
    """
    from deeprke_tf.tuning import oracle as tune_oracle
    from deeprke_tf.tuning import search
    from deeprke_tf.tuning.report import Report

    role = roles.role()
    plan = _plan(flags)
    described = _described(flags, plan)
    oracle = tune_oracle.make_oracle(plan)
    directories.make_directory(plan.out)
    if role != "worker":
        _describe(plan.out, described)
    report = Report(plan.out, plan.space, plan.start, writes=role != "worker")
    task = TrialTask(
        flags.data,
        plan.out,
        flags.executions_per_trial,
        flags.vectors_from,
        flags.devices,
        roles.worker_name(),
    )

    def run_trial(trial: Any, on_wait: Callable[[], None]) -> TrialResult:
        _require_same(plan.out, described)  # A worker may be there before the chief.
        run_config = tune_oracle.trial_settings(trial, plan)
        seconds = flags.lost_after / _SIGNS_BEFORE_LOST
        return tune_trial.run_trial(task, trial.trial_id, run_config, on_wait, seconds)

    search.search(oracle, plan, run_trial, report.update)
    if role != "worker":
        report.finish()


def _plan(flags: TuneFlags) -> "SearchPlan":
    from deeprke_tf.tuning.oracle import SearchPlan

    name = flags.config.stem if flags.config else flags.preset
    trials = _TRIALS if flags.tuner != "hyperband" else None
    return SearchPlan(
        out=flags.out or Path("searches") / f"{flags.data.resolve().name}-{name}",
        space=tune_space.space_around(
            flags.start, flags.space, flags.vectors_from is not None
        ),
        start=flags.start,
        tuner=flags.tuner,
        trials=flags.trials or trials,
        lost_after=flags.lost_after,
        seconds_left=math.inf if flags.max_time is None else flags.max_time * 3600,
    )


def _described(flags: TuneFlags, plan: "SearchPlan") -> dict[str, Any]:
    """Returns what must stay the same for a search to go on; checks the data."""
    from deeprke_tf.data import batches, description

    # Else every trial would fail, one after the other.
    info = description.read(flags.data)
    for split in ("train", "validation"):
        info.split(split)
        batches.verify_shards(info, split)
    vectors_from = flags.vectors_from and str(flags.vectors_from)
    described = {
        "data": info.sha256,
        "tuner": flags.tuner,
        "executions_per_trial": flags.executions_per_trial,
        "vectors_from": vectors_from,
        "start": dataclasses.asdict(plan.start),
        "space": {name: repr(domain) for name, domain in plan.space.items()},
    }
    return json.loads(json.dumps(described))  # as it will be read


def _describe(out: Path, described: dict[str, Any]) -> None:
    """Begins a search, or makes sure that it is this one that goes on."""
    if (out / results.SEARCH).exists():
        _require_same(out, described)
        return
    # Workers that are there before the chief make a place for their state.
    begun = {results.ORACLE, *files.unfinished_names(results.SEARCH)}
    if {path.name for path in out.iterdir()} - begun:
        raise UserError(f"--out {out} is not empty and not a search; name another.")
    files.write_json(out / results.SEARCH, described)


def _require_same(out: Path, described: dict[str, Any]) -> None:
    before = files.read_json(out / results.SEARCH)
    with contextlib.suppress(KeyError, UserError):
        # Settings that have come since are what they are by default.
        start = config.from_dict(RunConfig, before["start"], results.SEARCH)
        before["start"] = json.loads(json.dumps(dataclasses.asdict(start)))
    other = [name for name in described if before.get(name) != described[name]]
    if other:
        raise UserError(
            f"{out} is a search with another {' and '.join(other)}; name another --out."
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        "tune", TuneFlags, tune, argv, default=default_flags, uses_tensorflow=True
    )


if __name__ == "__main__":
    sys.exit(main())
