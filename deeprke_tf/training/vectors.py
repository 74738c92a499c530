"""What a training run knows of k-mers before it trains: their vectors and weights."""

import dataclasses
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.config import RunConfig
from deeprke_tf.data import batches, kmers
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.networks import kmer_counts, kmer_regression, word2vec
from deeprke_tf.system import files
from deeprke_tf.system.files import sha256
from deeprke_tf.training import epochs, objective
from deeprke_tf.vectors import DESCRIPTION

# What NumPy raises for files that are no array, archives of arrays among them.
_UNREADABLE = (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile)


def _path(out: Path, name: str) -> Path:
    """Returns the file of a view's vectors, or of the k-mer weights."""
    return out / (f"{name}.npy" if name == "kmer_weights" else f"{name}_vectors.npy")


def _vocabularies(
    info: Dataset, run_config: RunConfig
) -> dict[str, kmers.KmerVocabulary]:
    """Returns the k-mer vocabulary of each view that the model reads."""
    vocabularies = {"sequence": info.encoding.sequence_vocabulary}
    if run_config.model.structure:
        vocabularies["structure"] = info.encoding.structure_vocabulary
    return vocabularies


def given_vectors(
    info: Dataset, run_config: RunConfig, vectors_from: Path | None
) -> epochs.Vectors:
    """Returns the vectors of `vectors_from`; none where it is not given.

    Raises:
      UserError: They cannot be read, do not fit the data, or would not be used.
    """
    if vectors_from is None:
        return {}
    if run_config.model.one_hot:
        raise UserError("Give --vectors-from or --one-hot, not both.")
    vectors = {
        view: word2vec.load(_path(vectors_from, view), vocabulary)
        for view, vocabulary in _vocabularies(info, run_config).items()
    }
    if run_config.model.structure:
        _require_same_folds(vectors_from, info)
    return vectors


def _require_same_folds(vectors_from: Path, info: Dataset) -> None:
    """Refuses vectors of structures that were folded otherwise than those of the data.

    Only `deeprke vectors` tells how; of other directories nothing is known.
    """
    description = vectors_from / DESCRIPTION
    if not description.exists():
        return
    folded = files.read_json(description)["encoding"]["fold"]
    of_data = dataclasses.asdict(info.encoding.fold)
    other = [name for name, value in of_data.items() if folded.get(name) != value]
    if other:
        name = other[0]
        raise UserError(
            f"The structures of {vectors_from} were folded with another {name}, "
            f"{folded.get(name)}, than those of {info.directory}, {of_data[name]}."
        )


def make_vectors(
    info: Dataset, out: Path, run_config: RunConfig, given: epochs.Vectors
) -> epochs.Vectors:
    """Returns the k-mer vectors of each view and k-mer weights, and keeps them.

    Args:
      info: The data; its train split alone is read.
      out: The run directory; vectors that it holds already are taken.
      run_config: All settings.
      given: Of `given_vectors`.

    Returns:
      float32 [n_ids, size] by view, for the views that the model reads; and under
      "kmer_weights", where counts have a share in its output, those of `kmer_weights`.
    """
    vectors = {}
    for view, vocabulary in _vocabularies(info, run_config).items():
        path = _path(out, view)
        if path.exists():
            vectors[view] = word2vec.load(path, vocabulary)
            continue
        if run_config.model.one_hot:
            vectors[view] = word2vec.one_hot_vectors(vocabulary)
        elif given:
            vectors[view] = given[view]
        else:
            print(f"training {view} k-mer vectors", flush=True)
            sites = batches.sample_kmers(
                info, "train", f"{view}_kmers", run_config.vectors.vector_sites
            )
            vectors[view] = word2vec.train_vectors(
                sites, vocabulary, run_config.vectors, run_config.train.seed
            )
        word2vec.save(vectors[view], path)
    if run_config.model.counts_kmers:
        path = _path(out, "kmer_weights")
        if not path.exists():
            print("fitting a logistic regression of k-mer counts", flush=True)
            word2vec.save(kmer_weights(info, run_config), path)
        vectors["kmer_weights"] = _load_kmer_weights(path, info.encoding.k)
    return vectors


def kmer_weights(info: Dataset, run_config: RunConfig) -> np.ndarray:
    """Fits the logistic regression of k-mer counts to training sites.

    Args:
      info: The data; the first sites of its train split are read, whose order is
        random.
      run_config: All settings.

    Returns:
      Of `kmer_regression.fit`.
    """
    train = info.split("train")
    sites = batches.sample_kmers(
        *(info, "train", "sequence_kmers", kmer_regression.MOST_SITES),
        most_kmers=kmer_regression.MOST_KMERS,
    )
    return kmer_regression.fit(
        sites,
        batches.sample_labels(info, "train", len(sites)),
        info.encoding.k,
        objective.class_weights(run_config.train, train.n_sites, train.n_positive),
    )


def _load_kmer_weights(path: Path, k: int) -> np.ndarray:
    """Reads k-mer weights.

    Raises:
      UserError: The file is damaged or of another k.
    """
    try:
        weights = np.load(path, allow_pickle=False)
        fits = weights.shape == (kmer_counts.n_weights(k),)
    except _UNREADABLE as error:
        raise UserError(
            f"Cannot read the k-mer weights {path}: {error}; delete it."
        ) from error
    if not fits or weights.dtype != np.float32 or not np.isfinite(weights).all():
        raise UserError(f"{path} does not hold the weights of k={k}; delete it.")
    return weights


def describe(
    vectors: epochs.Vectors, out: Path, vectors_from: Path | None
) -> dict[str, Any]:
    """Returns what the manifest tells of the vectors: whose, and their digests.

    Args:
      vectors: Of `make_vectors`.
      out: The run directory, which holds them.
      vectors_from: Directory they were given in, or None.
    """
    return {
        "from": vectors_from.resolve().name if vectors_from else None,
        "sha256": {name: sha256(_path(out, name)) for name in vectors},
    }
