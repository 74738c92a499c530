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
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import google_crc32c
import numpy as np

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
    if len(sequence_kmers) != len(structure_kmers):
        raise ValueError(
            f"{name}: {len(sequence_kmers)} sequence k-mers but "
            f"{len(structure_kmers)} structure k-mers; use the same k for both."
        )
    values = {
        "label": _int64_list([label]),
        "name": _field(1, _field(1, name.encode())),
        "sequence_kmers": _int64_list(sequence_kmers),
        "structure_kmers": _int64_list(structure_kmers),
    }
    entries = [_field(1, key + _field(2, values[name])) for name, key in _KEYS]
    return _field(1, b"".join(entries))


def _int64_list(values: np.ndarray | Sequence[int]) -> bytes:
    """A protobuf `Feature` whose kind is `int64_list`, field 3, packed."""
    return _field(3, _field(1, _varints(np.asarray(values, np.int64))))


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


def _varints(values: np.ndarray) -> bytes:
    """Base-128 varints of many values: seven bits a byte, low bits first."""
    largest = int(values.max(initial=0))
    if largest < 0x80:
        return values.astype(np.uint8).tobytes()
    n_bytes = (largest.bit_length() + 6) // 7
    shifted = values[:, np.newaxis] >> np.arange(0, 7 * n_bytes, 7)
    more_follow = (shifted >> 7) > 0
    parts = (shifted & 0x7F | more_follow << 7).astype(np.uint8)
    needed = shifted > 0
    needed[:, 0] = True
    return parts[needed].tobytes()


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
        # No time stamp and no name: equal records give equal bytes.
        self._gzip = gzip.GzipFile(
            "", "wb", compresslevel=3, fileobj=self._file, mtime=0
        )
        return self

    def __exit__(self, error: type[BaseException] | None, *_rest: object) -> None:
        self._gzip.close()
        self._file.close()
        if error:
            self._partial.unlink()
            return
        self.sha256 = file_sha256(self._partial)
        os.replace(self._partial, self.path)

    def write(self, record: bytes) -> None:
        """Appends one record in TFRecord framing."""
        self._gzip.write(framed(record))
        self.n_records += 1


def framed(record: bytes) -> bytes:
    """Returns a record in TFRecord framing: its length, itself, and both checksums."""
    length = struct.pack("<Q", len(record))
    return b"".join((length, _masked_crc(length), record, _masked_crc(record)))


def _masked_crc(payload: bytes) -> bytes:
    """CRC-32C as TFRecord stores it: rotated and offset, little-endian."""
    crc = google_crc32c.value(payload)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file, hexadecimal, reading it in blocks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
