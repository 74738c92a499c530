"""A dataset as letters in one small file: what a fleet of trainings travels with.

A site of 101 nucleotides takes some 37 bytes, a tenth of its record: its letters at two
bits each, its loop contexts compressed. k-mer ids of any k are made of them again.
"""

import lzma
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.system.files import bytes_written_aside


class PackedSites(NamedTuple):
    """The sites of one split, in the order of its shards.

    Attributes:
      sequences: RNA letters of each site.
      contexts: Loop contexts of each site, as long as its sequence.
      labels: 1 bound, 0 background, uint8 [n_sites].
    """

    sequences: Sequence[str]
    contexts: Sequence[str]
    labels: np.ndarray


def write(splits: dict[str, PackedSites], path: Path) -> None:
    """Writes sites by split, aside until the file is whole."""
    arrays: dict[str, Any] = {}
    for split, sites in splits.items():
        digits = _digits("".join(sites.sequences))
        unknown = digits == len(NUCLEOTIDES)
        digits[unknown] = 0
        contexts = "".join(sites.contexts).encode()
        arrays |= {
            f"{split}.lengths": np.array([*map(len, sites.sequences)], np.uint32),
            f"{split}.letters": _packed(digits),
            f"{split}.unknown": np.flatnonzero(unknown).astype(np.uint32),
            f"{split}.contexts": np.frombuffer(lzma.compress(contexts), np.uint8),
            f"{split}.labels": np.asarray(sites.labels, np.uint8),
        }
    with bytes_written_aside(path) as file:
        np.savez_compressed(file, **arrays)


def read(path: Path) -> dict[str, PackedSites]:
    """Reads what `write` wrote.

    Raises:
      UserError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        splits = dict.fromkeys(name.partition(".")[0] for name in arrays)
        return {split: _read_split(arrays, split) for split in splits}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
        lzma.LZMAError,
    ) as error:
        raise UserError(f"Cannot read the packed dataset {path}: {error}.") from error


def _read_split(arrays: dict[str, np.ndarray], split: str) -> PackedSites:
    lengths, packed, unknown, contexts, labels = (
        arrays[f"{split}.{name}"]
        for name in ("lengths", "letters", "unknown", "contexts", "labels")
    )
    letters = np.frombuffer(f"{NUCLEOTIDES}N".encode(), np.uint8)
    digits = _unpacked(packed, int(lengths.sum()))
    digits[unknown] = len(NUCLEOTIDES)
    joined = letters[digits].tobytes().decode()
    joined_contexts = lzma.decompress(contexts.tobytes()).decode()
    if len(joined_contexts) != len(joined) or len(labels) != len(lengths):
        raise ValueError(f"its {split} split has views of different lengths")
    return PackedSites(
        list(_cut(joined, lengths)), list(_cut(joined_contexts, lengths)), labels
    )


def _digits(letters: str) -> np.ndarray:
    """Returns the place of each letter in the alphabet, or behind it; uint8."""
    table = np.full(256, len(NUCLEOTIDES), np.uint8)
    table[np.frombuffer(NUCLEOTIDES.encode(), np.uint8)] = range(len(NUCLEOTIDES))
    return table[np.frombuffer(letters.encode(), np.uint8)]


def _packed(digits: np.ndarray) -> np.ndarray:
    """Packs four numbers below 4 into a byte."""
    quads = np.append(digits, np.zeros(-len(digits) % 4, np.uint8)).reshape(-1, 4)
    return (quads << np.array([0, 2, 4, 6], np.uint8)).sum(axis=1, dtype=np.uint8)


def _unpacked(packed: np.ndarray, n: int) -> np.ndarray:
    quads = packed[:, np.newaxis] >> np.array([0, 2, 4, 6], np.uint8) & 3
    return quads.reshape(-1)[:n]


def _cut(joined: str, lengths: np.ndarray) -> Iterator[str]:
    start = 0
    for length in lengths.tolist():
        yield joined[start : start + length]
        start += length
