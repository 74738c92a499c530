"""The start of a training run: inputs checked, run directory made or resumed."""

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.data import description, stored_sites
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, layout
from deeprke_tf.system import directories, files, locks
from deeprke_tf.training import epochs, vectors
from deeprke_tf.training.checkpoint import resuming
from deeprke_tf.training.settings import as_given

_STARTED = "state/started.json"
_SHOWN = 3  # settings that an error names

# All files of an unfinished run, except for partial files of killed writers.
_FILES = {
    *(layout.CONFIG, layout.STATE, layout.HISTORY, layout.MODEL),
    *(layout.ONNX, layout.METRICS),
    *(layout.VALIDATION, layout.FIGURES, layout.LOGS, layout.RBPS),
    *("sequence_vectors.npy", "structure_vectors.npy", "kmer_weights.npy"),
}


def checked(
    data: Path, run_config: RunConfig, vectors_from: Path | None
) -> tuple[Dataset, epochs.Vectors]:
    """Checks all inputs of a training, before anything is written.

    Returns:
      The dataset, and the vectors of `vectors_from`; no vectors if it is None.

    Raises:
      UserError: Dataset or vectors cannot be used.
    """
    info = description.read(data)
    info.require_views(run_config.model.views)
    for name in ("train", "validation"):
        split = info.split(name)
        if not 0 < split.n_positive < split.n_sites:
            raise UserError(
                f"The {name} split of {data} has {split.n_positive} bound and "
                f"{split.n_sites - split.n_positive} background sites; training needs "
                "both."
            )
        stored_sites.verify_shards(info, name)
    return info, vectors.given_vectors(info, run_config, vectors_from)


def prepare(
    out: Path,
    run_config: RunConfig,
    info: Dataset,
    vectors_from: Path | None,
    overwrite: bool,
    members: Sequence[str] = (),
    init_from: Path | None = None,
) -> None:
    """Makes the run directory, or checks that it holds this very run unfinished.

    Args:
      out: The run directory.
      run_config: All settings.
      info: The dataset.
      vectors_from: Directory of ready k-mer vectors, or None.
      overwrite: Delete the run that `out` holds.
      members: Directory names of the members of an ensemble. They may be there before
        it: members can be trained one by one, on several machines.
      init_from: The run that the training, or members, start from, or None.

    Raises:
      UserError: `out` holds something else, a finished run, or a damaged one.
    """
    directories.make_directory(out)
    is_run = _is_run(out, overwrite, members)
    if overwrite:
        shutil.rmtree(out)
    elif (out / layout.MANIFEST).exists():
        raise UserError(
            f"{out} is a finished run; name another `out`, or give `overwrite=True`."
        )
    elif is_run:
        with resuming(out):
            other = differences(
                *(out, run_config, info, vectors_from, len(members), init_from)
            )
        if other:
            raise UserError(_unlike(out, other, run_config, info, len(members)))
        return
    (out / layout.STATE).mkdir(parents=True, exist_ok=True)
    started = {
        "dataset_sha256": info.sha256,
        "vectors_from": str(vectors_from) if vectors_from else None,
        "init_from": str(init_from) if init_from else None,
        "ensemble": len(members) or None,
    }
    files.write_json(out / _STARTED, started)
    files.write_json(out / layout.CONFIG, dataclasses.asdict(run_config))


def _is_run(out: Path, overwrite: bool, members: Sequence[str]) -> bool:
    """Tells whether a directory holds a run; it may hold the start of one, or nothing.

    Raises:
      UserError: It holds something else.
    """
    names = {path.name for path in out.iterdir()}
    of_members = {*members, *(locks.lock_file(out / name).name for name in members)}
    has_start = layout.MANIFEST in names or (out / _STARTED).exists()
    if layout.CONFIG in names and has_start:
        return True
    # A run that was killed at its very start has no config yet.
    if not names - {layout.STATE, *files.unfinished_names(layout.CONFIG), *of_members}:
        return False
    killed = {name for known in _FILES for name in files.unfinished_names(known)}
    if layout.CONFIG not in names or names - (_FILES | killed | of_members):
        raise UserError(f"{out} is not empty and not a run; name another `out`.")
    if not overwrite:
        with resuming(out):
            raise UserError(f"{out / _STARTED} is missing.")
    return False


def differences(
    run: Path,
    run_config: RunConfig,
    info: Dataset,
    vectors_from: Path | None,
    n_members: int = 0,
    init_from: Path | None = None,
) -> list[str]:
    """Compares a run, finished or not, with the one that would be trained now.

    Args:
      run: Its directory.
      run_config: All settings.
      info: The dataset.
      vectors_from: Directory of ready k-mer vectors, or None.
      n_members: Members of an ensemble; 0 for a single training.
      init_from: The run that an unfinished one starts from, or None.

    Returns:
      What the run was made from otherwise: some of "settings", "data", "`init_from`",
      "`vectors_from`" and "`ensemble`".

    Raises:
      UserError: A file of the run is damaged.
    """
    found: dict[str, Any]
    if (run / layout.MANIFEST).exists():
        manifest = layout.read_manifest(run)
        found = {
            "dataset_sha256": manifest.get("data", {}).get("dataset_sha256"),
            "vectors_from": manifest.get("vectors", {}).get("from"),
            "ensemble": len(manifest.get("members", ())),
        }
        given = vectors_from.resolve().name if vectors_from else None
    else:
        found = files.read_json(run / _STARTED)
        if not isinstance(found, dict):
            raise UserError(f"{run / _STARTED} does not say how the run was started.")
        given = str(vectors_from) if vectors_from else None
    is_other = {
        "settings": config.load(RunConfig, run / layout.CONFIG) != run_config,
        "data": found.get("dataset_sha256") != info.sha256,
        # Runs begun before 2026-12-01 do not say.
        "`init_from`": "init_from" in found
        and not (run / layout.MANIFEST).exists()
        and found["init_from"] != (str(init_from) if init_from else None),
        "`vectors_from`": found.get("vectors_from") != given,
        "`ensemble`": (found.get("ensemble") or 0) != n_members,
    }
    return [name for name, differs in is_other.items() if differs]


def require_same(
    run: Path, run_config: RunConfig, info: Dataset, vectors_from: Path | None
) -> None:
    """Checks that a finished run is the one that would be trained now.

    Raises:
      UserError: It was trained on other data or vectors, or with other settings.
    """
    if other := differences(run, run_config, info, vectors_from):
        shown = " and ".join(_shown(name, run, run_config) for name in other)
        raise UserError(
            f"{run} is a finished run of other {shown}; delete it, or name another "
            "`out`."
        )


def _shown(name: str, run: Path, run_config: RunConfig) -> str:
    """Returns what `differences` has named, settings with the first that differ."""
    if name != "settings":
        return name
    saved = config.load(RunConfig, run / layout.CONFIG)
    before, now = (
        {**vars(c.model), **vars(c.vectors), **vars(c.train)}
        for c in (saved, run_config)
    )
    changed = [
        f"`{n}` {as_given(before[n])}, now {as_given(now[n])}"
        for n in now
        if before[n] != now[n]
    ]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"{name} ({'; '.join(changed[:_SHOWN])}{more})"


def _unlike(
    out: Path,
    other: Sequence[str],
    run_config: RunConfig,
    data: Dataset,
    n_members: int,
) -> str:
    """Returns how an unfinished run differs, and what to do."""
    shown = _shown(other[0], out, run_config)
    what = f"{out} is an unfinished run of other {shown}"
    advice = "name another `out`, or give `overwrite=True`"
    if other == ["settings"]:
        given = f"`data={data.directory}` `out={out}` `config={out / layout.CONFIG}`"
        given += "" if data.splits else " `joint=True`"  # see `training.joint.as_one`
        given += f" `ensemble={n_members}`" if n_members else ""
        started = files.read_json(out / _STARTED)
        source = "init_from" if _is_tuned(out) else "vectors_from"
        path = started.get(source) or started.get("vectors_from")
        if source == "init_from" and not path:
            return f"{what}; {advice}."  # what it starts from is not known
        name = path and (catalog.name_in_catalog(Path(path)) or path)
        given += f" `{source}={name}`" if path else ""
        advice += f"; `deeprke train` with {given} resumes it with its own settings"
    return f"{what}; {advice}."


def _is_tuned(run: Path) -> bool:
    """Tells whether the settings of a run are those of a start from another run."""
    settings = config.load(RunConfig, run / layout.CONFIG).train
    return bool(settings.frozen_epochs or settings.body_rate != 1)
