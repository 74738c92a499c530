"""The sites that the shards of a dataset hold, as they are stored."""

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from deeprke_tf.data.description import Dataset
from deeprke_tf.data.records import FEATURES, Kind
from deeprke_tf.errors import UserError
from deeprke_tf.system.files import sha256

OTHER_RECORDS = (
    "The shards do not hold the records that dataset.json describes; run `deeprke "
    "preprocess` again."
)
# What TensorFlow raises on records of another format.
DAMAGED_RECORDS = (
    tf.errors.DataLossError,
    tf.errors.FailedPreconditionError,
    tf.errors.InvalidArgumentError,
)

_SPECS = {
    Kind.INT: tf.io.FixedLenFeature([], tf.int64),
    Kind.INTS: tf.io.RaggedFeature(tf.int64),
    Kind.TEXT: tf.io.FixedLenFeature([], tf.string),
    Kind.OPTIONAL_TEXT: tf.io.FixedLenFeature([], tf.string, ""),
}
# What describes a site.
DESCRIPTIONS = ("name", "locus", "gene")
# The labels of a site of a joint training.
OF_RBPS = ("rbps", "rbp_labels")

_SITES_AT_ONCE = 20_000


def parse(
    records: tf.Tensor, names: Iterable[str] = FEATURES
) -> dict[str, tf.Tensor | tf.RaggedTensor]:
    """Parses serialized records, string [batch], into features of the format.

    Args:
      records: string [batch].
      names: Features to parse; all by default. A text that a record lacks is empty.
    """
    return tf.io.parse_example(
        records, {name: _SPECS[FEATURES[name]] for name in names}
    )


def shard_paths(info: Dataset, split: str) -> list[str]:
    """Returns the shards of a split in order.

    Raises:
      UserError: There is no such split, or one of its shards is missing.
    """
    paths = [info.directory / shard["file"] for shard in info.split(split).shards]
    for path in paths:
        if not path.exists():
            raise UserError(
                f"The shard {path} is missing; run `deeprke preprocess` again."
            )
    return [str(path) for path in paths]


def open_records(paths: Sequence[str]) -> tf.data.Dataset:
    """Returns the records of some shards, string []."""
    records = tf.data.TFRecordDataset(list(paths), compression_type="GZIP")
    return records.with_options(without_autotuning())


def without_autotuning() -> tf.data.Options:
    """Returns options for reading; a dataset within `flat_map` does not hand them on.

    Autotuning would choose threads and buffers. A thread of it sleeps longer and
    longer, up to a minute, and whoever ends the reading waits for it: for as long again
    as the reading took.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def verify_shards(info: Dataset, split: str) -> None:
    """Checks the shards of a split against `dataset.json`.

    Only the digest shows that a shard was cut off: TensorFlow reads it as if it ended
    there. Class weights and base rate are made from the counts of sites.

    Raises:
      UserError: A shard is missing, damaged or was changed, or the records are not as
        many, or not as many of them bound, as `dataset.json` says.
    """
    described, paths = info.split(split), shard_paths(info, split)
    for path, shard in zip(paths, described.shards, strict=True):
        if sha256(Path(path)) != shard["sha256"]:
            raise UserError(
                f"The shard {path} is damaged: its SHA-256 is not the one in "
                "dataset.json. Copy it again, or run `deeprke preprocess` again."
            )
    n_background, n_bound = (
        described.n_sites - described.n_positive,
        described.n_positive,
    )
    if _counted_labels(paths) != {0: n_background, 1: n_bound}:
        raise UserError(OTHER_RECORDS)


def _counted_labels(paths: list[str]) -> dict[int, int]:
    """Counts the sites of each label in some shards."""
    counts = {0: 0, 1: 0}
    records = open_records(paths)
    try:
        for some in records.batch(_SITES_AT_ONCE):
            labels = parse(some, ["label"])["label"].numpy()
            for label, n in zip(*np.unique(labels, return_counts=True), strict=True):
                counts[int(label)] = counts.get(int(label), 0) + int(n)
    except DAMAGED_RECORDS as error:
        raise UserError(OTHER_RECORDS) from error
    return counts


def sample_kmers(
    info: Dataset,
    split: str,
    view: str,
    n_sites: int,
    most_kmers: float = math.inf,
) -> list[np.ndarray]:
    """Returns the k-mer ids of the first sites of a split, whose order is random.

    Args:
      info: The dataset.
      split: "train", "validation" or "test".
      view: "sequence_kmers" or "structure_kmers".
      n_sites: How many sites; -1 for all.
      most_kmers: Sites end with the thousand in which they have so many k-mers.

    Raises:
      UserError: The dataset has no such split or no such view, or a shard is missing.
    """
    info.require_views([view])
    sites: list[np.ndarray] = []
    n_kmers = 0
    for features in _features(info, split, n_sites):
        ids = features[view].values.numpy()
        sites.extend(np.split(ids, features[view].row_splits.numpy()[1:-1]))
        n_kmers += len(ids)
        if n_kmers >= most_kmers:
            break
    return sites


def sample_labels(info: Dataset, split: str, n_sites: int) -> np.ndarray:
    """Returns the labels of the sites of `sample_kmers`, uint8 [n_sites]."""
    labels = [some["label"].numpy() for some in _features(info, split, n_sites)]
    return np.concatenate(labels).astype(np.uint8)


def joint_sites(
    info: Dataset,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields the sites of a joint training, in the order of their shards.

    Yields:
      Sequence k-mer ids, int64 [n_kmers]; places of RBPs and the labels for them, each
      int64 [n_labels].
    """
    for features in _features(info, "train", -1):
        columns = [features[name] for name in ("sequence_kmers", *OF_RBPS)]
        yield from zip(
            *(
                np.split(column.values.numpy(), column.row_splits.numpy()[1:-1])
                for column in columns
            ),
            strict=True,
        )


def sites_of_split(info: Dataset, split: str) -> dict[str, list[Any]]:
    """Returns what is known of the sites of a split, in the order of its shards.

    Returns:
      `name`, `label`, `locus` (text of a `Locus`, empty where the place is not known)
      and `gene` (may be empty), each [n_sites].
    """
    facts: dict[str, list[Any]] = {name: [] for name in ("label", *DESCRIPTIONS)}
    for features in _features(info, split, -1):
        facts["label"] += features["label"].numpy().tolist()
        for name in DESCRIPTIONS:
            facts[name] += as_texts(features[name])
    return facts


def as_texts(texts: tf.Tensor) -> list[str]:
    """Returns the texts of a tensor, string [n]."""
    return [text.decode() for text in texts.numpy().tolist()]


def _features(info: Dataset, split: str, n_sites: int) -> Iterator[dict[str, Any]]:
    """Yields the features of sites, a thousand at a time."""
    records = open_records(shard_paths(info, split))
    for some in records.take(n_sites).batch(1_000):
        yield parse(some)
