"""Models by name: those that this package ships, and those that a user has added.

A model is a directory: a run, an ensemble or a joint run, with its card and the digests
of its files. It is looked for in the user's directory of models, then in the package.

rbp31          a model; `NAME/RBP` is one RBP of a joint run
runs/QKI       a path; a run is taken before a model of the same name
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import platformdirs

from deeprke_tf.errors import UserError
from deeprke_tf.runs import joint_network, layout
from deeprke_tf.system import files

DIGESTS = "SHA256SUMS"
PACKAGED = Path(__file__).parents[1] / "packaged"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")

Source = Literal["user", "packaged"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """A model of the catalog.

    Attributes:
      name: As `--model` takes it.
      directory: Where it lies.
      source: "user" or "packaged".
    """

    name: str
    directory: Path
    source: Source


def user_directory() -> Path:
    """Returns `$DEEPRKE_MODELS`, or the user's directory of models; it need not exist.

    Raises:
      UserError: The user has no home directory.
    """
    directory = os.environ.get("DEEPRKE_MODELS")
    if not directory:
        directory = str(Path(platformdirs.user_data_dir("deeprke")) / "models")
    if directory.startswith("~"):
        raise UserError(
            "There is no home directory for models; set DEEPRKE_MODELS to a directory."
        )
    return Path(directory)


def require_name(name: str) -> None:
    """Refuses what cannot be the name of a model.

    Raises:
      UserError: It holds other characters than letters, digits and `._+-`.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"`name` must be letters, digits, '.', '_', '+' or '-', and begin with a "
            f"letter or a digit, such as 'QKI-K562'; got {name!r}."
        )


def entries() -> list[Entry]:
    """Returns all models by name; a user's one hides a packaged one of its name."""
    found: dict[str, Entry] = {}
    places: list[tuple[Path, Source]] = [(PACKAGED, "packaged")]
    places.append((user_directory(), "user"))
    for place, source in places:
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if _NAME.fullmatch(path.name) and (path / layout.MANIFEST).is_file():
                found[path.name] = Entry(path.name, path, source)
    return [found[name] for name in sorted(found, key=str.lower)]


def entry_of(name: str) -> Entry:
    """Returns the model of a name.

    Raises:
      UserError: There is none.
    """
    known = {entry.name: entry for entry in entries()}
    if name not in known:
        raise UserError(
            f"There is no model {name!r};{_near(name, known)} `deeprke models` lists "
            "them."
        )
    return known[name]


def resolve(text: str | os.PathLike[str]) -> Path:
    """Returns the directory of a model.

    Args:
      text: A run, the name of a model, or the RBP of a joint run or model, as in
        `runs/joint/QKI` and `rbp31/QKI`.

    Raises:
      UserError: It is neither, the model has no such RBP, or a file of the model is
        not the one that was added.
    """
    path = Path(text)
    if any((path / name).exists() for name in (layout.MANIFEST, layout.CONFIG)):
        return path
    if len(path.parts) > 1 and joint_network.is_joint(path.parent):
        return joint_network.directory_of(path.parent, path.name)
    name, _, rbp = os.fspath(text).partition("/")
    known = {entry.name: entry for entry in entries()}
    if name not in known and path.exists():
        return path  # whoever reads it tells what it lacks
    if name not in known:
        raise UserError(
            f"{text} is not a run of `deeprke train`, and there is no model of this "
            f"name;{_near(name, known)} `deeprke models` lists the models."
        )
    verify(known[name])
    return rbp_directory(known[name], rbp) if rbp else known[name].directory


def rbp_directory(entry: Entry, rbp: str) -> Path:
    """Returns the directory of one RBP of a joint run.

    Raises:
      UserError: The model has no such RBP.
    """
    facts = rbps_of(layout.read_manifest(entry.directory))
    if not facts:
        raise UserError(
            f"The model {entry.name} is of one RBP; give {entry.name!r} without "
            f"{'/' + rbp!r}."
        )
    with layout.damage_told(entry.directory):
        directories = {each["name"]: each["directory"] for each in facts}
    if rbp not in directories:
        raise UserError(
            f"The model {entry.name} has no RBP {rbp!r};{_near(rbp, directories)} "
            f"`deeprke models show {entry.name}` lists them."
        )
    return entry.directory / directories[rbp]


def rbps_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns name and directory of each RBP of a joint run; of other runs, none."""
    return manifest.get("rbps", [])


def name_in_catalog(directory: Path) -> str | None:
    """Returns the name of a model, or `NAME-RBP` of one RBP of it, for file names.

    Args:
      directory: Of a run. Nothing is written into a model of the catalog, as its
        digests would no longer hold.

    Returns:
      None: It does not lie in the catalog.
    """
    path = directory.resolve()
    for entry in entries():
        root = entry.directory.resolve()
        if path.is_relative_to(root):
            return entry.name if path == root else f"{entry.name}-{path.name}"
    return None


def write_digests(directory: Path) -> None:
    """Writes `SHA256SUMS`, in the format of `sha256sum`, of all files of a model."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [
        f"{files.sha256(path)}  {path.relative_to(directory).as_posix()}\n"
        for path in paths
        if path != directory / DIGESTS
    ]
    with files.written_aside(directory / DIGESTS) as file:
        file.write("".join(lines))


def digests_of(directory: Path) -> dict[str, str]:
    """Returns the digests of `SHA256SUMS`, by the path of the file."""
    text = (directory / DIGESTS).read_text("utf-8", errors="replace")
    pairs = (line.partition("  ") for line in text.splitlines())
    return {name: digest for digest, _, name in pairs}


def verify(entry: Entry) -> None:
    """Checks the files of a model against its digests.

    Raises:
      UserError: A file is missing, has changed, or has no digest.
    """
    fault = damage_of(entry.directory)
    if fault:
        advice = (
            f"remove it by `deeprke models remove {entry.name}` and add it again"
            if entry.source == "user"
            else "install deeprke_tf again"
        )
        raise UserError(f"The model {entry.name} is damaged: {fault}; {advice}.")


def damage_of(directory: Path) -> str:
    """Returns what is wrong with the files of a model; empty: nothing.

    Each has a digest in `SHA256SUMS`; hidden ones, of file managers, need none.
    """
    if not (directory / DIGESTS).is_file():
        return f"{DIGESTS} is missing"
    root = directory.resolve()
    digests = digests_of(directory)
    for name, digest in digests.items():
        path = directory / name
        if not name or not path.resolve().is_relative_to(root):
            return f"{DIGESTS} cannot be read"
        if not path.is_file():
            return f"{name} is missing"
        if files.sha256(path) != digest:
            return f"{name} is not the file that was added"
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name not in {*digests, DIGESTS} and path.name[0] != ".":
            return f"{name} has no digest in {DIGESTS}"
    return ""


def _near(name: str, known: Iterable[str]) -> str:
    """Returns a question with names that are like one, or nothing."""
    lower = {each.lower(): each for each in known}
    likely = difflib.get_close_matches(name.lower(), lower, n=3)
    if not likely:
        return ""
    return f" did you mean {' or '.join(repr(lower[each]) for each in likely)}?"
