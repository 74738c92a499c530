"""Searches for better settings, with KerasTuner.

python -m deeprke_tf.tune --data tfrecords/QKI --out searches/QKI --trials 20
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf import cli, presets
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.system.progress import progress_bar
from deeprke_tf.training.settings import SAMPLE, defaults_of_data


@dataclasses.dataclass(frozen=True)
class TuneFlags:
    """Searches for settings with a higher AUROC on the validation split.

    A trial is a training as `deeprke train` does it; the first one has the preset, with
    the settings given here. The test split is never read. Give the same command again
    to resume an interrupted search, or with more --trials to extend a finished one.
    Give it several times at once, on one machine or on several with a common disk, to
    train trials in parallel; see docs/tune.md.
    """

    data: Path = SAMPLE
    """Directory that `deeprke preprocess` made."""
    out: Path | None = None
    """Directory of the search; searches/<data>-<preset> if not given."""
    trials: int | None = None
    """Maximum number of trials; 20 if not given, with hyperband one round."""
    tuner: Literal["random", "bayesian", "hyperband"] = "random"
    """How the settings of a trial are chosen."""
    space: Path | None = None
    """TOML or JSON file that narrows or widens the space of settings."""
    executions_per_trial: int = 1
    """Trainings per trial, each with the next seed; their mean AUROC counts."""
    max_time: float | None = None
    """Hours after which this command starts no more trials."""
    preset: str = presets.DEFAULT
    """Preset of `deeprke train` to start from; for a dataset without structure
    deeprke-no-structure is the default."""
    config: Path | None = None
    """File of settings, such as config.json of a run, to start from instead."""
    vectors_from: Path | None = None
    """Directory that `deeprke vectors` made, in place of vectors trained here."""
    devices: int | None = None
    """GPUs of each trial, all by default; without a GPU, logical CPU devices."""
    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()


def tune(flags: TuneFlags) -> None:
    """Searches as the flags say, and shows the leaderboard.

    Raises:
      UserError: Something given cannot be used, or all trials failed.
    """
    from deeprke_tf.tuning.plan import SearchPlan
    from deeprke_tf.tuning.search import search
    from deeprke_tf.tuning.space import space_around

    name = flags.config.stem if flags.config else flags.preset
    start = RunConfig(flags.model, flags.vectors, flags.train)
    plan = SearchPlan(
        flags.data,
        flags.out or Path("searches") / f"{flags.data.resolve().name}-{name}",
        start,
        space_around(start, flags.space, flags.vectors_from is not None),
        flags.tuner,
        flags.trials,
        flags.executions_per_trial,
        flags.vectors_from,
        flags.devices,
        progress_bar,
    )
    print(search(plan, flags.max_time))


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        "tune",
        TuneFlags,
        tune,
        argv,
        default=lambda argv: TuneFlags(**defaults_of_data(argv)),
        uses_tensorflow=True,
    )


if __name__ == "__main__":
    sys.exit(main())
