"""Trains a model of one RBP on its records, or one each of several RBPs.

python -m deeprke_tf.train --data tfrecords/QKI --out runs/QKI
python -m deeprke_tf.train --data 'tfrecords/*' --out runs --shard 1/3
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import cli, config, presets
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, tables

SAMPLE = Path("tfrecords/sample")


@dataclasses.dataclass(frozen=True)
class TrainFlags:
    """Trains a model of one RBP; a run that was interrupted goes on where it stopped.

    Training stops when the AUROC on the validation split no longer rises; the model of
    the best epoch is kept. The test split is never read.

    Several datasets, named by --data or by a pattern such as 'tfrecords/*', are trained
    one after the other, each to a run of its own, OUT/<data>-<preset>; runs that are
    finished are passed over. Give the same command to several processes or machines at
    once to share them out: each run is trained by one.
    """

    data: tuple[Path, ...] = (SAMPLE,)
    """Directory that `deeprke preprocess` made; several or a pattern to train many."""
    out: Path | None = None
    """Directory to make; if not given, runs/<data>-<preset>, and for an ensemble
    runs/<data>-<preset>-ensemble. Of several datasets, the directory of their runs;
    runs if not given."""
    shard: str | None = None
    """Of several datasets, only each n-th from the i-th on, as i/n."""
    preset: str = presets.DEFAULT
    """Settings to start from: deeprke, deeprke-no-structure, paper, no-structure,
    one-hot, cnn-only, deepbind, ideepv, ideeps."""
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
    first.add_argument("--preset", default=presets.DEFAULT)
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
    """Trains what the flags ask for, and says how good the models are.

    Raises:
      UserError: Something given cannot be used, or a training failed.
    """
    from deeprke_tf.training import many

    if flags.data == (SAMPLE,):
        print(f"note: {SAMPLE} holds simulated sites, to try the package with")
    if len(flags.data) == 1 and not many.is_pattern(flags.data[0]):
        _train_one(flags, flags.data[0])
    else:
        _train_several(flags)


def _train_one(flags: TrainFlags, data: Path) -> None:
    """Trains one run, or the runs of one ensemble."""
    from deeprke_tf.training import ensemble as ensemble_run
    from deeprke_tf.training import run

    if flags.shard:
        raise UserError(
            f"--shard shares out several datasets, but --data names one, {data}."
        )
    out = flags.out or Path("runs") / f"{data.resolve().name}-{_name(flags)}"
    settings: dict[str, Any] = {
        "vectors_from": flags.vectors_from,
        "n_devices": flags.devices,
        "overwrite": flags.overwrite,
    }
    with directories.only_process(out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is training {out}; wait for it, or name another "
                "--out."
            )
        if flags.ensemble > 1:
            ensemble_run.train_ensemble(
                data, out, flags.run_config, flags.ensemble, **settings
            )
        else:
            run.train_run(data, out, flags.run_config, **settings)


def _train_several(flags: TrainFlags) -> None:
    """Trains a run of each dataset, and says what became of them."""
    from deeprke_tf.system import shards
    from deeprke_tf.training import many

    if flags.overwrite:
        raise UserError(
            "--overwrite is for one run: of several processes each would delete what "
            "another has trained. Delete the runs that shall be trained anew."
        )
    if flags.ensemble > 1:
        raise UserError(
            "--ensemble is for one dataset; give one command for each of several."
        )
    datasets = many.find(flags.data)
    out = flags.out or Path("runs")
    directories = many.run_directories(datasets, out, _name(flags))
    shard = flags.shard or "1/1"
    outcomes = many.train_datasets(
        shards.share_of(datasets, shard),
        shards.share_of(directories, shard),
        flags.run_config,
        vectors_from=flags.vectors_from,
        n_devices=flags.devices,
    )
    rows = [["run", "validation AUROC", ""]]
    for outcome in outcomes:
        auroc = "" if outcome.auroc is None else f"{outcome.auroc:.4f}"
        rows.append([str(outcome.run), auroc, outcome.state])
    print(tables.text_table(rows))
    failed = [outcome for outcome in outcomes if outcome.message]
    if failed:
        raise UserError(
            f"{len(failed)} of {len(outcomes)} datasets failed; {failed[0].run}: "
            f"{failed[0].message}"
        )


def _name(flags: TrainFlags) -> str:
    """Returns the name of the settings, as the names of runs have it."""
    name = flags.config.stem if flags.config else flags.preset
    return f"{name}-ensemble" if flags.ensemble > 1 else name


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
