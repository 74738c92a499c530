"""Trains a model of one RBP on its records.

python -m deeprke_tf.train --data tfrecords/QKI --out runs/QKI
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli, config, presets
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.errors import UserError

SAMPLE = Path("tfrecords/sample")


@dataclasses.dataclass(frozen=True)
class TrainFlags:
    """Trains a model of one RBP; a run that was interrupted goes on where it stopped.

    Training stops when the AUROC on the validation split no longer rises; the model of
    the best epoch is kept. The test split is never read.
    """

    data: Path = SAMPLE
    """Directory that `deeprke preprocess` made."""
    out: Path | None = None
    """Directory to make; if not given, runs/<data>-<preset>, and for an ensemble
    runs/<data>-<preset>-ensemble."""
    preset: str = "paper"
    """Settings to start from: deeprke, paper, no-structure, one-hot, cnn-only,
    deepbind, ideepv, ideeps."""
    config: Path | None = None
    """File of settings as a run's config.json holds them, in place of a preset."""
    vectors_from: Path | None = None
    """Directory that `deeprke vectors` made, in place of vectors trained here."""
    ensemble: int = 1
    """Runs to train and to average, as one model: of --seed and those that follow it,
    each in a directory of --out. A finished one there is not trained again."""
    devices: int | None = None
    """GPUs to use, by default all; where there is none, logical CPU devices."""
    overwrite: bool = False
    """Delete what --out holds and start afresh."""
    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self):
        if self.ensemble < 1:
            raise UserError(f"ensemble must be at least 1, got {self.ensemble}.")

    @property
    def run_config(self) -> RunConfig:
        """The settings that the run saves."""
        return RunConfig(self.model, self.vectors, self.train)


def default_flags(argv: Sequence[str]) -> TrainFlags:
    """Returns the flags' defaults: those of the preset or file that `argv` names.

    Raises:
      UserError: No such preset, or a file that cannot be used.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default="paper")
    first.add_argument("--config", type=Path)
    given, _rest = first.parse_known_args(argv)
    if given.config:
        settings = config.load(RunConfig, given.config)
    else:
        settings = presets.preset(given.preset)
    return TrainFlags(
        preset=given.preset,
        config=given.config,
        model=settings.model,
        vectors=settings.vectors,
        train=settings.train,
    )


def train(flags: TrainFlags) -> None:
    """Trains the run that the flags ask for, and says how good the model is."""
    from deeprke_tf import train_run

    name = flags.config.stem if flags.config else flags.preset
    if flags.ensemble > 1:
        train_ensemble(flags, f"{name}-ensemble")
        return
    out = flags.out or Path("runs") / f"{flags.data.resolve().name}-{name}"
    train_run.train_run(
        flags.data,
        out,
        flags.run_config,
        vectors_from=flags.vectors_from,
        n_devices=flags.devices,
        overwrite=flags.overwrite,
    )


def train_ensemble(flags: TrainFlags, name: str) -> None:
    """Trains the ensemble that the flags ask for.

    Args:
      flags: Of the command.
      name: What the directory is called after the data, unless `out` is given.
    """
    from deeprke_tf import ensemble_run

    ensemble_run.train_ensemble(
        flags.data,
        flags.out or Path("runs") / f"{flags.data.resolve().name}-{name}",
        flags.run_config,
        flags.ensemble,
        vectors_from=flags.vectors_from,
        n_devices=flags.devices,
        overwrite=flags.overwrite,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        "train",
        TrainFlags,
        train,
        argv,
        default=default_flags,
        uses_tensorflow=True,
    )


if __name__ == "__main__":
    sys.exit(main())
