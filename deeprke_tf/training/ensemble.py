"""Trains an ensemble: runs of consecutive seeds in one directory, read as one model."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import ensemble, layout
from deeprke_tf.system import directories, files, tables
from deeprke_tf.training import run as train_run
from deeprke_tf.training import start


def train_ensemble(
    data: Path,
    out: Path,
    run_config: RunConfig,
    n_members: int,
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Trains the members that are not finished yet, one after the other, and joins all.

    Args:
      data: Directory of `pipelines.preprocess`.
      out: Directory to make; `deeprke_tf.runs.run` says what it will hold. Members may
        be there before, finished or not, each trained as a run of its own.
      run_config: All settings, with the seed of the first member.
      n_members: How many, at least 2.
      vectors_from: Directory of ready k-mer vectors, or None to train them: each member
        its own.
      n_devices: Devices to train on; see `devices.strategy`.
      overwrite: Delete what `out` holds, members too, and start afresh.

    Returns:
      The contents of `metrics.json`, measured on validation.

    Raises:
      UserError: Data or `out` cannot be used; training diverged.
    """
    settings = member_configs(run_config, n_members)
    info, _vectors = start.checked(data, run_config, vectors_from)
    with _members_held(out, list(settings)) if overwrite else contextlib.nullcontext():
        start.prepare(out, run_config, info, vectors_from, overwrite, tuple(settings))
    finished = [name for name in settings if (out / name / layout.MANIFEST).exists()]
    for name in finished:
        _require_member(out / name, settings[name], info, vectors_from)
    elsewhere = []
    for number, name in enumerate(settings, start=1):
        before = ", finished before" if name in finished else ""
        print(f"member {number} of {n_members}: {out / name}{before}", flush=True)
        with directories.only_process(out / name) as is_free:
            if not is_free:
                print("another process is at it", flush=True)
                elsewhere.append(name)
            elif (out / name / layout.MANIFEST).exists():
                _require_member(out / name, settings[name], info, vectors_from)
            else:
                train_run.train_run(
                    data,
                    out / name,
                    settings[name],
                    vectors_from=vectors_from,
                    n_devices=n_devices,
                )
                # What Keras keeps of a network is of no use to the next member.
                keras.utils.clear_session()
    if elsewhere:
        raise UserError(
            f"{' and '.join(elsewhere)} of {out} are being trained by other processes; "
            "give the command again when they are done."
        )
    return _join(out, run_config, info, list(settings))


@contextlib.contextmanager
def _members_held(out: Path, names: list[str]) -> Iterator[None]:
    """Keeps other processes from all members, whose locks lie in what is deleted.

    Raises:
      UserError: Another process is training a member.
    """
    with contextlib.ExitStack() as held:
        for name in names:
            if not held.enter_context(directories.only_process(out / name)):
                raise UserError(
                    f"--overwrite would delete {out / name}, which another process is "
                    "training; wait for it, or name another --out."
                )
        yield


def member_configs(run_config: RunConfig, n_members: int) -> dict[str, RunConfig]:
    """Returns the settings of each member by the name of its directory.

    >>> configs = member_configs(RunConfig(), 2)
    >>> {name: config.train.seed for name, config in configs.items()}
    {'seed-1': 1, 'seed-2': 2}
    """
    first = run_config.train.seed
    return {
        f"seed-{seed}": dataclasses.replace(
            run_config, train=dataclasses.replace(run_config.train, seed=seed)
        )
        for seed in range(first, first + n_members)
    }


def _require_member(
    directory: Path, settings: RunConfig, info: Dataset, vectors_from: Path | None
) -> None:
    """Refuses a finished run that this ensemble would not have trained."""
    manifest = layout.read_manifest(directory)
    other = ""
    data_sha256 = info.sha256
    if manifest["data"]["dataset_sha256"] != data_sha256:
        other = "data"
    elif config.load(RunConfig, directory / layout.CONFIG) != settings:
        other = "settings"
    elif manifest["vectors"]["from"] != (vectors_from and vectors_from.resolve().name):
        other = "--vectors-from"
    if other:
        raise UserError(
            f"{directory} is a finished run of other {other}, and no member of this "
            "ensemble; move it away, or add --overwrite."
        )


def _join(
    out: Path, run_config: RunConfig, info: Dataset, names: list[str]
) -> dict[str, Any]:
    """Measures the mean of the members on validation, and writes the manifest."""
    manifests = [layout.read_manifest(out / name) for name in names]
    labels, probabilities = ensemble.mean_validation(
        [(out / name, found) for name, found in zip(names, manifests, strict=True)]
    )
    measured = train_run.write_measures(out, info, labels, probabilities)
    members = [
        {
            "directory": name,
            **{key: found[key] for key in ("seed", "best_epoch", "n_epochs")},
            "validation_auroc": metrics.auroc(*layout.read_validation(out / name)),
            "model_sha256": found["model_sha256"],
        }
        for name, found in zip(names, manifests, strict=True)
    ]
    manifest = train_run.manifest_of(info, run_config, out, measured)
    manifest["members"] = members
    manifest["model_sha256"] = ensemble.combined_sha256(
        found["model_sha256"] for found in manifests
    )
    files.write_json(out / layout.MANIFEST, manifest)
    shutil.rmtree(out / layout.STATE)
    alone = ", ".join(f"{member['validation_auroc']:.4f}" for member in members)
    rows = [
        ["members", f"{len(members)}, validation AUROC {alone}"],
        *train_run.measure_rows(measured),
        ["wrote", str(out)],
    ]
    print(tables.text_table(rows))
    return measured
