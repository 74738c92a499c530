"""Trains an ensemble: runs of consecutive seeds in one directory, read as one model.

Of an ensemble that starts from another run, every second member does; the others are
trained from scratch. On few sites their mean is better than that of members that are
all alike (docs/few-sites.md).
"""

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import layout
from deeprke_tf.runs.ensemble import combined_sha256, mean_validation
from deeprke_tf.system import directories, tables
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import fine_tuning, report, start
from deeprke_tf.training.fine_tuning import Source
from deeprke_tf.training.run import train_run

_logger = logging.getLogger(__name__)


class Member(NamedTuple):
    """What a member is trained with.

    Attributes:
      config: All settings.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      source: The run to start from, if any.
    """

    config: RunConfig
    vectors_from: Path | None = None
    source: Source | None = None


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
    source: Source | None = None,
) -> dict[str, Any]:
    """Trains the members that are not finished yet, one after the other, and joins all.

    Arguments, result and errors are as for `train_run`. `run_config` has the seed of
    the first member; there are at least two. `out` may hold members already, finished
    or not, each trained as a run of its own.
    """
    info, _vectors = start.checked(data, run_config, vectors_from)
    fine_tuning.check(source, info, run_config)

    def train_member(directory: Path, member: Member) -> None:
        train_run(
            *(data, directory, member.config),
            vectors_from=member.vectors_from,
            n_devices=n_devices,
            progress=progress,
            source=member.source,
        )

    planned = planned_members(run_config, n_members, vectors_from, source)
    members = train_members(out, run_config, info, planned, overwrite, train_member)
    measured = join(out, run_config, info, members)
    shutil.rmtree(out / layout.STATE)
    of_members = layout.read_manifest(out)["members"]
    each = ", ".join(f"{facts['validation_auroc']:.4f}" for facts in of_members)
    rows = [
        ["members", f"{n_members}, validation AUROC {each}"],
        *report.measure_rows(measured),
        ["wrote", str(out)],
    ]
    _logger.info("%s", tables.text_table(rows))
    return measured


def train_members(
    out: Path,
    run_config: RunConfig,
    info: Dataset,
    planned: Mapping[str, Member],
    overwrite: bool,
    train_member: Callable[[Path, Member], Any],
) -> dict[str, Path]:
    """Trains the members that are not finished yet, one after the other.

    Args:
      out: Directory of the ensemble.
      run_config: Settings of the ensemble.
      info: The dataset, to know finished members by.
      planned: Result of `planned_members`.
      overwrite: Delete the ensemble that `out` holds, and start again.
      train_member: Trains one of them to a directory.

    Returns:
      The directories of the members by their names.

    Raises:
      UserError: `out` holds something else, a finished member is not one that would be
        trained now, or another process trains one.
    """

    def require_same(name: str) -> None:
        member = planned[name]
        start.require_same(out / name, member.config, info, member.vectors_from)

    vectors_from = next(iter(planned.values())).vectors_from
    sources = {member.source.directory for member in planned.values() if member.source}
    with _members_held(out, list(planned)) if overwrite else contextlib.nullcontext():
        start.prepare(
            *(out, run_config, info, vectors_from, overwrite, tuple(planned)),
            init_from=next(iter(sources), None),
        )
    finished = [name for name in planned if (out / name / layout.MANIFEST).exists()]
    for name in finished:
        require_same(name)
    elsewhere = []
    for number, (name, member) in enumerate(planned.items(), start=1):
        before = ", finished before" if name in finished else ""
        _logger.info("member %d of %d: %s%s", number, len(planned), out / name, before)
        with directories.only_process(out / name) as is_free:
            if not is_free:
                _logger.info("another process is training it")
                elsewhere.append(name)
            elif (out / name / layout.MANIFEST).exists():
                require_same(name)
            else:
                train_member(out / name, member)
                # Keras keeps graphs of networks, which the next member does not need.
                keras.utils.clear_session()
    if elsewhere:
        raise UserError(
            f"{' and '.join(elsewhere)} of {out} are being trained by other processes; "
            "give the command again when they are done."
        )
    return {name: out / name for name in planned}


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


def planned_members(
    run_config: RunConfig,
    n_members: int,
    vectors_from: Path | None,
    source: Source | None = None,
) -> dict[str, Member]:
    """Returns what each member is trained with, by the name of its directory.

    >>> members = planned_members(RunConfig(), 2, None)
    >>> {name: member.config.train.seed for name, member in members.items()}
    {'seed-1': 1, 'seed-2': 2}

    Args:
      run_config: Settings of the ensemble, with the seed of the first member.
      n_members: Number of members.
      vectors_from: Directory of ready k-mer vectors, or None.
      source: The run that every second member starts from.
    """
    planned = {}
    for i in range(n_members):
        train = dataclasses.replace(run_config.train, seed=run_config.train.seed + i)
        member = Member(dataclasses.replace(run_config, train=train), vectors_from)
        if source is not None and i % 2:
            member = member._replace(vectors_from=source.directory, source=source)
        elif source is not None:
            whole = dataclasses.replace(train, frozen_epochs=0, body_rate=1.0)
            member = Member(dataclasses.replace(run_config, train=whole))
        planned[f"seed-{train.seed}"] = member
    return planned


def join(
    out: Path, run_config: RunConfig, info: Dataset, members: Mapping[str, Path]
) -> dict[str, Any]:
    """Measures the mean of the members on validation, and writes the manifest.

    Args:
      out: Directory of the ensemble.
      run_config: Settings of the first member.
      info: The dataset.
      members: Directories of the members, by their paths from `out`.

    Returns:
      The contents of `metrics.json`.
    """
    manifests = [layout.read_manifest(directory) for directory in members.values()]
    labels, probabilities = mean_validation(
        list(zip(members.values(), manifests, strict=True))
    )
    measured = report.write_measures(out, info, labels, probabilities)
    aurocs = [
        metrics.auroc(*layout.read_validation(directory))
        for directory in members.values()
    ]
    own = facts_of_members(dict(zip(members, manifests, strict=True)), aurocs)
    report.write_manifest(out, info, run_config, measured, own)
    return measured


def facts_of_members(
    manifests: Mapping[str, dict[str, Any]], aurocs: Sequence[float]
) -> dict[str, Any]:
    """Returns the manifest's entries that an ensemble has and a run has not.

    Args:
      manifests: Of the members, by their paths from the ensemble.
      aurocs: Of each, on the validation sites.
    """
    members = [
        {
            "directory": path,
            **{key: found[key] for key in ("seed", "best_epoch", "n_epochs")},
            "validation_auroc": auroc,
            "model_sha256": found["model_sha256"],
            **({"init_from": found["init_from"]} if "init_from" in found else {}),
        }
        for (path, found), auroc in zip(manifests.items(), aurocs, strict=True)
    ]
    digests = [found["model_sha256"] for found in manifests.values()]
    own = {"members": members, "model_sha256": combined_sha256(digests)}
    sources = [member["init_from"] for member in members if "init_from" in member]
    return own | ({"init_from": sources[0]} if sources else {})
