"""The k-mer vectors and k-mer regression weights of a training run."""

import dataclasses
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.config import RunConfig
from deeprke_tf.data import kmers, stored_sites
from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.networks import counted_kmers, kmer_regression, word2vec
from deeprke_tf.runs import layout
from deeprke_tf.system import files
from deeprke_tf.system.files import sha256
from deeprke_tf.training import corpus_vectors, epochs, objective
from deeprke_tf.training.checkpoint import require_digest, resuming

_logger = logging.getLogger(__name__)

# Raised by NumPy for files that hold no array, or several.
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
    """Returns the vectors of `vectors_from`; no vectors if it is None.

    Raises:
      UserError: They cannot be read, do not fit the dataset, or would not be used.
    """
    if vectors_from is None:
        return {}
    if run_config.model.one_hot:
        raise UserError("Give `vectors_from` or `one_hot=True`, not both.")
    vectors = {
        view: word2vec.load(_path(vectors_from, view), vocabulary)
        for view, vocabulary in _vocabularies(info, run_config).items()
    }
    if run_config.model.structure:
        _require_same_folds(vectors_from, info)
    return vectors


def _require_same_folds(vectors_from: Path, info: Dataset) -> None:
    """Refuses vectors of structures that were folded with other settings.

    Only `deeprke vectors` records them; other directories are not checked.
    """
    description = vectors_from / corpus_vectors.DESCRIPTION
    if not description.exists():
        return
    folded = files.read_json(description)["encoding"]["fold"]
    of_data = dataclasses.asdict(info.encoding.fold)
    other = [name for name, value in of_data.items() if folded.get(name) != value]
    if other:
        name = other[0]
        raise UserError(
            f"The structures of {vectors_from} were folded with another {name}, "
            f"{folded.get(name)}, than {info.directory}, {of_data[name]}."
        )


def make_vectors(
    info: Dataset,
    out: Path,
    run_config: RunConfig,
    given: epochs.Vectors,
    fit_counts: "Callable[[Dataset, RunConfig], np.ndarray] | None" = None,
) -> epochs.Vectors:
    """Returns the k-mer vectors and k-mer weights of a run, and saves them.

    Args:
      info: The dataset; only its train split is read.
      out: The run directory; vectors that it holds already are read.
      run_config: All settings.
      given: Result of `given_vectors`.
      fit_counts: Fits the k-mer weights; `kmer_weights` if None.

    Returns:
      float32 [n_ids, size] for each view that the model reads; and under
      "kmer_weights", if the model counts k-mers, the result of `kmer_weights`.

    Raises:
      UserError: `out` holds damaged vectors.
    """
    vectors = {}
    for view, vocabulary in _vocabularies(info, run_config).items():
        path = _path(out, view)
        if not path.exists():
            _save(_view_vectors(view, vocabulary, info, run_config, given), path)
        with resuming(out):
            _require_undamaged(path)
            vectors[view] = word2vec.load(path, vocabulary)
    if run_config.model.counts_kmers:
        path = _path(out, "kmer_weights")
        if not path.exists():
            _logger.info("fitting a logistic regression of k-mer counts")
            _save((fit_counts or kmer_weights)(info, run_config), path)
        with resuming(out):
            _require_undamaged(path)
            vectors["kmer_weights"] = _load_kmer_weights(path, info.encoding.k)
    return vectors


def _view_vectors(
    view: str,
    vocabulary: kmers.KmerVocabulary,
    info: Dataset,
    run_config: RunConfig,
    given: epochs.Vectors,
) -> np.ndarray:
    if run_config.model.one_hot:
        return word2vec.one_hot_vectors(vocabulary)
    if given:
        return given[view]
    _logger.info("training %s k-mer vectors", view)
    sites = stored_sites.sample_kmers(
        info, "train", f"{view}_kmers", run_config.vectors.vector_sites
    )
    return word2vec.train_vectors(
        sites, vocabulary, run_config.vectors, run_config.train.seed
    )


def _save(table: np.ndarray, path: Path) -> None:
    """Writes a table, and its digest if it is the table of an unfinished run."""
    word2vec.save(table, path)
    if (path.parent / layout.STATE).is_dir():
        files.write_json(_digest_path(path), sha256(path))


def _require_undamaged(path: Path) -> None:
    digest = _digest_path(path)
    if digest.exists():
        require_digest(path, files.read_json(digest))


def _digest_path(path: Path) -> Path:
    return path.parent / layout.STATE / f"{path.stem}.sha256.json"


def kmer_weights(info: Dataset, run_config: RunConfig) -> np.ndarray:
    """Fits the logistic regression of k-mer counts to training sites.

    Args:
      info: The dataset; the first sites of its train split are read, whose order is
        random.
      run_config: All settings.

    Returns:
      The result of `kmer_regression.fit`.
    """
    train = info.split("train")
    sites = stored_sites.sample_kmers(
        *(info, "train", "sequence_kmers", kmer_regression.MOST_SITES),
        most_kmers=kmer_regression.MOST_KMERS,
    )
    return kmer_regression.fit(
        sites,
        stored_sites.sample_labels(info, "train", len(sites)),
        info.encoding.k,
        objective.class_weights(run_config.train, train.n_sites, train.n_positive),
    )


def joint_kmer_weights(sites: Dataset, run_config: RunConfig) -> np.ndarray:
    """Fits a logistic regression of k-mer counts for each RBP of a joint training.

    Args:
      sites: The training sites, of `joint_sites.write_joint_sites`.
      run_config: All settings.

    Returns:
      The results of `kmer_regression.fit` side by side, float32 [n_weights, n_rbps].
    """
    rows = sites.contents["joint"]
    samples: list[tuple[list[np.ndarray], list[int]]] = [([], []) for _row in rows]
    for ids, rbps, labels in stored_sites.joint_sites(sites):
        small = ids.astype(np.int32)  # of all RBPs at once
        for rbp, label in zip(rbps, labels, strict=True):
            of_rbp, its_labels = samples[rbp]
            if len(of_rbp) < kmer_regression.MOST_SITES:
                of_rbp.append(small)
                its_labels.append(label)
    weights = []
    for row, (of_rbp, its_labels) in zip(rows, samples, strict=True):
        n_sites, n_positive = row["n_sites"], row["n_positive"]
        class_weights = objective.class_weights(run_config.train, n_sites, n_positive)
        known = np.array(its_labels, np.uint8)
        weights.append(
            kmer_regression.fit(of_rbp, known, sites.encoding.k, class_weights)
        )
    return np.stack(weights, axis=1)


def _load_kmer_weights(path: Path, k: int) -> np.ndarray:
    """Reads k-mer weights.

    Raises:
      UserError: The file is damaged or of another k.
    """
    try:
        weights = np.load(path, allow_pickle=False)
        fits = weights.shape[:1] == (counted_kmers.n_weights(k),)
    except _UNREADABLE as error:
        raise UserError(f"Cannot read the k-mer weights {path}: {error}.") from error
    if not fits or weights.dtype != np.float32 or not np.isfinite(weights).all():
        raise UserError(f"{path} does not hold the weights of k={k}.")
    return weights


def describe(
    vectors: epochs.Vectors, out: Path, vectors_from: Path | None
) -> dict[str, Any]:
    """Returns the manifest's entry for the vectors: their origin and digests.

    Args:
      vectors: Result of `make_vectors`.
      out: The run directory, which holds them.
      vectors_from: Directory they were given in, or None.
    """
    return {
        "from": vectors_from.resolve().name if vectors_from else None,
        "sha256": {name: sha256(_path(out, name)) for name in vectors},
    }
