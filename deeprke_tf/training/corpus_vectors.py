"""Trains k-mer vectors on a corpus of RNAs, to start several models from."""

import dataclasses
import hashlib
import heapq
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deeprke_tf.config import FoldSettings, VectorConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.networks import word2vec
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.rna.structure import loop_contexts
from deeprke_tf.system import directories, files
from deeprke_tf.system.progress import Progress, no_progress

_logger = logging.getLogger(__name__)

DESCRIPTION = "vectors.json"
VECTORS = directories.Kind(
    "directory of k-mer vectors", DESCRIPTION, r"(sequence|structure)_vectors\.npy"
)


def train_corpus_vectors(
    fasta: Path,
    out: Path,
    *,
    structure: bool = True,
    k: int = 3,
    fold: FoldSettings = FoldSettings(),
    vectors: VectorConfig = VectorConfig(),
    max_length: int = 5000,
    seed: int = 1,
    workers: int | None = None,
    fold_cache: Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> dict[str, np.ndarray]:
    """Trains word2vec vectors of k-mers, and writes them with their description.

    Args:
      fasta: FASTA or table of RNAs, plain or gzip.
      out: Directory to make: `vectors.json` and `<view>_vectors.npy`.
      structure: Whether to train vectors of structure k-mers, too; RNAs that come
        without a structure are folded.
      k: Letters of a k-mer.
      fold: Settings of RNA folding.
      vectors: Settings of word2vec, and the number of RNAs to sample.
      max_length: Longest RNA to use, nucleotides.
      seed: Determines the sample and the vectors.
      workers: Folding processes; all cores if None.
      fold_cache: File of known folds; the user's own if None.
      overwrite: Replace the vectors that `out` holds.
      progress: Shows the folding.

    Returns:
      The vectors of each view, "sequence" and "structure", float32 [n_ids, size].

    Raises:
      UserError: The corpus cannot be read or holds no usable RNA; `out` cannot be made.
    """
    require_positive(max_length=max_length)
    if str(fasta) == "-" or fasta.is_fifo():
        raise UserError("Save the corpus to a file: vectors.json records its digest.")
    encoding = Encoding(k=k, fold=fold)
    with directories.directory_aside(out, overwrite, VECTORS) as partial:
        corpus = SitesFile(fasta, k=k, labelled=False)
        rnas, n_read = _sample(corpus, max_length, vectors.vector_sites, seed)
        if not rnas:
            raise UserError(f"{fasta}: none of {n_read} RNAs can be used.")
        letters = {"sequence": [rna.sequence for rna in rnas]}
        if structure:
            with FoldingPool(fold, fold_cache, workers) as pool:
                letters["structure"] = _contexts(rnas, pool, progress)
        trained = _trained(letters, encoding, vectors, seed)
        for view, table in trained.items():
            word2vec.save(table, partial / f"{view}_vectors.npy")
        description = {
            "corpus": fasta.name,
            "corpus_sha256": files.sha256(fasta),
            "n_read": n_read,
            "n_used": len(rnas),
            "encoding": dataclasses.asdict(encoding),
            "vectors": dataclasses.asdict(vectors),
            "seed": seed,
        }
        files.write_json(partial / DESCRIPTION, description)
    return trained


def _trained(
    letters: dict[str, list[str]], encoding: Encoding, settings: VectorConfig, seed: int
) -> dict[str, np.ndarray]:
    trained = {}
    for view, strings in letters.items():
        vocabulary = getattr(encoding, f"{view}_vocabulary")
        encoded = map(vocabulary.encode, strings)
        trained[view] = word2vec.train_vectors(encoded, vocabulary, settings, seed)
    return trained


def _sample(
    corpus: SitesFile, max_length: int, n_rnas: int, seed: int
) -> tuple[list[Site], int]:
    """Returns the RNAs with the smallest hashes, and the number of RNAs read.

    The sample does not depend on the order of the file.
    """
    counts = {"read": 0, "skipped": 0}

    def hashed() -> Iterator[tuple[bytes, str, int, Site]]:
        key = f"seed {seed}".encode()
        for row, read in enumerate(corpus, start=1):
            site = refuse_long(read, row, max_length)
            counts["read"] += 1
            counts["skipped"] += isinstance(site, SkippedSite)
            if isinstance(site, Site):
                digest = hashlib.blake2b(site.sequence.encode(), key=key).digest()
                yield digest, site.dot_bracket or "", row, site

    smallest = heapq.nsmallest(n_rnas, hashed())
    _logger.info(
        "read %s: %s, %d RNAs, %d skipped, %d sampled",
        *(corpus.path, corpus.format, counts["read"], counts["skipped"], len(smallest)),
    )
    return [site for _digest, _dot_bracket, _row, site in smallest], counts["read"]


def _contexts(rnas: list[Site], pool: FoldingPool, progress: Progress) -> list[str]:
    """Returns the loop contexts of RNAs, folding those without a structure."""
    sequences = [rna.sequence for rna in rnas if rna.dot_bracket is None]
    known = pool.cache.known(sequences)
    missing = [s for s in dict.fromkeys(sequences) if s not in known]
    with progress(len(missing), "fold", "folding") as bar:
        pool.fill(missing, bar.update)
    return [loop_contexts(dot_bracket) for dot_bracket in pool.structures_of(rnas)]
