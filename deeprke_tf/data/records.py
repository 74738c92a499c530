"""The record format: one binding site as one `tf.train.Example` in TFRecord shards.

    feature         type      shape          meaning
    gene            string    []             the name of its gene; may be absent
    label           int64     []             1 bound, 0 background
    locus           string    []             where it lies on its genome, as text of a
                                             `Locus`; may be absent
    name            string    []             the site's name
    rbp_labels      int64     [n_labels]     labels of the site for some RBPs; only in
                                             the merged sites of a joint training
    rbps            int64     [n_labels]     the places of these RBPs
    sequence_kmers  int64     [n_kmers]      ids in the sequence vocabulary
    structure_kmers int64     [n_kmers]      ids in the structure vocabulary

Both k-mer features have the same length: position i of each covers the same
nucleotides. A dataset made without structure lacks `structure_kmers`. Writers and
readers take the names and kinds from `FEATURES` alone. A site whose place or gene is
not known has no such feature.

Records are written without TensorFlow, whose import alone takes longer than writing
100,000 of them; a test holds the bytes against TensorFlow's own.
"""

import concurrent.futures
import contextlib
import enum
import functools
import gzip
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import google_crc32c
import numpy as np

from deeprke_tf.system import files

FORMAT_VERSION = 1

SPLITS = ("train", "validation", "test")


class Kind(enum.Enum):
    """What a feature holds."""

    INT = enum.auto()
    INTS = enum.auto()
    TEXT = enum.auto()
    OPTIONAL_TEXT = enum.auto()


# In the order of a deterministic protobuf map: by key.
FEATURES = {
    "gene": Kind.OPTIONAL_TEXT,
    "label": Kind.INT,
    "locus": Kind.OPTIONAL_TEXT,
    "name": Kind.TEXT,
    "rbp_labels": Kind.INTS,
    "rbps": Kind.INTS,
    "sequence_kmers": Kind.INTS,
    "structure_kmers": Kind.INTS,
}


def serialize(
    name: str,
    sequence_kmers: np.ndarray | Sequence[int],
    structure_kmers: np.ndarray | Sequence[int] | None,
    label: int,
    locus: str = "",
    gene: str = "",
) -> bytes:
    """Serializes one site as `tf.train.Example` does when asked to be deterministic.

    Args:
      name: The site's name.
      sequence_kmers: Ids, none negative, [n_kmers].
      structure_kmers: Ids, none negative, [n_kmers]; None for a record without them.
      label: 1 bound, 0 background.
      locus: Text of its `Locus`; empty for a record without it.
      gene: Name of its gene; empty for a record without it.

    Raises:
      ValueError: The two k-mer lists differ in length.
    """
    structures = None if structure_kmers is None else [structure_kmers]
    return serialize_all(
        [name], [sequence_kmers], structures, [label], [locus], [gene]
    )[0]


def serialize_all(
    names: Sequence[str],
    sequence_kmers: Sequence[np.ndarray | Sequence[int]],
    structure_kmers: Sequence[np.ndarray | Sequence[int]] | None,
    labels: Sequence[int],
    loci: Sequence[str] = (),
    genes: Sequence[str] = (),
) -> list[bytes]:
    """Serializes many sites at once, faster than one by one; see `serialize`.

    Empty `loci` or `genes` are those of records without them.
    """
    payloads = {
        "gene": [gene.encode() for gene in genes],
        "label": [bytes([label]) for label in labels],
        "locus": [locus.encode() for locus in loci],
        "name": [name.encode() for name in names],
        "sequence_kmers": _all_varints(sequence_kmers),
    }
    if structure_kmers is not None:
        _require_same_lengths(names, sequence_kmers, structure_kmers)
        payloads["structure_kmers"] = _all_varints(structure_kmers)
    # In the order of `FEATURES`.
    entries = [
        _entries(feature, values)
        for feature, values in payloads.items()
        if FEATURES[feature] is not Kind.OPTIONAL_TEXT or any(values)
    ]
    joined = map(b"".join, zip(*entries, strict=True))
    return [_tag(1, len(features)) + features for features in joined]


def with_rbp_labels(
    records: Sequence[bytes],
    rbps: Sequence[np.ndarray | Sequence[int]],
    labels: Sequence[np.ndarray | Sequence[int]],
) -> list[bytes]:
    """Adds the labels of each site for several RBPs to its record.

    Args:
      records: Serialized sites.
      rbps: Places of RBPs, [n_labels] for each site.
      labels: 1 bound, 0 background, as many for each site.
    """
    entries = zip(
        _entries("rbp_labels", _all_varints(labels)),
        _entries("rbps", _all_varints(rbps)),
        strict=True,
    )
    # Joined messages are read as one, with the features of both.
    return [
        record + _tag(1, len(first + second)) + first + second
        for record, (first, second) in zip(records, entries, strict=True)
    ]


def _require_same_lengths(names, sequence_kmers, structure_kmers) -> None:
    for name, ids, structure_ids in zip(
        names, sequence_kmers, structure_kmers, strict=True
    ):
        if len(ids) != len(structure_ids):
            raise ValueError(
                f"{name}: {len(ids)} sequence k-mers but {len(structure_ids)} "
                "structure k-mers; use the same k for both."
            )


def _entries(feature: str, payloads: Sequence[bytes]) -> list[bytes]:
    """Returns the entry of one feature in the map of each site."""
    # Few lengths recur.
    starts = {n: _entry_start(feature, n) for n in set(map(len, payloads))}
    if FEATURES[feature] is Kind.OPTIONAL_TEXT:
        starts[0] = b""
    return [starts[len(payload)] + payload for payload in payloads]


def _entry_start(feature: str, n_bytes: int) -> bytes:
    """Returns the bytes before a payload of `n_bytes` bytes."""
    # An entry of the map: its key, 1, and the value, 2; the value is a list, which is
    # bytes_list, 1, or int64_list, 3, and has one field.
    of_list = _tag(1, n_bytes)
    is_text = FEATURES[feature] in (Kind.TEXT, Kind.OPTIONAL_TEXT)
    kind = _tag(1 if is_text else 3, len(of_list) + n_bytes)
    of_value = _tag(2, len(kind + of_list) + n_bytes) + kind + of_list
    key = _tag(1, len(feature)) + feature.encode()
    return _tag(1, len(key + of_value) + n_bytes) + key + of_value


@functools.lru_cache(maxsize=1 << 16)
def _tag(number: int, length: int) -> bytes:
    """The key of a length-delimited protobuf field, and its length."""
    tag = bytearray([number << 3 | 2])
    while length > 0x7F:
        tag.append(length & 0x7F | 0x80)
        length >>= 7
    tag.append(length)
    return bytes(tag)


def _all_varints(lists: Sequence[np.ndarray | Sequence[int]]) -> list[bytes]:
    """Base-128 varints of each list: seven bits a byte, low bits first."""
    values = np.concatenate([np.zeros(0, np.int64), *lists])
    largest = int(values.max(initial=0))
    # Numbers of one or two bytes take a fraction of the time of wide ones.
    values = values.astype(np.min_scalar_type(largest))
    ends = np.cumsum([0, *map(len, lists)])
    if largest < 0x80:
        joined = values.tobytes()
    else:
        n_bytes = (largest.bit_length() + 6) // 7
        parts = np.empty((len(values), n_bytes), np.uint8)
        is_needed = np.ones(parts.shape, bool)
        widths = np.ones(len(values), np.uint8)
        for place in range(n_bytes):
            more_follow = values > 0x7F
            parts[:, place] = values & 0x7F
            parts[:, place] |= more_follow.view(np.uint8) << 7
            is_needed[:, place + 1 :] = more_follow[:, np.newaxis]
            widths += more_follow
            values >>= 7
        joined = parts.reshape(-1)[np.flatnonzero(is_needed)].tobytes()
        ends = np.append(0, np.cumsum(widths, dtype=np.int64))[ends]
    bounds = ends.tolist()
    return [joined[a:b] for a, b in itertools.pairwise(bounds)]


def shard_name(split: str, index: int, n_shards: int) -> str:
    """Names one shard as Beam does.

    >>> shard_name("train", 0, 4)
    'train-00000-of-00004.tfrecord.gz'
    """
    return f"{split}-{index:05d}-of-{n_shards:05d}.tfrecord.gz"


class ShardWriter:
    """Writes one gzip-compressed TFRecord file by `files.path_aside`.

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

    def __enter__(self) -> "ShardWriter":
        self._writing = self._opened()
        self._writing.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._writing.__exit__(*error)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        self._written: concurrent.futures.Future | None = None
        with files.path_aside(self.path) as partial:
            with (
                open(partial, "wb") as file,
                compressed(file) as self._gzip,
                # zlib releases the GIL: the next records are made meanwhile.
                concurrent.futures.ThreadPoolExecutor(1) as self._thread,
            ):
                yield
                self._wait()
            self.sha256 = files.sha256(partial)

    def write(self, records: Sequence[bytes]) -> None:
        """Appends records in TFRecord framing, compressing them in the background.

        Raises:
          OSError: Those before them could not be written.
        """
        block = b"".join(map(framed, records))
        self._wait()
        self._written = self._thread.submit(self._gzip.write, block)
        self.n_records += len(records)

    def _wait(self) -> None:
        if self._written is not None:
            self._written.result()


def compressed(file: IO[bytes]) -> gzip.GzipFile:
    """Returns a gzip stream into an open file, with the settings of all shards."""
    # No time stamp and no name: equal records give equal bytes.
    return gzip.GzipFile("", "wb", compresslevel=3, fileobj=file, mtime=0)


def framed(record: bytes) -> bytes:
    """Returns a record in TFRecord framing: its length, itself, and both checksums."""
    return _length(len(record)) + record + _masked_crc(record)


@functools.lru_cache(maxsize=1 << 16)
def _length(n_bytes: int) -> bytes:
    """The length of a record and its checksum; few lengths recur."""
    length = n_bytes.to_bytes(8, "little")
    return length + _masked_crc(length)


def _masked_crc(payload: bytes) -> bytes:
    """CRC-32C as TFRecord stores it: rotated and offset, little-endian."""
    crc = google_crc32c.value(payload)
    masked = (crc >> 15 | crc << 17) + 0xA282EAD8 & 0xFFFFFFFF
    return masked.to_bytes(4, "little")
