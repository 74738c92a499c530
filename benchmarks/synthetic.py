"""Data of any size made at once: random letters to fold, random k-mer ids to train on.

Nothing can be learned from them; a fold or a training step takes as long as any other.
"""

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.data import description, records
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID
from deeprke_tf.rna.simulated_files import write_labelled_fasta
from deeprke_tf.rna.sites import Site

IDS_FILE = "ids.npz"

_RECORDS_AT_ONCE = 1_000


def length_range(text: str) -> tuple[int, int]:
    """Returns shortest and longest length, nucleotides, of `101` or of `330-375`."""
    shortest, _dash, longest = text.partition("-")
    return int(shortest), int(longest or shortest)


def write_sites(path: Path, n_sites: int, lengths: tuple[int, int], seed: int) -> Path:
    """Writes labelled FASTA of random RNA, bound and background in turn."""
    write_labelled_fasta(random_sites(n_sites, lengths, seed), path)
    return path


def random_sites(n_sites: int, lengths: tuple[int, int], seed: int) -> Iterator[Site]:
    """Yields sites of random letters; lengths are uniform from shortest to longest."""
    rng = random.Random(seed)
    for number in range(n_sites):
        letters = rng.choices("ACGU", k=rng.randint(*lengths))
        yield Site(f"site{number}", "".join(letters), label=number % 2)


def write_dataset(directory: Path, n_sites: int, length: int) -> Dataset:
    """Writes a dataset of random k-mer ids, all sites of one length.

    Beside the shards, the training sites lie as arrays in `IDS_FILE`, for who reads no
    records: int64 [n_sites, n_kmers] for each view, float32 [n_sites] `label`.

    Args:
      directory: To make.
      n_sites: Training sites; validation has a tenth as many.
      length: Nucleotides of a site.
    """
    directory.mkdir(parents=True)
    encoding = Encoding()
    rng = np.random.default_rng(1)
    splits = {}
    for split, n in (("train", n_sites), ("validation", max(20, n_sites // 10))):
        ids = {
            f"{view}_kmers": rng.integers(
                FIRST_KMER_ID, len(vocabulary), (n, length - encoding.k + 1)
            )
            for view, vocabulary in (
                ("sequence", encoding.sequence_vocabulary),
                ("structure", encoding.structure_vocabulary),
            )
        }
        labels = np.arange(n) % 2
        if split == "train":
            np.savez(directory / IDS_FILE, label=labels.astype(np.float32), **ids)
        splits[split] = _write_split(directory, split, ids, labels, length)
    contents = {
        "encoding": dataclasses.asdict(encoding),
        "inputs": [],
        "splits": splits,
    }
    description.write(directory, contents)
    return description.read(directory)


def _write_split(
    directory: Path,
    split: str,
    ids: dict[str, np.ndarray],
    labels: np.ndarray,
    length: int,
) -> dict[str, Any]:
    """Writes one shard; returns the split's part of `dataset.json`."""
    path = directory / records.shard_name(split, 0, 1)
    with records.ShardWriter(path) as shard:
        for start in range(0, len(labels), _RECORDS_AT_ONCE):
            some = slice(start, start + _RECORDS_AT_ONCE)
            views = [list(ids[name][some]) for name in ids]
            names = [f"site{start + i}" for i in range(len(views[0]))]
            shard.write(records.serialize_all(names, *views, labels[some].tolist()))
    described = {"file": path.name, "n_sites": len(labels), "sha256": shard.sha256}
    return {
        "n_sites": len(labels),
        "n_positive": int(labels.sum()),
        "longest_site": length,
        "shards": [described],
    }


def random_vectors(info: Dataset, size: int = 100) -> dict[str, np.ndarray]:
    """Returns k-mer vectors nobody trained, float32 [n_ids, size] by view."""
    vectors = {}
    for view in ("sequence", "structure"):
        n_ids = len(getattr(info.encoding, f"{view}_vocabulary"))
        vectors[view] = np.random.default_rng(n_ids).normal(size=(n_ids, size))
        vectors[view] = vectors[view].astype(np.float32)
        vectors[view][PAD_ID] = 0
    return vectors
