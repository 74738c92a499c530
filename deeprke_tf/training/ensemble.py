"""Trains an ensemble: runs of consecutive seeds in one directory, read as one model."""

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import layout
from deeprke_tf.runs.ensemble import combined_sha256, mean_validation
from deeprke_tf.system import directories, tables
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import report, start
from deeprke_tf.training.run import train_run

_logger = logging.getLogger(__name__)


def train_ensemble(
    data: Path,
    out: Path,
    run_config: RunConfig,
    n_members: int,
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Trains the members that are not finished yet, one after the other, and joins all.

    Arguments, result and errors are as for `train_run`. `run_config` has the seed of
    the first member; there are at least two. `out` may hold members already, finished
    or not, each trained as a run of its own.
    """
    settings = member_configs(run_config, n_members)
    info, _vectors = start.checked(data, run_config, vectors_from)
    with _members_held(out, list(settings)) if overwrite else contextlib.nullcontext():
        start.prepare(out, run_config, info, vectors_from, overwrite, tuple(settings))
    finished = [name for name in settings if (out / name / layout.MANIFEST).exists()]
    for name in finished:
        start.require_same(out / name, settings[name], info, vectors_from)
    elsewhere = []
    for number, (name, member) in enumerate(settings.items(), start=1):
        before = ", finished before" if name in finished else ""
        _logger.info("member %d of %d: %s%s", number, n_members, out / name, before)
        with directories.only_process(out / name) as is_free:
            if not is_free:
                _logger.info("another process is training it")
                elsewhere.append(name)
            elif (out / name / layout.MANIFEST).exists():
                start.require_same(out / name, member, info, vectors_from)
            else:
                train_run(
                    *(data, out / name, member),
                    vectors_from=vectors_from,
                    n_devices=n_devices,
                    progress=progress,
                )
                # Keras keeps graphs of networks, which the next member does not need.
                keras.utils.clear_session()
    if elsewhere:
        raise UserError(
            f"{' and '.join(elsewhere)} of {out} are being trained by other processes; "
            "give the command again when they are done."
        )
    return _join(out, run_config, info, list(settings))


@contextlib.contextmanager
def _members_held(out: Path, names: list[str]) -> Iterator[None]:
    """Locks all members, so that no other process trains one while it is deleted.

    Raises:
      UserError: Another process is training a member.
    """
    with contextlib.ExitStack() as held:
        for name in names:
            if not held.enter_context(directories.only_process(out / name)):
                raise UserError(
                    f"`overwrite=True` would delete {out / name}, which another "
                    "process is training; wait for it, or name another `out`."
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


def _join(
    out: Path, run_config: RunConfig, info: Dataset, names: list[str]
) -> dict[str, Any]:
    """Measures the mean of the members on validation, and writes the manifest."""
    manifests = [layout.read_manifest(out / name) for name in names]
    labels, probabilities = mean_validation(
        [(out / name, found) for name, found in zip(names, manifests, strict=True)]
    )
    measured = report.write_measures(out, info, labels, probabilities)
    members = [
        {
            "directory": name,
            **{key: found[key] for key in ("seed", "best_epoch", "n_epochs")},
            "validation_auroc": metrics.auroc(*layout.read_validation(out / name)),
            "model_sha256": found["model_sha256"],
        }
        for name, found in zip(names, manifests, strict=True)
    ]
    own = {
        "members": members,
        "model_sha256": combined_sha256(found["model_sha256"] for found in manifests),
    }
    report.write_manifest(out, info, run_config, measured, own)
    shutil.rmtree(out / layout.STATE)
    each = ", ".join(f"{member['validation_auroc']:.4f}" for member in members)
    rows = [
        ["members", f"{len(members)}, validation AUROC {each}"],
        *report.measure_rows(measured),
        ["wrote", str(out)],
    ]
    _logger.info("%s", tables.text_table(rows))
    return measured
