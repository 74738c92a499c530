"""Indexes of FASTA genomes, and compressed files made into bgzip.

Random access needs an index (`.fai`, and `.gzi` for bgzip), as `samtools faidx` makes
it. It is made beside the genome; in the cache directory where the genome's folder
cannot be written or has an index older than the genome. A file that is compressed in
another way than by bgzip has no random access at all: it is recompressed once into the
cache directory.
"""

import contextlib
import hashlib
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pysam

from deeprke_tf.errors import UserError
from deeprke_tf.system import streams
from deeprke_tf.system.cache import cache_directory
from deeprke_tf.system.directories import make_directory
from deeprke_tf.system.files import path_aside
from deeprke_tf.system.streams import DAMAGED, open_bytes

logger = logging.getLogger(__name__)

_BLOCK_SIZE = 1 << 22  # bytes
_GZIP = b"\x1f\x8b"


class IndexedFasta(NamedTuple):
    """Files of a genome that can be read at any position.

    Attributes:
      fasta: Plain or bgzip.
      fai: Where each record begins, and how long it is.
      gzi: Where each block of bgzip begins; the file is there for bgzip only.
    """

    fasta: Path
    fai: Path
    gzi: Path


def indexed(path: Path) -> IndexedFasta:
    """Returns a FASTA genome with its index, which is made where it is missing.

    Args:
      path: Plain, bgzip, or compressed in another way that `open_bytes` reads.

    Raises:
      UserError: The file cannot be read or indexed, or there is no place for the index.
    """
    try:
        is_compressed = streams.is_compressed(_head(path))
        if is_compressed and not _is_bgzip(path):
            path = _as_bgzip(path)
        beside = _index_files(path, path.parent, path.name)
        if _is_fresh(beside, is_compressed):
            return beside
        is_stale = beside.fai.exists() or (is_compressed and beside.gzi.exists())
        if not is_stale and os.access(path.parent, os.W_OK):
            place = beside
        else:
            place = _index_files(path, _cache(), _cache_name(path))
        if not _is_fresh(place, is_compressed):
            _make_index(place)
        return place
    except OSError as error:
        raise UserError(
            f"Cannot read the genome {path}: {error.strerror or error}."
        ) from error


def _head(path: Path, size: int = 18) -> bytes:
    with open(path, "rb") as file:
        return file.read(size)


def _is_bgzip(path: Path) -> bool:
    """Tells whether the first gzip member has the extra field of bgzip."""
    head = _head(path)
    is_gzip = len(head) == 18 and head.startswith(_GZIP)
    return is_gzip and head[3] & 4 != 0 and head[12:14] == b"BC"


def _index_files(fasta: Path, directory: Path, name: str) -> IndexedFasta:
    return IndexedFasta(fasta, directory / f"{name}.fai", directory / f"{name}.gzi")


def _is_fresh(index: IndexedFasta, is_bgzip: bool) -> bool:
    """Tells whether the index is there and not older than the genome."""
    made = index.fasta.stat().st_mtime
    files = (index.fai, index.gzi) if is_bgzip else (index.fai,)
    return all(file.exists() and file.stat().st_mtime >= made for file in files)


def _cache() -> Path:
    directory = cache_directory()
    if directory is None:
        raise UserError(
            "There is no home directory for the genome's index; name a directory by "
            "the environment variable DEEPRKE_CACHE."
        )
    directory = directory / "genomes"
    make_directory(directory)
    return directory


def _cache_name(path: Path) -> str:
    """Returns a name that another file, or another version of it, does not have."""
    state = path.stat()
    key = f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
    return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.{path.name}"


def _make_index(place: IndexedFasta) -> None:
    # A second process that makes the same index writes the same bytes.
    logger.info("Making the index of %s: %s", place.fasta, place.fai)
    _refuse_odd_records(place.fasta)
    with path_aside(place.fai) as fai, path_aside(place.gzi) as gzi, _quiet_htslib():
        arguments = ["--fai-idx", str(fai), "--gzi-idx", str(gzi), str(place.fasta)]
        try:
            pysam.faidx(*arguments)
        except pysam.SamtoolsError as error:
            raise UserError(
                f"The genome {place.fasta} cannot be indexed: in FASTA all lines of a "
                "record but the last must have the same length; `seqtk seq -l 60` "
                "makes them so."
            ) from error
        gzi.touch()  # None is made of a plain file, but a path aside must be there.
    if not _is_bgzip(place.fasta):
        place.gzi.unlink()


def _refuse_odd_records(path: Path) -> None:
    """Refuses what samtools leaves out with a mere warning: a name that comes twice.

    Raises:
      UserError: A name occurs twice, or the file is no FASTA.
    """
    names: set[str] = set()
    with contextlib.ExitStack() as closing:
        try:
            for header in _headers(open_bytes(path, closing)):
                name = (header.split() or [b""])[0].decode(errors="replace")
                if name in names:
                    raise UserError(
                        f"The genome {path} has two records named {name!r}; names must "
                        "be unique."
                    )
                names.add(name)
        except DAMAGED as error:
            raise UserError(
                f"The genome {path} is cut off or damaged ({error})."
            ) from error
    if not names:
        raise UserError(
            f"The genome {path} is no FASTA ('>chr1' and lines of letters) and no UCSC "
            "2bit."
        )


def _headers(file: io.BufferedReader) -> Iterator[bytes]:
    """Yields the header lines of a FASTA file, without the `>`."""
    rest = b"\n"
    while block := file.read(_BLOCK_SIZE):
        data = rest + block
        rest = data[-1:]
        start = data.find(b"\n>")
        while start >= 0:
            end = data.find(b"\n", start + 1)
            if end < 0:
                rest = data[start:]
                break
            yield data[start + 2 : end]
            start = data.find(b"\n>", end)
    if rest.startswith(b"\n>"):
        yield rest[2:]


@contextlib.contextmanager
def _quiet_htslib() -> Iterator[None]:
    """Keeps htslib from printing to standard error what is raised anyway."""
    verbosity = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(verbosity)


def _as_bgzip(path: Path) -> Path:
    """Recompresses a compressed file; returns the file in the cache directory."""
    target = _cache() / _cache_name(path)
    if target.exists():
        return target
    logger.info(
        "%s is compressed, but not by bgzip, and cannot be read at any position; it is "
        "recompressed once: %s",
        *(path, target),
    )
    with path_aside(target) as partial, contextlib.ExitStack() as closing:
        try:
            source = open_bytes(path, closing)
            with pysam.BGZFile(str(partial), "wb", None) as file:
                while block := source.read(_BLOCK_SIZE):
                    file.write(block)
        except DAMAGED as error:
            raise UserError(
                f"The genome {path} is cut off or damaged ({error})."
            ) from error
    return target
