"""The sites of a plan as k-mer ids, read by all cores and kept for the next fleet."""

import concurrent.futures
import multiprocessing
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.kmers import PAD_ID, KmerVocabulary
from deeprke_tf.data.structure_shuffling import permutation
from deeprke_tf.fleets import packs
from deeprke_tf.fleets.plan import Training


class LabelledIds(NamedTuple):
    """Sites as padded k-mer ids.

    Attributes:
      ids: By view, unsigned int [n_sites, n_kmers], padded with `kmers.PAD_ID`.
      labels: 1 bound, 0 background, int64 [n_sites].
    """

    ids: dict[str, np.ndarray]
    labels: np.ndarray


Splits = dict[str, LabelledIds]


class Datasets:
    """Reads the packed datasets of a plan; those read before are at hand.

    Args:
      plan: The plan's directory.
    """

    def __init__(self, plan: Path):
        self._plan = plan
        self._known: dict[tuple[str, int, bool], Splits] = {}

    def __enter__(self) -> "Datasets":
        # Not forked: JAX has threads.
        context = multiprocessing.get_context("spawn")
        self._pool = concurrent.futures.ProcessPoolExecutor(mp_context=context)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._pool.shutdown()

    def read(self, trainings: Sequence[Training]) -> list[Splits]:
        """Returns the sites of each training, both views.

        Raises:
          UserError: A file is missing or damaged.
        """
        keys = [(one.dataset, one.k, one.shuffled) for one in trainings]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        for key, splits in zip(
            new, self._pool.map(encoded, *self._columns(new)), strict=True
        ):
            self._known[key] = splits
        return [self._known[key] for key in keys]

    def _columns(self, keys: Sequence[tuple[str, int, bool]]) -> list[list]:
        return [
            [self._plan / name for name, _k, _shuffled in keys],
            [k for _name, k, _shuffled in keys],
            [shuffled for _name, _k, shuffled in keys],
        ]


def encoded(path: Path, k: int, shuffled: bool) -> Splits:
    """Reads packed sites and makes k-mer ids of them, by split.

    Args:
      path: A file of `packs.write`.
      k: Letters in a k-mer.
      shuffled: Whether each site gets the structure of another one.

    Raises:
      UserError: The file is missing or damaged.
    """
    encoding = Encoding(k)
    splits = {}
    for split, sites in packs.read(path).items():
        contexts = sites.contexts
        if shuffled:
            order = permutation([*map(len, contexts)], split)
            contexts = [contexts[place] for place in order]
        ids = {
            "sequence_kmers": _padded(encoding.sequence_vocabulary, sites.sequences),
            "structure_kmers": _padded(encoding.structure_vocabulary, contexts),
        }
        splits[split] = LabelledIds(ids, sites.labels.astype(np.int64))
    return splits


def _padded(vocabulary: KmerVocabulary, texts: Sequence[str]) -> np.ndarray:
    rows = vocabulary.encode_all(texts)
    kind = np.uint8 if len(vocabulary) <= 256 else np.uint16
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, kind)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded
