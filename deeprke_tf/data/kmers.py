"""k-mer vocabularies: a closed, ordered map between k-mers and integer ids."""

import dataclasses
import functools
import itertools
from collections.abc import Sequence

import numpy as np

PAD_ID = 0  # Also the masked id of the model: never a k-mer.
UNKNOWN_ID = 1  # A k-mer with a letter outside the alphabet, such as N.
FIRST_KMER_ID = 2


@dataclasses.dataclass(frozen=True)
class KmerVocabulary:
    """All k-mers over an alphabet, numbered in the alphabet's order from 2.

    >>> KmerVocabulary("ACGU", k=2).encode("ACNG").tolist()
    [3, 1, 1]
    >>> KmerVocabulary("ACGU", k=2).decode([2, 3, 1])
    ['AA', 'AC', 'NN']
    """

    alphabet: str
    k: int

    def __post_init__(self):
        if self.k < 1:
            raise ValueError(f"k must be at least 1, got {self.k}.")
        if len(set(self.alphabet)) != len(self.alphabet):
            raise ValueError(f"Alphabet {self.alphabet!r} repeats a letter.")

    def __len__(self) -> int:
        return FIRST_KMER_ID + len(self.alphabet) ** self.k

    def kmers(self) -> list[str]:
        """Returns the k-mers in id order; the first has id `FIRST_KMER_ID`."""
        return [
            "".join(kmer) for kmer in itertools.product(self.alphabet, repeat=self.k)
        ]

    def encode(self, letters: str) -> np.ndarray:
        """Returns the ids of the overlapping k-mers, stride 1, left to right.

        Args:
          letters: At least k letters.

        Returns:
          int64 [len(letters) - k + 1]; id `i` covers `letters[i : i + k]`.

        Raises:
          ValueError: There are fewer than k letters.
        """
        return self.encode_all([letters])[0]

    def encode_all(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Returns the ids of many texts, each as `encode` gives them.

        Raises:
          ValueError: One of them has fewer than k letters.
        """
        for text in texts:
            if len(text) < self.k:
                raise ValueError(f"{text!r} is shorter than k={self.k}.")
        ids = self._encode_joined("".join(texts))
        starts = itertools.accumulate(map(len, texts), initial=0)
        return [
            ids[start : start + len(text) - self.k + 1]
            for start, text in zip(starts, texts, strict=False)
        ]

    def _encode_joined(self, letters: str) -> np.ndarray:
        # A letter that is not Latin-1 is in no alphabet: `?` stands for it.
        digits = self._digits[
            np.frombuffer(letters.encode("latin-1", "replace"), np.uint8)
        ]
        n_kmers = max(len(letters) - self.k + 1, 0)
        ids = np.zeros(n_kmers, digits.dtype)
        for offset in range(self.k):
            ids *= len(self.alphabet)
            ids += digits[offset : offset + n_kmers]
        # One unknown letter outweighs all the known ones of its k-mer.
        known = ids >= 0
        ids += FIRST_KMER_ID
        return np.where(known, ids, UNKNOWN_ID).astype(np.int64)

    def decode(self, ids) -> list[str]:
        """Returns the k-mers of `ids`; unknown ones are written with `N`.

        Raises:
          ValueError: An id that the vocabulary does not have.
        """
        names = [""] * FIRST_KMER_ID + self.kmers()
        names[UNKNOWN_ID] = "N" * self.k
        if wrong := [int(i) for i in ids if not 0 <= i < len(names)]:
            raise ValueError(
                f"No k-mer has an id of {wrong[0]}; ids end at {len(names) - 1}."
            )
        return [names[i] for i in ids]

    def letters(self, ids: np.ndarray) -> str:
        """Returns the text of which `encode` gives `ids`; letters not known are `N`.

        Up to k - 1 more letters are lost before an unknown one, and as many behind it
        where the text ends.

        >>> vocabulary = KmerVocabulary("ACGU", k=2)
        >>> vocabulary.letters(vocabulary.encode("GGAUNACC"))
        'GGANNACC'

        Args:
          ids: Ids of neighboring k-mers, at least one, [n_kmers].
        """
        n_letters = len(self.alphabet)
        numbers = np.asarray(ids) - FIRST_KMER_ID
        # The first letter of each k-mer, and the others of the last one.
        heads = numbers // n_letters ** (self.k - 1)
        places = n_letters ** np.arange(self.k - 2, -1, -1)
        tail = numbers[-1] // places % n_letters
        digits = np.concatenate([heads, np.where(numbers[-1] < 0, -1, tail)])
        letters = np.frombuffer(f"{self.alphabet}N".encode(), np.uint8)
        return letters[np.maximum(digits, -1)].tobytes().decode()

    @functools.cached_property
    def _digits(self) -> np.ndarray:
        """Maps a byte to the number of its letter, [256].

        The type is the narrowest that ids are computed in without overflow.
        """
        unknown = -(len(self.alphabet) ** self.k)
        lowest = sum(unknown * len(self.alphabet) ** i for i in range(self.k))
        digits = np.full(256, unknown, np.min_scalar_type(lowest - FIRST_KMER_ID))
        for number, letter in enumerate(self.alphabet):
            digits[ord(letter)] = number
        return digits
