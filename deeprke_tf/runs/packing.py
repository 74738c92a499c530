"""Models of a user: added from runs, removed, and moved as one file.

The file is a zip archive with one directory, `NAME/`, that holds the files of the model
and their digests. Nothing that it holds is executed, no path leads out of the
directory, and every file must have the digest that `NAME/SHA256SUMS` gives.
"""

import contextlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from deeprke_tf.errors import UserError
from deeprke_tf.runs import cards, catalog, layout
from deeprke_tf.runs.catalog import DIGESTS, Entry
from deeprke_tf.system import directories, files

_KEPT = (
    *(layout.CONFIG, layout.MANIFEST, layout.METRICS, layout.MODEL),
    *(layout.ONNX, layout.VALIDATION, layout.HISTORY, cards.CARD),
)
_KIND = directories.Kind("model", layout.MANIFEST, ".*")
_LARGEST = 4_000_000_000  # bytes, unpacked
_LONGEST_CAUSE = 200  # characters; some causes quote what they could not read
# What archives that are damaged or encrypted raise.
_UNREADABLE = (
    *(OSError, EOFError, NotImplementedError, RuntimeError, ValueError),
    *(zipfile.BadZipFile, zlib.error),
)
# The same files give the same archive.
_DATE = (1980, 1, 1, 0, 0, 0)


def add(run: Path, name: str) -> Entry:
    """Copies a finished run, an ensemble or a joint run into the user's models.

    Checkpoints, logs, figures and predictions are left out.

    Args:
      run: Its directory.
      name: The name of the model.

    Raises:
      UserError: It is no finished run, a file of it is missing or damaged, its
        `card.json` is none, or the name is taken or cannot be one.
    """
    _require_free(name)
    paths = sorted(set(files_of(run)))
    cards.read_written(run)
    entry = Entry(name, catalog.user_directory() / name, "user")
    with directories.directory_aside(entry.directory, False, _KIND) as aside:
        for path in paths:
            (aside / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / path, aside / path)
        catalog.write_digests(aside)
    return entry


def files_of(run: Path) -> list[Path]:
    """Returns the paths, relative to a run, of the files that its model consists of.

    Raises:
      UserError: It is no finished run, it is damaged, or its network is not its own.
    """
    manifest = layout.read_manifest(run)
    with layout.damage_told(run):
        return list(_files_of(run, manifest))


def _files_of(run: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    network = manifest.get("network", {}).get("file", layout.MODEL)
    if ".." in Path(network).parts:
        raise UserError(
            f"{run} is one RBP of a joint run, whose network all RBPs share; add the "
            f"joint run {(run / network).resolve().parent}, and take NAME/RBP of it."
        )
    for path in run.iterdir():
        if path.is_file() and (path.name in _KEPT or path.suffix == ".npy"):
            yield path.relative_to(run)
    if (run / layout.MODEL).exists():
        expected = manifest.get("model_sha256")
        if expected and files.sha256(run / layout.MODEL) != expected:
            raise UserError(f"{run / layout.MODEL} is not the file of its manifest.")
    for facts in manifest.get("members", ()):
        place = _part_of(run, facts)
        for path in files_of(run / place):
            yield place / path
    for facts in catalog.rbps_of(manifest):
        place = _part_of(run, facts)
        layout.read_manifest(run / place)
        for path in (run / place).iterdir():
            if path.is_file() and path.name in _KEPT:
                yield path.relative_to(run)


def _part_of(run: Path, facts: dict[str, Any]) -> Path:
    """Returns the directory of a member or an RBP, relative to its run.

    Raises:
      UserError: It lies elsewhere: of what others made, nothing is copied from there,
        or to there.
    """
    place = Path(facts["directory"])
    inside = run.resolve() in (run / place).resolve().parents
    if ".." in place.parts or not inside:
        raise UserError(
            f"The run {run} is damaged: its {layout.MANIFEST} names {str(place)!r}, "
            "which is no directory inside of it."
        )
    return place


def _require_free(name: str) -> None:
    catalog.require_name(name)
    for entry in catalog.entries():
        if entry.name == name and entry.source == "packaged":
            raise UserError(f"{name} is a model of this package; take another `name`.")
    if (catalog.user_directory() / name).exists():
        raise UserError(
            f"There is a model {name} already; take another `name`, or remove it by "
            f"`deeprke models remove {name}`."
        )


def remove(name: str) -> Entry:
    """Deletes a model of the user.

    Raises:
      UserError: There is none, it is a packaged one, or it cannot be deleted.
    """
    entry = catalog.entry_of(name)
    if entry.source == "packaged":
        raise UserError(f"{name} is a model of this package and cannot be removed.")
    try:
        if entry.directory.is_symlink():
            entry.directory.unlink()
            return entry
        # Renamed first: what is being deleted is no model any more.
        aside = entry.directory.with_name(f".{name}.removed")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(entry.directory, aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise UserError(
            f"Cannot remove {entry.directory}: {error.strerror or error}."
        ) from error
    return entry


# === As one file ===


def pack(entry: Entry, out: Path) -> None:
    """Writes a model as one file.

    Raises:
      UserError: The model is damaged, or `out` is a directory.
    """
    catalog.verify(entry)
    if out.is_dir():
        raise UserError(f"{out} is a directory; name a file.")
    directories.make_directory(out.parent)
    paths = sorted(set(files_of(entry.directory)))
    sums = "".join(
        f"{files.sha256(entry.directory / path)}  {path.as_posix()}\n" for path in paths
    )
    with (
        files.bytes_written_aside(out) as raw,
        zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for path in paths:
            contents = (entry.directory / path).read_bytes()
            archive.writestr(_member(f"{entry.name}/{path.as_posix()}"), contents)
        archive.writestr(_member(f"{entry.name}/{DIGESTS}"), sums)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    return member


def unpack(file: Path, name: str | None = None) -> Entry:
    """Adds a model from one file.

    Args:
      file: Of `pack`.
      name: Name of the model; None: the one it had.

    Raises:
      UserError: The file cannot be read, is no model, holds a path that leads out of
        it, or a file with another digest; or the name is taken.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _unpack(archive, file, name)
    except _UNREADABLE as error:
        cause = str(getattr(error, "strerror", None) or error)[:_LONGEST_CAUSE]
        raise UserError(
            f"{file} cannot be read as a model of `deeprke models export`: {cause}."
        ) from error


def _unpack(archive: zipfile.ZipFile, file: Path, name: str | None) -> Entry:
    members = _checked_members(archive, file)
    name = name or next(iter(members)).parts[0]
    _require_free(name)
    entry = Entry(name, catalog.user_directory() / name, "user")
    with directories.directory_aside(entry.directory, False, _KIND) as aside:
        for path, member in members.items():
            target = aside.joinpath(*path.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as packed, target.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked, 1 << 20)
        with _named(file):
            _require_whole(aside, {Path(*path.parts[1:]) for path in members})
    return entry


@contextlib.contextmanager
def _named(file: Path) -> Iterator[None]:
    """Lets errors about what a file holds begin with its name."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file} holds no whole model: {error}") from error


def _checked_members(
    archive: zipfile.ZipFile, file: Path
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Returns the files of an archive by their paths, which all lie in one directory.

    Raises:
      UserError: A path leads out of it or occurs twice, an entry is a link or packed in
        another way, or all of them are too large.
    """
    members: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        mode = member.external_attr >> 16
        is_odd = "\\" in member.filename or ":" in member.filename
        is_link = stat.S_IFMT(mode) not in (0, stat.S_IFREG)
        if is_odd or path.is_absolute() or ".." in path.parts or len(path.parts) < 2:
            raise UserError(f"{file} holds a path that is none of a model: {path}.")
        if is_link or member.is_dir() or path in members:
            raise UserError(f"{file} holds {path} as something else than one file.")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UserError(
                f"{file} is packed in another way than by `deeprke models`."
            )
        members[path] = member
    if len({path.parts[0] for path in members}) != 1:
        raise UserError(f"{file} holds no model, which is one directory.")
    if sum(member.file_size for member in members.values()) > _LARGEST:
        raise UserError(f"{file} is no model: unpacked it has more than 4 GB.")
    return members


def _require_whole(directory: Path, unpacked: set[Path]) -> None:
    """Refuses an unpacked model with other files than it should have.

    Raises:
      UserError: A file has no digest or another one, or it is no finished run.
    """
    odd = sorted(unpacked ^ {*files_of(directory), Path(DIGESTS)})
    if odd:
        raise UserError(f"{odd[0]} is missing, or is no file of a model.")
    if fault := catalog.damage_of(directory):
        raise UserError(f"{fault}.")
