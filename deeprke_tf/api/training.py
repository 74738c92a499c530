"""Trains models: one, an ensemble, or those of a cross-validation."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deeprke_tf.api.joint import JointRun
from deeprke_tf.api.loading import load_single
from deeprke_tf.api.run import Run
from deeprke_tf.config import JointConfig, RunConfig
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.runs import catalog
from deeprke_tf.system import directories, tensorflow
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike, optional_path
from deeprke_tf.system.progress import Progress, as_progress

if TYPE_CHECKING:
    from deeprke_tf.crossvalidation.groups import Groups
    from deeprke_tf.crossvalidation.result import CrossValidation


@checked
def fit(
    data: PathLike | Dataset,
    out: PathLike,
    *,
    preset: str | None = None,
    config: PathLike | RunConfig | None = None,
    vectors_from: PathLike | None = None,
    init_from: PathLike | None = None,
    ensemble: int = 1,
    devices: int | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> Run:
    """Trains a model of one RBP; a run that was interrupted is resumed.

    Training stops when the AUROC on the validation split no longer rises, or with very
    few validation sites when their loss no longer falls; the model of the best epoch is
    kept. The test split is never read. `fit_joint` trains one network for several RBPs.

    Args:
      data: A dataset, or the directory of one.
      out: Directory to make.
      preset: Settings to start from: "deeprke" (the default), "deeprke-no-structure",
        "paper", "no-structure", "one-hot", "cnn-only", "deepbind", "ideepv" or
        "ideeps". On RBP-31 "deeprke-no-structure" is as good as "deeprke", and needs
        no folding.
      config: In place of a preset: settings, or a file of them such as the
        `config.json` of a run.
      vectors_from: Directory of `deeprke vectors`; by default the k-mer vectors are
        trained on the training sites.
      init_from: Run, joint run or name of a model to start from, for few sites: its
        network without the output, and its k-mer vectors. Without `preset` or `config`,
        the network has its settings, `frozen_epochs` is 2, and `body_rate` 0.1, from
        3,000 training sites on 0.3.
      ensemble: Number of runs to train and average as one model, with the given seed
        and those that follow it. Finished ones in `out` are not trained again. With
        `init_from`, every second one starts there, the others from scratch.
      devices: Number of GPUs to use, by default all; without a GPU, logical CPU devices
        (by default one).
      overwrite: Delete the run that `out` holds, and start again.
      progress: Show a progress bar for each epoch, or report to a callback.
      **settings: Single settings that replace the preset's, such as `epochs=20`,
        `batch_norm=True`, `seed=2`: the fields of `deeprke_tf.config.ModelConfig`,
        `VectorConfig` and `TrainConfig`. `epochs` given here is not raised to reach the
        preset's `min_steps`.

    Returns:
      The finished run, or the ensemble.

    Raises:
      UserError: A setting is unknown or out of range, the dataset cannot be used, `out`
        holds something else or a finished run, or training diverged.
    """
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    from deeprke_tf.training import fine_tuning
    from deeprke_tf.training.ensemble import train_ensemble
    from deeprke_tf.training.run import train_run
    from deeprke_tf.training.settings import fine_tuning_settings, run_config

    directory = data.directory if isinstance(data, Dataset) else Path(data)
    source = None
    if init_from is not None:
        if vectors_from is not None:
            raise UserError(
                "`init_from` brings its k-mer vectors: do not give `vectors_from`."
            )
        source = fine_tuning.read(catalog.resolve(init_from))
        if preset is None and config is None:
            info = data if isinstance(data, Dataset) else description.read(directory)
            config = fine_tuning_settings(source.config, info)
    chosen = run_config(preset, config, settings)
    require_positive(ensemble=ensemble)
    out = Path(out)
    options: dict[str, Any] = {
        "vectors_from": optional_path(vectors_from),
        "n_devices": devices,
        "overwrite": overwrite,
        "progress": as_progress(progress),
        "source": source,
    }
    with _only_trainer(out):
        if ensemble > 1:
            train_ensemble(directory, out, chosen, ensemble, **options)
        else:
            train_run(directory, out, chosen, **options)
    return load_single(out)


@checked
def fit_joint(
    data: Sequence[PathLike | Dataset],
    out: PathLike,
    *,
    preset: str | None = None,
    config: PathLike | RunConfig | None = None,
    shared_letters: int = JointConfig.shared_letters,
    balance: float = JointConfig.balance,
    hold_out: Sequence[str] = (),
    replicates: PathLike | None = None,
    ensemble: int = 1,
    vectors_from: PathLike | None = None,
    devices: int | None = None,
    overwrite: bool = False,
    progress: bool | Progress = False,
    **settings: Any,
) -> JointRun:
    """Trains one network for several RBPs; a run that was interrupted is resumed.

    The network has an output for each RBP, and a site counts for the RBPs that it has a
    label for. Training stops when the mean AUROC on the validation splits no longer
    rises. The test splits are read only to leave overlapping training sites out.

    Args:
      data: Datasets, or their directories, whose names are those of the RBPs.
      out: Directory to make.
      preset: Settings to start from, as for `fit`.
      config: In place of a preset: settings, or a file of them.
      shared_letters: Training sites that share so many letters in a row with a
        validation or test site of any dataset are left out.
      balance: Weight of small datasets: 0, each site counts the same; 1, each dataset.
      hold_out: Datasets or RBPs to leave out of the training; what their validation and
        test sites share with the training sites of others is left out, too.
      replicates: File of two columns, the name of a dataset and that of its RBP:
        datasets of one RBP are held out together.
      ensemble: Number of joint runs to train and average, as for `fit`.
      vectors_from: Directory of `deeprke vectors`, as for `fit`.
      devices: Number of GPUs or logical CPU devices, as for `fit`.
      overwrite: Delete the run that `out` holds, and start again.
      progress: Show a progress bar for each epoch, or report to a callback.
      **settings: Single settings that replace the preset's, as for `fit`.

    Returns:
      The finished joint run.

    Raises:
      UserError: As for `fit`; there are fewer than two datasets, two have one name or
        different encodings, one has too few sites left, or `hold_out` names none.
    """
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    from deeprke_tf.training.joint import train_joint
    from deeprke_tf.training.joint_ensemble import train_joint_ensemble
    from deeprke_tf.training.settings import run_config

    require_positive(ensemble=ensemble)
    out = Path(out)
    options: dict[str, Any] = {
        "data": [d.directory if isinstance(d, Dataset) else Path(d) for d in data],
        "out": out,
        "run_config": run_config(preset, config, settings),
        "joint": JointConfig(shared_letters, balance, tuple(hold_out)),
        "replicates": optional_path(replicates),
        "vectors_from": optional_path(vectors_from),
        "n_devices": devices,
        "overwrite": overwrite,
        "progress": as_progress(progress),
    }
    with _only_trainer(out):
        if ensemble > 1:
            train_joint_ensemble(**options, n_members=ensemble)
        else:
            train_joint(**options)
    return JointRun.load(out)


@contextlib.contextmanager
def _only_trainer(out: Path) -> Iterator[None]:
    """Locks a run directory.

    Raises:
      UserError: Another process is training there.
    """
    with directories.only_process(out) as is_free:
        if not is_free:
            raise UserError(
                f"Another process is training {out}; wait for it, or name another "
                "`out`."
            )
        yield


@checked
def crossvalidate(
    data: PathLike | Dataset,
    out: PathLike,
    *,
    folds: int = 5,
    groups: "Groups" = "auto",
    preset: str | None = None,
    config: PathLike | RunConfig | None = None,
    vectors_from: PathLike | None = None,
    devices: int | None = None,
    progress: bool | Progress = False,
    **settings: Any,
) -> "CrossValidation":
    """Cross-validates a model by groups of sites, then trains a final one on all sites.

    Each fold holds out some groups: a model is trained on the others, with a tenth of
    them as its validation split, and gives the held-out sites their out-of-fold
    probabilities. The final model is trained on all sites, for the epochs that the
    models of the folds took (the median); its threshold and its calibration are fitted
    to the out-of-fold probabilities. The test split, if there is one, is left for you
    to evaluate the final model on.

    The same call resumes what was interrupted. Several processes may make it at once:
    each trains the models that no other one trains.

    Args:
      data: A dataset, or the directory of one; its training and validation sites are
        dealt anew.
      out: Directory to make.
      folds: Number of folds.
      groups: Sites that stay together: of one "chromosome", of one "gene", or with
        sequences that share 38 letters, directly or through others ("overlap"). "auto"
        is "gene" where most sites have one, else "chromosome" where all have
        coordinates, else "overlap".
      preset: Settings to start from, as for `fit`.
      config: In place of a preset: settings, or a file of them.
      vectors_from: Directory of `deeprke vectors`; by default the k-mer vectors of each
        model are trained on its training sites.
      devices: Number of GPUs or logical CPU devices, as for `fit`.
      progress: Show a progress bar for each epoch, or report to a callback.
      **settings: Single settings that replace the preset's, as for `fit`. `seed` also
        fixes which groups are held out together.

    Returns:
      The result: `measures` and `sites` are tables, `final` is the directory of the
      final model, for `load_run`.

    Raises:
      UserError: An argument cannot be used, there are too few groups, a fold lacks a
        class, `out` holds something else, or a training failed.
    """
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    from deeprke_tf.crossvalidation import engine
    from deeprke_tf.training.settings import run_config

    return engine.crossvalidate(
        data.directory if isinstance(data, Dataset) else Path(data),
        Path(out),
        run_config(preset, config, settings),
        folds,
        groups,
        vectors_from=optional_path(vectors_from),
        n_devices=devices,
        progress=as_progress(progress),
    )
