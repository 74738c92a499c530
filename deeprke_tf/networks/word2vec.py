"""k-mer vectors: trained by word2vec, or fixed one-hot letters; their files.

A table of vectors is float32 [n_ids, size] in id order. Row `PAD_ID` is zero, and every
other row has values, also if the corpus lacks its k-mer.
"""

import os
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from deeprke_tf.config import VectorConfig
from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID, UNKNOWN_ID, KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.system.files import bytes_written_aside

# gensim trains on the first 10,000 words of a text and silently drops the rest.
_LONGEST_TEXT = 1_000  # k-mers


def train_vectors(
    sites: Iterable[np.ndarray],
    vocabulary: KmerVocabulary,
    settings: VectorConfig,
    seed: int,
) -> np.ndarray:
    """Trains a vector for each k-mer by skip-gram with negative sampling.

    k-mers that occur in no site, and the unknown k-mer, get the mean vector.

    Args:
      sites: The k-mer ids of each site, [n_kmers].
      vocabulary: Gives the number of ids.
      settings: Vector size, window and passes.
      seed: Determines the result, since one thread trains.

    Returns:
      float32 [len(vocabulary), settings.vector_size].

    Raises:
      UserError: No site has a known k-mer.
    """
    corpus = list(_texts(sites))
    if not corpus:
        raise UserError("No site has a k-mer of known letters to train vectors on.")
    model = _gensim_models().Word2Vec(
        corpus,
        vector_size=settings.vector_size,
        window=settings.window,
        negative=settings.negative,
        epochs=settings.vector_epochs,
        sg=1,  # gensim's default is CBOW
        min_count=1,
        workers=1,
        seed=seed % 2**32,
        # No down-sampling of frequent words: every k-mer is frequent.
        sample=0,
    )
    trained = [int(word) for word in model.wv.index_to_key]
    vectors = np.empty((len(vocabulary), settings.vector_size), np.float32)
    vectors[:] = model.wv.vectors.mean(axis=0)
    vectors[trained] = model.wv.vectors
    vectors[PAD_ID] = 0
    return vectors


def _gensim_models() -> ModuleType:
    """Imports gensim; smart_open, which it uses, fails without a home directory."""
    has_home = os.path.expanduser("~") != "~"
    if not has_home:
        os.environ["HOME"] = os.devnull
    try:
        import gensim.models

        return gensim.models
    finally:
        if not has_home:
            del os.environ["HOME"]


def _texts(sites: Iterable[np.ndarray]) -> Iterator[list[str]]:
    """Yields the known k-mers of each site as words, and long sites in pieces."""
    for ids in sites:
        words = [str(i) for i in ids if i >= FIRST_KMER_ID]
        for start in range(0, len(words), _LONGEST_TEXT):
            yield words[start : start + _LONGEST_TEXT]


def one_hot_vectors(vocabulary: KmerVocabulary) -> np.ndarray:
    """Returns the one-hot letters of each k-mer, side by side.

    A convolution over them sees what it would see in one-hot nucleotides. So a
    comparison with word2vec vectors compares the vectors alone. Each letter of the
    unknown k-mer is spread evenly over the alphabet.

    >>> one_hot_vectors(KmerVocabulary("AC", k=2))[2:4].tolist()
    [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]

    Returns:
      float32 [len(vocabulary), k * letters].
    """
    letters = np.eye(len(vocabulary.alphabet), dtype=np.float32)
    rows = [
        np.concatenate([letters[vocabulary.alphabet.index(letter)] for letter in kmer])
        for kmer in vocabulary.kmers()
    ]
    vectors = np.zeros((len(vocabulary), len(rows[0])), np.float32)
    vectors[FIRST_KMER_ID:] = rows
    vectors[UNKNOWN_ID] = 1 / len(letters)
    return vectors


def save(vectors: np.ndarray, path: Path) -> None:
    """Writes a table of vectors as `.npy`."""
    with bytes_written_aside(path) as file:
        np.save(file, vectors, allow_pickle=False)


def load(path: Path, vocabulary: KmerVocabulary) -> np.ndarray:
    """Reads a table of vectors and checks that it fits a vocabulary.

    Raises:
      UserError: The file is missing, is not a `.npy` of floats, has not one finite row
        for each id, or its padding row is not zero.
    """
    try:
        # A pickled array could run code.
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"Cannot read the vectors {path}: {error}.") from error
    if not isinstance(vectors, np.ndarray) or vectors.ndim != 2 or not vectors.size:
        raise UserError(f"{path} does not hold a table of vectors.")
    if len(vectors) != len(vocabulary):
        raise UserError(
            f"{path} has {len(vectors)} rows; k={vocabulary.k} over "
            f"{vocabulary.alphabet} needs {len(vocabulary)}."
        )
    if vectors.dtype.kind != "f":
        raise UserError(f"{path} must hold floating-point numbers.")
    with np.errstate(over="ignore"):
        vectors = vectors.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise UserError(f"{path} must hold finite numbers.")
    if vectors[PAD_ID].any():
        raise UserError(f"{path}: row {PAD_ID} stands for padding and must be zero.")
    return vectors
