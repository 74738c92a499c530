"""How a training run starts: what was given is checked, its directory made or found."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data import batches, description
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import directories, files
from deeprke_tf.system.locks import lock_file
from deeprke_tf.training import epochs, vectors

_STARTED = "state/started.json"


def checked(
    data: Path, run_config: RunConfig, vectors_from: Path | None
) -> tuple[Dataset, epochs.Vectors]:
    """Finds all that can be wrong with what was given, before anything is written.

    Returns:
      The data, and the vectors of `vectors_from`; none where it is None.

    Raises:
      UserError: Data or vectors cannot be used.
    """
    info = description.read(data)
    info.require_views(run_config.model.views)
    for split in ("train", "validation"):
        _require_both_classes(info, split)
        batches.verify_shards(info, split)
    return info, vectors.given_vectors(info, run_config, vectors_from)


def prepare(
    out: Path,
    run_config: RunConfig,
    info: Dataset,
    vectors_from: Path | None,
    overwrite: bool,
    members: Sequence[str] = (),
) -> None:
    """Makes the run directory, or makes sure that it holds this very run unfinished.

    Args:
      out: The directory.
      run_config: All settings.
      info: The data.
      vectors_from: As given.
      overwrite: Delete what `out` holds.
      members: Of an ensemble, the names of its directories. They may be there before
        it: members can be trained one by one, on several machines.

    Raises:
      UserError: `out` holds something else, or a finished run.
    """
    directories.make_directory(out)
    # A run that was killed at its very start has no config yet.
    begun = {layout.STATE, *files.unfinished_names(layout.CONFIG), *members}
    begun |= {lock_file(out / name).name for name in members}
    is_run = (out / layout.CONFIG).exists() and (
        (out / layout.MANIFEST).exists() or (out / _STARTED).exists()
    )
    if not is_run and {path.name for path in out.iterdir()} - begun:
        raise UserError(f"--out {out} is not empty and not a run; name another.")
    if overwrite:
        shutil.rmtree(out)
        is_run = False
    if (out / layout.MANIFEST).exists():
        raise UserError(
            f"{out} is a finished run; name another --out, or add --overwrite."
        )
    started = {
        "dataset_sha256": info.sha256,
        "vectors_from": str(vectors_from) if vectors_from else None,
        "ensemble": len(members) or None,
    }
    if not is_run:
        (out / layout.STATE).mkdir(parents=True, exist_ok=True)
        files.write_json(out / _STARTED, started)
        files.write_json(out / layout.CONFIG, dataclasses.asdict(run_config))
        return
    _require_same(out, run_config, started, info.directory)


def _require_same(
    out: Path, run_config: RunConfig, started: dict[str, Any], data: Path
) -> None:
    """Refuses to go on with an unfinished run that was started otherwise."""
    before = files.read_json(out / _STARTED)
    other = [name for name in started if before.get(name) != started[name]]
    if config.load(RunConfig, out / layout.CONFIG) != run_config:
        other = ["settings", *other]
    if other:
        what = {
            "dataset_sha256": "data",
            "vectors_from": "--vectors-from",
            "ensemble": "--ensemble",
        }
        advice = "name another --out, or add --overwrite"
        if other == ["settings"]:
            members = started["ensemble"]
            flags = f"--data {data} --out {out} --config {out / layout.CONFIG}"
            flags += f" --ensemble {members}" if members else ""
            advice += f"; {flags} goes on with those it has"
        raise UserError(
            f"{out} is an unfinished run of other {what.get(other[0], other[0])}; "
            f"{advice}."
        )


def _require_both_classes(info: Dataset, name: str) -> None:
    split = info.split(name)
    if not 0 < split.n_positive < split.n_sites:
        raise UserError(
            f"The {name} split of {info.directory} has {split.n_positive} bound and "
            f"{split.n_sites - split.n_positive} background sites; training needs both."
        )
