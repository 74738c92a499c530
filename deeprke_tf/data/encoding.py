"""Encoding of RNA letters as k-mer ids, the same in training and prediction."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from deeprke_tf.config import FoldSettings
from deeprke_tf.data.kmers import KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import LOOP_CONTEXTS, all_loop_contexts

MAX_K = 8  # 6^8 structure k-mers are 1.7 million vectors.


@dataclasses.dataclass(frozen=True)
class Encoding:
    """What k-mer ids mean; data and a model must agree on all of it.

    >>> sequence_kmers, structure_kmers = Encoding(k=2).encode("GGAAACC", "((...))")
    >>> structure_kmers.tolist()
    [37, 35, 23, 23, 25, 37]
    """

    k: int = 3
    sequence_alphabet: str = NUCLEOTIDES
    structure_alphabet: str = LOOP_CONTEXTS
    fold: FoldSettings = FoldSettings()

    def __post_init__(self):
        if not 1 <= self.k <= MAX_K:
            raise UserError(f"k must be between 1 and {MAX_K}, got {self.k}.")
        for alphabet in (self.sequence_alphabet, self.structure_alphabet):
            if len(set(alphabet)) != len(alphabet):
                raise UserError(f"The alphabet {alphabet!r} repeats a letter.")

    @functools.cached_property
    def sequence_vocabulary(self) -> KmerVocabulary:
        """All k-mers of RNA letters."""
        return KmerVocabulary(self.sequence_alphabet, self.k)

    @functools.cached_property
    def structure_vocabulary(self) -> KmerVocabulary:
        """All k-mers of loop contexts."""
        return KmerVocabulary(self.structure_alphabet, self.k)

    def encode(self, sequence: str, dot_bracket: str) -> tuple[np.ndarray, np.ndarray]:
        """Encodes both views of one site.

        Args:
          sequence: RNA letters, at least k.
          dot_bracket: Its structure, as long as the sequence.

        Returns:
          Sequence k-mer ids and structure k-mer ids, each int64
          [len(sequence) - k + 1]; id `i` of both covers `sequence[i : i + k]`.

        Raises:
          ValueError: The two differ in length or are shorter than k.
        """
        sequence_kmers, structure_kmers = self.encode_all([sequence], [dot_bracket])
        return sequence_kmers[0], structure_kmers[0]

    def encode_all(
        self, sequences: Sequence[str], dot_brackets: Sequence[str]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Encodes both views of many sites at once, faster than one by one.

        Args:
          sequences: RNA letters of each site, at least k.
          dot_brackets: Their structures, as long as the sequences.

        Returns:
          What `encode` gives for each site: all sequence views, all structure views.

        Raises:
          ValueError: The two differ in length or are shorter than k, or a structure is
            not dot-bracket.
        """
        for sequence, dot_bracket in zip(sequences, dot_brackets, strict=True):
            if len(sequence) != len(dot_bracket):
                raise ValueError(
                    f"{len(sequence)} nucleotides but a structure of "
                    f"{len(dot_bracket)}."
                )
        return (
            self.sequence_vocabulary.encode_all(sequences),
            self.structure_vocabulary.encode_all(all_loop_contexts(dot_brackets)),
        )

    def encode_sequence(self, sequence: str) -> np.ndarray:
        """Encodes the sequence view alone, for models that do not read structure."""
        return self.sequence_vocabulary.encode(sequence)
