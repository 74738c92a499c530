"""Overlap of sets of sites: equal sequences, and common stretches of 31 letters."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from deeprke_tf.rna.sites import NUCLEOTIDES, Site

# 31 letters of two bits fit into one 64-bit word, and hardly recur by chance.
SHARED = 31

# Of the hashes of longer stretches: odd, with bits at random.
_FACTOR = 0x9E3779B97F4A7C15


def overlaps(train: Sequence[Site], test: Sequence[Site]) -> dict[str, Any]:
    """Counts what train and test, and the two classes, have in common.

    Args:
      train: Labelled training sites.
      test: Labelled test sites; may be empty.

    Returns:
      `train` (and `test`): `n_sites`, `duplicates` (sites whose sequence an earlier one
      has) and `sequences_in_both_classes`; `bound_sharing` and `background_sharing`,
      the fractions of the sites of a class that share a stretch of `SHARED` letters
      with a site of the other one. `train_test`, where there are test sites:
      `sequences_in_both`, `of_other_class` (how many of them have another label), and
      the fractions of the test sites of each class that share a stretch with any
      training site.
    """
    found: dict[str, Any] = {"train": _within(train)}
    if test:
        found["test"] = _within(test)
        found["train_test"] = _between(train, test)
    return found


def _within(sites: Sequence[Site]) -> dict[str, Any]:
    labels = _labels_by_sequence(sites)
    bound, background = _classes(sites)
    of_bound, of_background = stretches(bound), stretches(background)
    return {
        "n_sites": len(sites),
        "duplicates": len(sites) - len(labels),
        "sequences_in_both_classes": sum(len(both) > 1 for both in labels.values()),
        "bound_sharing": of_bound.fraction_sharing(of_background),
        "background_sharing": of_background.fraction_sharing(of_bound),
    }


def _between(train: Sequence[Site], test: Sequence[Site]) -> dict[str, Any]:
    in_train, in_test = _labels_by_sequence(train), _labels_by_sequence(test)
    both = in_train.keys() & in_test.keys()
    of_train = stretches(train)
    bound, background = _classes(test)
    return {
        "sequences_in_both": len(both),
        "of_other_class": sum(in_train[s] != in_test[s] for s in both),
        "bound_sharing": stretches(bound).fraction_sharing(of_train),
        "background_sharing": stretches(background).fraction_sharing(of_train),
    }


def _classes(sites: Sequence[Site]) -> tuple[list[Site], list[Site]]:
    return (
        [site for site in sites if site.label == 1],
        [site for site in sites if site.label == 0],
    )


def _labels_by_sequence(sites: Sequence[Site]) -> dict[str, set[int | None]]:
    labels: dict[str, set[int | None]] = {}
    for site in sites:
        labels.setdefault(site.sequence, set()).add(site.label)
    return labels


@dataclasses.dataclass(frozen=True)
class Stretches:
    """All stretches of `SHARED` known letters of some sites.

    Attributes:
      codes: The stretches as numbers, ascending, uint64 [n_stretches].
      owners: The site of each, int32 [n_stretches].
      n_sites: The number of sites.
    """

    codes: np.ndarray
    owners: np.ndarray
    n_sites: int

    def fraction_sharing(self, others: "Stretches") -> float:
        """Returns the fraction of the sites that share a stretch with the others."""
        if not len(self.codes) or not len(others.codes):
            return 0.0
        places = np.searchsorted(others.codes, self.codes)
        found = others.codes[np.minimum(places, len(others.codes) - 1)]
        return len(np.unique(self.owners[found == self.codes])) / self.n_sites


def stretches(sites: Sequence[Site]) -> Stretches:
    """Returns all stretches of `SHARED` known letters."""
    codes, owners = codes_of([site.sequence for site in sites])
    # In order they are found fast: both sides are walked along.
    order = np.argsort(codes)
    return Stretches(codes[order], owners[order], len(sites))


def codes_of(
    sequences: Sequence[str], n_letters: int = SHARED
) -> tuple[np.ndarray, np.ndarray]:
    """Returns all stretches of some known letters as numbers, in their order.

    Args:
      sequences: RNA letters.
      n_letters: Letters of a stretch. Longer ones than `SHARED` do not fit into 64 bits
        and are hashed: of 10^8 pairs of different stretches, none is equal by chance.

    Returns:
      The stretches, uint64 [n_stretches], and the places of the sequences that they are
      of, int32 [n_stretches].
    """
    # An N between sites: no stretch runs from one into the next.
    text = "N".join(sequences).encode("ascii")
    table = np.full(256, len(NUCLEOTIDES), np.uint8)
    for digit, letter in enumerate(NUCLEOTIDES):
        table[ord(letter)] = digit
    digits = table[np.frombuffer(text, np.uint8)]
    n_windows = max(0, len(digits) - n_letters + 1)
    factor = np.uint64(4 if n_letters <= SHARED else _FACTOR)
    codes = np.zeros(n_windows, np.uint64)
    for offset in range(n_letters):
        codes *= factor
        codes += digits[offset : offset + n_windows] & np.uint8(3)
    n_unknown = np.concatenate([[0], np.cumsum(digits == len(NUCLEOTIDES))])
    known = n_unknown[n_letters:] == n_unknown[:n_windows]
    lengths = [len(sequence) + 1 for sequence in sequences]
    owners = np.repeat(np.arange(len(sequences), dtype=np.int32), lengths)[:n_windows]
    return codes[known], owners[known]
