"""The letters of sites as numbers, and the k-mers that they make."""

import math
from collections.abc import Sequence

import numpy as np

from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID, UNKNOWN_ID
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import LOOP_CONTEXTS

ALPHABETS = {"sequence_kmers": NUCLEOTIDES, "structure_kmers": LOOP_CONTEXTS}
UNKNOWN, PAD = -1, -2


def letter_numbers(sites: Sequence[FoldedSite], view: str) -> np.ndarray:
    """Returns the numbers of letters; -1 unknown, -2 padding, int [n_sites, length]."""
    numbers = np.full(256, UNKNOWN)
    for number, letter in enumerate(ALPHABETS[view]):
        numbers[ord(letter)] = number
    texts = [
        site.sequence if view == "sequence_kmers" else site.loop_contexts
        for site in sites
    ]
    digits = np.full((len(texts), max(map(len, texts))), PAD)
    for row, text in zip(digits, texts, strict=True):
        row[: len(text)] = numbers[np.frombuffer(text.encode(), np.uint8)]
    return digits


def ids_of(digits: np.ndarray, view: str, k: int) -> np.ndarray:
    """Returns k-mer ids, int64 [n_sites, n_kmers], of `letter_numbers`."""
    n_kmers = digits.shape[1] - k + 1
    return kmer_ids([digits[:, j : j + n_kmers] for j in range(k)], view)


def kmer_ids(columns: Sequence[np.ndarray], view: str) -> np.ndarray:
    """Returns the ids of k-mers, given the numbers of their k letters."""
    number = np.zeros_like(columns[0])
    for column in columns:
        number = number * len(ALPHABETS[view]) + column
    lowest = np.min(columns, axis=0)
    ids = np.where(lowest == UNKNOWN, UNKNOWN_ID, number + FIRST_KMER_ID)
    return np.where(lowest == PAD, PAD_ID, ids)


def shapley_value(values: dict[tuple[bool, ...], np.ndarray], j: int) -> np.ndarray:
    """Returns what one letter of k adds, averaged over all orders of replacing them.

    >>> float(shapley_value({(False,): 1.0, (True,): 4.0}, 0))
    3.0

    Args:
      values: For each choice of letters, True for the site's, the value of the k-mer.
      j: The letter.
    """
    k = len(next(iter(values)))
    total = np.zeros(())
    for chosen, value in values.items():
        n_others = sum(chosen) - chosen[j]
        weight = 1 / (k * math.comb(k - 1, n_others))
        total = total + (weight if chosen[j] else -weight) * value
    return total
