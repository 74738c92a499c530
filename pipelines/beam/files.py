"""Files that Beam's filesystems reach: local ones, gs://, s3://, hdfs:// and others."""

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from deeprke_tf.errors import UserError
from deeprke_tf.system import directories
from deeprke_tf.system.directories import Kind

_SUMMARY = "summary.json"
_TEMPORARY = ".temporary"
_SPECIAL = frozenset("*?[]")


class BeamFile:
    """A file wherever Beam's filesystems reach; it can be sent to a worker."""

    def __init__(self, path: str):
        self._path = path

    def __str__(self) -> str:
        return self._path

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def exists(self) -> bool:
        """Tells whether the file is there."""
        with _plain_errors():
            return FileSystems.exists(self._path)

    def is_file(self) -> bool:
        """Tells whether it can be read more than once: always, if it exists."""
        return self.exists()

    def open(self, mode: str = "rb", /) -> Any:
        """Opens the file for reading, without decompressing it.

        Raises:
          OSError: The file cannot be opened.
        """
        if mode != "rb":
            raise ValueError(f"A BeamFile is opened as 'rb', not as {mode!r}.")
        with _plain_errors():
            return FileSystems.open(
                self._path, compression_type=CompressionTypes.UNCOMPRESSED
            )


def matching(pattern: str) -> list[BeamFile]:
    """Returns the files that match a path or a pattern, sorted by path.

    A path that exists is no pattern, whatever characters it holds.

    Args:
      pattern: May hold `*`, `?` and `[...]`; `**` also matches directories.

    Raises:
      UserError: No file matches, or no filesystem of Beam reads such a path.
    """
    if pattern == "-":
        raise UserError("Standard input (-) goes with --runner local only.")
    if "://" not in pattern and Path(pattern).is_fifo():
        raise UserError(
            f"{pattern} is a pipe, of which each worker would read a part; save it to "
            "a file."
        )
    try:
        if _SPECIAL.isdisjoint(pattern) or FileSystems.exists(pattern):
            return [BeamFile(pattern)]
        (matched,) = FileSystems.match([pattern])
    except ValueError as error:
        raise UserError(f"Cannot read {pattern}: {error}") from error
    except BeamIOError as error:
        raise UserError(f"Cannot read {pattern}: {_cause(error)}.") from error
    paths = sorted(found.path for found in matched.metadata_list)
    if not paths:
        raise UserError(f"No file matches {pattern}.")
    return [BeamFile(path) for path in paths]


def write(directory: str, name: str, contents: bytes) -> None:
    """Writes a file under a temporary name, then renames it.

    A runner may repeat work, even while a lost worker still does it: both write the
    same contents, and the last rename counts.
    """
    aside = FileSystems.join(directory, f"{name}.{uuid.uuid4().hex}{_TEMPORARY}")
    with FileSystems.create(
        aside, compression_type=CompressionTypes.UNCOMPRESSED
    ) as file:
        file.write(contents)
    FileSystems.rename([aside], [FileSystems.join(directory, name)])


def add_summary(pipeline: beam.Pipeline, directory: str, **summary: Any) -> None:
    """Adds the last step of a job, which writes its summary.

    Args:
      pipeline: The pipeline.
      directory: Where to write.
      **summary: Side inputs, such as `AsList(...)`, by their names in the summary.
    """
    once = pipeline | "Once" >> beam.Create([None])
    _ = once | "WriteSummary" >> beam.Map(_write_summary, directory, **summary)


def _write_summary(_once: None, directory: str, **summary: Any) -> None:
    write(directory, _SUMMARY, json.dumps(summary).encode())


def take_summary(directory: str) -> dict[str, Any]:
    """Returns the summary of a job that has ended.

    Removes it, and the temporary files that lost workers left.
    """
    with BeamFile(FileSystems.join(directory, _SUMMARY)).open() as file:
        summary = json.loads(file.read())
    _delete(
        FileSystems.join(directory, name)
        for name in names_in(directory)
        if name == _SUMMARY or name.endswith(_TEMPORARY)
    )
    return summary


@contextlib.contextmanager
def directory_aside(out: str, overwrite: bool, kind: Kind) -> Iterator[str]:
    """Yields a directory for all workers that becomes `out` when the block ends well.

    Object stores cannot rename a directory, so remote files are moved one by one, the
    marker last. A directory that is replaced loses its marker first.

    Args:
      out: The directory to make.
      overwrite: Whether to replace a directory of this kind.
      kind: What the directory will hold.

    Raises:
      UserError: Something else lies at `out`, or it cannot be written.
    """
    if "://" not in out:
        with directories.directory_aside(Path(out), overwrite, kind) as beside:
            yield str(beside)
        return
    out = out.rstrip("/")
    try:
        kind.refuse_to_replace(out, names_in(out), overwrite)
        partial = f"{out}.partial-{uuid.uuid4().hex}"
        FileSystems.mkdirs(partial)
        try:
            yield partial
            _put_in_place(partial, out, kind)
        finally:
            # In an object store, a directory goes with its last file.
            with contextlib.suppress(OSError):
                _delete(f"{partial}/{name}" for name in names_in(partial))
                _delete([partial])
    except (ValueError, OSError) as error:
        raise UserError(f"Cannot write {out}: {_cause(error)}.") from error


def _put_in_place(partial: str, out: str, kind: Kind) -> None:
    old = [name for name in names_in(out) if kind.owns(name)]
    for name in sorted(old, key=lambda name: name != kind.marker):
        _delete([f"{out}/{name}"])
    if not FileSystems.exists(out):
        with contextlib.suppress(OSError):  # object stores have no directories
            FileSystems.mkdirs(out)
    for name in sorted(names_in(partial), key=lambda name: name == kind.marker):
        FileSystems.rename([f"{partial}/{name}"], [f"{out}/{name}"])


def names_in(directory: str) -> list[str]:
    """Returns the names of the files in a directory, in any order.

    Raises:
      OSError: The directory cannot be read.
    """
    if "://" not in directory:
        return os.listdir(directory)  # its name may hold `*`, `?` or `[`
    (matched,) = FileSystems.match([f"{directory}/*"])
    return [BeamFile(found.path).name for found in matched.metadata_list]


def _delete(paths: Iterable[str]) -> None:
    paths = list(paths)
    if paths:
        FileSystems.delete(paths)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Raises an `OSError` for the errors of Beam's filesystems."""
    try:
        yield
    except (BeamIOError, ValueError) as error:
        raise OSError(errno.EIO, _cause(error)) from error


def _cause(error: Exception) -> str:
    """Returns the first line of an error message, without a full stop."""
    details = getattr(error, "exception_details", None)
    if isinstance(details, dict) and details:
        error = next(iter(details.values()))
    if isinstance(error, OSError) and error.errno and error.strerror:
        return os.strerror(error.errno)
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
