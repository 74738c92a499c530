"""Trains a model of one RBP on its dataset, or a model of each of several RBPs.

python -m deeprke_tf.train --data tfrecords/QKI --out runs/QKI
python -m deeprke_tf.train --data 'tfrecords/*' --out runs --shard 1/3
python -m deeprke_tf.train --data 'tfrecords/*' --joint --out runs/all
"""

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli, presets
from deeprke_tf.config import (
    JointConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    VectorConfig,
)
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.system import shards, tables
from deeprke_tf.system.progress import progress_bar
from deeprke_tf.training.settings import (
    FOR_FEW_SITES,
    SAMPLE,
    are_few,
    defaults_of_train,
)


@dataclasses.dataclass(frozen=True)
class TrainFlags:
    """Trains a model of one RBP; an interrupted run is resumed by the same command.

    Training stops when the AUROC on the validation split no longer rises, or with very
    few validation sites when their loss no longer falls; the model of the best epoch is
    kept. The test split is never read.

    Several datasets, named by --data or by a pattern such as 'tfrecords/*', are trained
    one after the other, each to a run of its own, OUT/<data>-<preset>; finished runs
    are skipped. Several processes or machines may run the same command at once: each
    run is trained by one of them.

    With --joint, one network with an output for each RBP is trained on all of them.
    """

    data: tuple[Path, ...] = (SAMPLE,)
    """Directory that `deeprke preprocess` made; several or a pattern to train many."""
    out: Path | None = None
    """Directory to make; if not given, runs/<data>-<preset>, with --init-from
    runs/<data>-from-<run>, with --joint runs/joint-<preset>, each of an ensemble with
    -ensemble at its end. For several datasets, the directory of their runs; runs if not
    given."""
    shard: str | None = None
    """Of several datasets, train only every n-th from the i-th on, as i/n."""
    preset: str = presets.DEFAULT
    """Settings to start from: deeprke, deeprke-no-structure, paper, no-structure,
    one-hot, cnn-only, deepbind, ideepv, ideeps. On RBP-31 deeprke-no-structure is as
    good as deeprke, and needs no folding. For a dataset without structure it is the
    default, and with fewer than 3,000 training sites, if it is the only dataset,
    --init-from rbp31 --ensemble 2."""
    config: Path | None = None
    """File of settings such as a run's config.json, in place of a preset."""
    vectors_from: Path | None = None
    """Directory that `deeprke vectors` made; the k-mer vectors are not trained here."""
    init_from: Path | None = None
    """Run, joint run or name of a model to start from, for few sites: its network
    without the output, and its k-mer vectors. Without --preset or --config the network
    has its settings, --frozen-epochs is 2, and --body-rate 0.1, from 3,000 training
    sites on 0.3."""
    joint: bool = False
    """Train one network for all datasets; the names of their directories are those of
    the RBPs. Each RBP has a run of its own in OUT/rbps."""
    replicates: Path | None = None
    """Table of two columns, the name of a dataset and that of its RBP: with --hold-out,
    datasets of one RBP are held out together."""
    ensemble: int = 1
    """Number of runs to train and average as one model, with --seed and the seeds that
    follow it. Finished ones in --out are not trained again. With --init-from every
    second one starts there, the others from scratch."""
    devices: int | None = None
    """Number of GPUs, by default all; without a GPU, number of logical CPU devices."""
    overwrite: bool = False
    """Delete the run that --out holds, and start again."""
    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()
    joint_training: JointConfig = JointConfig()

    @property
    def run_config(self) -> RunConfig:
        """The settings that the run saves."""
        return RunConfig(self.model, self.vectors, self.train)

    @property
    def settings_name(self) -> str:
        """Name of the settings in the name of a run."""
        name = self.config.stem if self.config else self.preset
        if self.init_from:
            name = f"from-{self.init_from.name}"
        return f"{name}-ensemble" if self.ensemble > 1 else name


def train(flags: TrainFlags) -> None:
    """Trains what the flags ask for.

    Raises:
      UserError: An argument cannot be used, or a training failed.
    """
    from deeprke_tf import api

    if flags.data == (SAMPLE,):
        print(f"note: {SAMPLE} holds simulated sites, to try the package with")
    if flags.joint:
        _train_joint(flags)
        return
    if flags.joint_training != JointConfig() or flags.replicates:
        raise UserError(
            "`shared_letters`, `balance`, `hold_out` and `replicates` go with `joint` "
            "only."
        )
    if len(flags.data) != 1 or description.is_pattern(flags.data[0]):
        _train_several(flags)
        return
    (data,) = flags.data
    if flags.shard:
        raise UserError(f"`shard` is for several datasets; `data` names one, {data}.")
    out = flags.out or Path("runs") / f"{data.resolve().name}-{flags.settings_name}"
    if flags.init_from == FOR_FEW_SITES:
        print(_note_on_seen_sites(flags.ensemble))
    api.fit(
        data,
        out,
        config=flags.run_config,
        vectors_from=flags.vectors_from,
        init_from=flags.init_from,
        ensemble=flags.ensemble,
        devices=flags.devices,
        overwrite=flags.overwrite,
        progress=True,
    )
    if not flags.init_from and data != SAMPLE:
        print(_note_on_few_sites(data, out), end="")


def _note_on_seen_sites(n_networks: int) -> str:
    """Returns what to mind of a training from the packaged model."""
    which = "every second network starts" if n_networks > 1 else "the network starts"
    return (
        f"note: {which} from {FOR_FEW_SITES}, which has seen some sites of most human "
        "CLIP data: AUROC on yours may be too good (docs/few-sites.md); --preset "
        "deeprke-no-structure, without --init-from, trains from scratch"
    )


def _note_on_few_sites(data: Path, out: Path) -> str:
    """Returns what else to train on few sites; empty for many."""
    info = description.read(data)
    if not are_few(info):
        return ""
    n_sites = info.split("train").n_sites
    given, other = map(shlex.quote, map(str, (data, f"{out}-with-{FOR_FEW_SITES}")))
    return (
        f"note: {n_sites:,} training sites are few. The mean of two networks, one of "
        "which starts from the packaged one, is likely to be better "
        "(docs/few-sites.md):\n"
        f"  deeprke train --data {given} --init-from {FOR_FEW_SITES} --ensemble 2 "
        f"--out {other}\n"
    )


def _train_joint(flags: TrainFlags) -> None:
    """Trains one network for all datasets."""
    from deeprke_tf import api

    if flags.shard or flags.init_from:
        raise UserError(
            "`joint` trains one network of all datasets, from the start: `shard` and "
            "`init_from` do not go with it."
        )
    api.fit_joint(
        description.find(flags.data),
        flags.out or Path("runs") / f"joint-{flags.settings_name}",
        config=flags.run_config,
        shared_letters=flags.joint_training.shared_letters,
        balance=flags.joint_training.balance,
        hold_out=flags.joint_training.hold_out,
        replicates=flags.replicates,
        ensemble=flags.ensemble,
        vectors_from=flags.vectors_from,
        devices=flags.devices,
        overwrite=flags.overwrite,
        progress=True,
    )


def _train_several(flags: TrainFlags) -> None:
    """Trains a run of each dataset, and prints the outcomes."""
    from deeprke_tf.training import many

    if flags.overwrite:
        raise UserError(
            "`overwrite=True` is for one run: each of several processes would delete "
            "what another has trained. Delete the runs that are to be trained again."
        )
    if flags.ensemble > 1 or flags.init_from:
        raise UserError(
            "`ensemble` and `init_from` are for one dataset; give one command for each "
            "of several."
        )
    datasets = description.find(flags.data)
    out = flags.out or Path("runs")
    directories = many.run_directories(datasets, out, flags.settings_name)
    shard = flags.shard or "1/1"
    outcomes = many.train_datasets(
        shards.share_of(datasets, shard),
        shards.share_of(directories, shard),
        flags.run_config,
        vectors_from=flags.vectors_from,
        n_devices=flags.devices,
        progress=progress_bar,
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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        "train",
        TrainFlags,
        train,
        argv,
        default=lambda argv: TrainFlags(**defaults_of_train(argv)),
        uses_tensorflow=True,
    )


if __name__ == "__main__":
    sys.exit(main())
