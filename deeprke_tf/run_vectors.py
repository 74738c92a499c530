"""The k-mer vectors of a training run: given by the user, or made from its sites."""

from pathlib import Path
from typing import Any

from deeprke_tf import dataset, embeddings, kmers, training
from deeprke_tf.config import RunConfig
from deeprke_tf.dataset_info import DatasetInfo
from deeprke_tf.errors import UserError
from deeprke_tf.records import file_sha256


def _vocabularies(
    info: DatasetInfo, run_config: RunConfig
) -> dict[str, kmers.KmerVocabulary]:
    """Returns the k-mer vocabulary of each view that the model reads."""
    vocabularies = {"sequence": info.encoding.sequence_vocabulary}
    if run_config.model.structure:
        vocabularies["structure"] = info.encoding.structure_vocabulary
    return vocabularies


def given_vectors(
    info: DatasetInfo, run_config: RunConfig, vectors_from: Path | None
) -> training.Vectors:
    """Returns the vectors of `vectors_from`; none where it is not given.

    Raises:
      UserError: They cannot be read, do not fit the data, or would not be used.
    """
    if vectors_from is None:
        return {}
    if run_config.model.one_hot:
        raise UserError("Give --vectors-from or --one-hot, not both.")
    return {
        view: embeddings.load(vectors_from / f"{view}_vectors.npy", vocabulary)
        for view, vocabulary in _vocabularies(info, run_config).items()
    }


def make_vectors(
    info: DatasetInfo, out: Path, run_config: RunConfig, given: training.Vectors
) -> training.Vectors:
    """Returns the k-mer vectors of each view, and keeps them in the run.

    Args:
      info: The data; word2vec is trained on its train split alone.
      out: The run directory; vectors that it holds already are taken.
      run_config: All settings.
      given: Of `given_vectors`.

    Returns:
      float32 [n_ids, size] by view, for the views that the model reads.
    """
    vectors = {}
    for view, vocabulary in _vocabularies(info, run_config).items():
        path = out / f"{view}_vectors.npy"
        if path.exists():
            vectors[view] = embeddings.load(path, vocabulary)
            continue
        if run_config.model.one_hot:
            vectors[view] = embeddings.one_hot_vectors(vocabulary)
        elif given:
            vectors[view] = given[view]
        else:
            print(f"training {view} k-mer vectors", flush=True)
            sites = dataset.sample_kmers(
                info, "train", f"{view}_kmers", run_config.vectors.vector_sites
            )
            vectors[view] = embeddings.train_vectors(
                sites, vocabulary, run_config.vectors, run_config.train.seed
            )
        embeddings.save(vectors[view], path)
    return vectors


def describe(
    vectors: training.Vectors, out: Path, vectors_from: Path | None
) -> dict[str, Any]:
    """Returns what the manifest tells of the vectors: whose, and their digests.

    Args:
      vectors: Of `make_vectors`.
      out: The run directory, which holds them.
      vectors_from: Directory they were given in, or None.
    """
    return {
        "from": vectors_from.resolve().name if vectors_from else None,
        "sha256": {view: file_sha256(out / f"{view}_vectors.npy") for view in vectors},
    }
