"""Trains an ensemble of joint runs, read as one joint run.

seed-1/, seed-2/    the joint runs
rbps/NAME/          the mean of their runs of one RBP, an ensemble as any other
"""

import dataclasses
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deeprke_tf.config import JointConfig, RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.runs import layout
from deeprke_tf.system import files, tables
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import ensemble
from deeprke_tf.training.joint import (
    as_one,
    checked,
    measure_rows,
    train_joint,
    write_results,
)

_logger = logging.getLogger(__name__)


def train_joint_ensemble(
    data: Sequence[Path],
    out: Path,
    run_config: RunConfig,
    joint: JointConfig,
    n_members: int,
    *,
    replicates: Path | None = None,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Trains the members that are not finished yet, one after the other, and joins all.

    Arguments, result and errors are as for `train_joint` and `train_ensemble`.
    """
    datasets = checked(data, run_config, joint, replicates)
    together = as_one(datasets, joint)

    def train_member(directory: Path, member: ensemble.Member) -> None:
        train_joint(
            *(data, directory, member.config, joint),
            replicates=replicates,
            vectors_from=member.vectors_from,
            n_devices=n_devices,
            progress=progress,
        )

    planned = ensemble.planned_members(run_config, n_members, vectors_from)
    members = ensemble.train_members(
        *(out, run_config, together, planned, overwrite, train_member)
    )
    of_rbps = {
        name: _join_rbp(out / layout.RBPS / name, run_config, info, members)
        for name, info in datasets.trained.items()
    }
    manifests = {name: layout.read_manifest(member) for name, member in members.items()}
    aurocs = [
        files.read_json(member / layout.METRICS)["auroc"] for member in members.values()
    ]
    first = manifests[next(iter(manifests))]
    own = {key: first[key] for key in ("longest_site", "joint", "rbps")}
    own |= ensemble.facts_of_members(manifests, aurocs)
    measured = write_results(out, together, run_config, of_rbps, own)
    shutil.rmtree(out / layout.STATE)
    each = ", ".join(f"{auroc:.4f}" for auroc in aurocs)
    rows = [
        ["members", f"{n_members}, mean validation AUROC {each}"],
        *measure_rows(measured),
        ["wrote", str(out)],
    ]
    _logger.info("%s", tables.text_table(rows))
    return measured


def _join_rbp(
    directory: Path, run_config: RunConfig, info: Dataset, members: Mapping[str, Path]
) -> dict[str, Any]:
    """Writes the ensemble of one RBP; returns its measures on validation."""
    directory.mkdir(parents=True, exist_ok=True)
    files.write_json(directory / layout.CONFIG, dataclasses.asdict(run_config))
    runs = [member / layout.RBPS / directory.name for member in members.values()]
    return ensemble.join(
        *(directory, run_config, info),
        {os.path.relpath(run, directory): run for run in runs},
    )
