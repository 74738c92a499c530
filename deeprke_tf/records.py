"""The record format: one binding site as one `tf.train.Example` in TFRecord shards.

    feature         type      shape          meaning
    label           int64     []             1 bound, 0 background
    name            string    []             the site's name
    sequence_kmers  int64     [n_kmers]      ids in the sequence vocabulary
    structure_kmers int64     [n_kmers]      ids in the structure vocabulary

Both k-mer features have the same length: position i of each covers the same
nucleotides. Writers and readers take the names and kinds from `FEATURES` alone.

Records are written without TensorFlow, whose import alone takes longer than writing
100,000 of them; a test holds the bytes against TensorFlow's own.
"""

import enum
import functools
import gzip
import hashlib
import itertools
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import google_crc32c
import numpy as np

from deeprke_tf.streams import File

FORMAT_VERSION = 1

SPLITS = ("train", "validation", "test")


class Kind(enum.Enum):
    """What a feature holds."""

    INT = enum.auto()
    INTS = enum.auto()
    TEXT = enum.auto()


# In the order of a deterministic protobuf map: by key.
FEATURES = {
    "label": Kind.INT,
    "name": Kind.TEXT,
    "sequence_kmers": Kind.INTS,
    "structure_kmers": Kind.INTS,
}


def serialize(
    name: str,
    sequence_kmers: np.ndarray | Sequence[int],
    structure_kmers: np.ndarray | Sequence[int],
    label: int,
) -> bytes:
    """Serializes one site as `tf.train.Example` does when asked to be deterministic.

    Args:
      name: The site's name.
      sequence_kmers: Ids, none negative, [n_kmers].
      structure_kmers: Ids, none negative, [n_kmers].
      label: 1 bound, 0 background.

    Raises:
      ValueError: The two k-mer lists differ in length.
    """
    return serialize_all([name], [sequence_kmers], [structure_kmers], [label])[0]


def serialize_all(
    names: Sequence[str],
    sequence_kmers: Sequence[np.ndarray | Sequence[int]],
    structure_kmers: Sequence[np.ndarray | Sequence[int]],
    labels: Sequence[int],
) -> list[bytes]:
    """Serializes many sites at once, faster than one by one; see `serialize`."""
    for name, ids, structure_ids in zip(
        names, sequence_kmers, structure_kmers, strict=True
    ):
        if len(ids) != len(structure_ids):
            raise ValueError(
                f"{name}: {len(ids)} sequence k-mers but {len(structure_ids)} "
                "structure k-mers; use the same k for both."
            )
    columns = {
        "label": map(_int64_list, _all_varints([[label] for label in labels])),
        "name": [_field(1, _field(1, name.encode())) for name in names],
        "sequence_kmers": map(_int64_list, _all_varints(sequence_kmers)),
        "structure_kmers": map(_int64_list, _all_varints(structure_kmers)),
    }
    keyed = [
        [_field(1, key + _field(2, value)) for value in columns[feature]]
        for feature, key in _KEYS
    ]
    return [_field(1, b"".join(entries)) for entries in zip(*keyed, strict=True)]


def _int64_list(varints: bytes) -> bytes:
    """A protobuf `Feature` whose kind is `int64_list`, field 3, packed."""
    return _field(3, _field(1, varints))


def _field(number: int, payload: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return _tag(number, len(payload)) + payload


@functools.lru_cache(maxsize=1 << 16)
def _tag(number: int, length: int) -> bytes:
    """The key and the length that stand before a payload."""
    tag = bytearray([number << 3 | 2])
    while length > 0x7F:
        tag.append(length & 0x7F | 0x80)
        length >>= 7
    tag.append(length)
    return bytes(tag)


_KEYS = tuple((name, _field(1, name.encode())) for name in FEATURES)


def _all_varints(lists: Sequence[np.ndarray | Sequence[int]]) -> list[bytes]:
    """Base-128 varints of each list: seven bits a byte, low bits first."""
    ends = np.cumsum([0, *map(len, lists)])
    values = np.concatenate([np.zeros(0, np.int64), *lists]).astype(np.int64)
    largest = int(values.max(initial=0))
    if largest < 0x80:
        joined = values.astype(np.uint8).tobytes()
    else:
        n_bytes = (largest.bit_length() + 6) // 7
        shifted = values[:, np.newaxis] >> np.arange(0, 7 * n_bytes, 7)
        more_follow = (shifted >> 7) > 0
        parts = (shifted & 0x7F | more_follow << 7).astype(np.uint8)
        needed = shifted > 0
        needed[:, 0] = True
        joined = parts[needed].tobytes()
        ends = np.append(0, np.cumsum(needed.sum(axis=1)))[ends]
    bounds = ends.tolist()
    return [joined[a:b] for a, b in itertools.pairwise(bounds)]


def shard_name(split: str, index: int, n_shards: int) -> str:
    """Names one shard as Beam does.

    >>> shard_name("train", 0, 4)
    'train-00000-of-00004.tfrecord.gz'
    """
    return f"{split}-{index:05d}-of-{n_shards:05d}.tfrecord.gz"


class ShardWriter:
    """Writes one gzip-compressed TFRecord file, aside until it is complete.

    Used as a context manager: the file takes its name when the block ends well, and
    is removed when it does not.

    Args:
      path: Where the complete shard shall lie.

    Attributes:
      n_records: Records written so far.
      sha256: Digest of the finished file, hexadecimal; empty before.
    """

    def __init__(self, path: Path):
        self.path = path
        self.n_records = 0
        self.sha256 = ""
        self._partial = path.with_name(path.name + ".partial")

    def __enter__(self) -> "ShardWriter":
        self._file = open(self._partial, "wb")
        self._gzip = compressed(self._file)
        return self

    def __exit__(self, error: type[BaseException] | None, *_rest: object) -> None:
        self._gzip.close()
        self._file.close()
        if error:
            self._partial.unlink()
            return
        self.sha256 = file_sha256(self._partial)
        os.replace(self._partial, self.path)

    def write(self, records: Sequence[bytes]) -> None:
        """Appends records in TFRecord framing."""
        self._gzip.write(b"".join(map(framed, records)))
        self.n_records += len(records)


def compressed(file: IO[bytes]) -> gzip.GzipFile:
    """Compresses what is written into an open file, as all shards are."""
    # No time stamp and no name: equal records give equal bytes.
    return gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0)


def framed(record: bytes) -> bytes:
    """Returns a record in TFRecord framing: its length, itself, and both checksums."""
    return b"".join((*_length(len(record)), record, _masked_crc(record)))


@functools.lru_cache(maxsize=1 << 16)
def _length(n_bytes: int) -> tuple[bytes, bytes]:
    """The length of a record and its checksum; few lengths recur."""
    length = struct.pack("<Q", n_bytes)
    return length, _masked_crc(length)


def _masked_crc(payload: bytes) -> bytes:
    """CRC-32C as TFRecord stores it: rotated and offset, little-endian."""
    crc = google_crc32c.value(payload)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def file_sha256(path: File) -> str:
    """Returns the SHA-256 of a file, hexadecimal, reading it in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
