"""Sites of a dataset's splits, as networks and linear models read them."""

import numpy as np

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.data import stored_sites
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.overlap import among, minimizers

Site = dict[str, np.ndarray]

SHARED_LETTERS = 38  # by which sites overlap, as in joint training


def inputs(info: Dataset, split: str, views: tuple[str, ...]) -> list[Site]:
    """Returns the k-mer ids of the sites of a split."""
    columns = [stored_sites.sample_kmers(info, split, view, -1) for view in views]
    return [dict(zip(views, ids, strict=True)) for ids in zip(*columns, strict=True)]


def labels(info: Dataset, split: str) -> np.ndarray:
    """Returns the labels of the sites of a split."""
    return stored_sites.sample_labels(info, split, -1)


def letters(info: Dataset, split: str) -> list[str]:
    """Returns the sequences of a split."""
    kmers = stored_sites.sample_kmers(info, split, "sequence_kmers", -1)
    return linear_baselines.letters_of(kmers, info.encoding.sequence_vocabulary)


def stretches(sequences: list[str]) -> np.ndarray:
    """Returns some stretches of sequences, by which `overlapping` finds them."""
    return np.unique(minimizers(sequences, SHARED_LETTERS)[0])


def overlapping(sequences: list[str], known: np.ndarray) -> np.ndarray:
    """Returns which sequences overlap with those of `stretches`, bool [n]."""
    codes, owners = minimizers(sequences, SHARED_LETTERS)
    overlaps = np.zeros(len(sequences), bool)
    overlaps[owners[among(codes, known)]] = True
    return overlaps
