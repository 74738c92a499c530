"""Writes one split of a dataset, shard after shard."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.data import partition
from deeprke_tf.data.records import ShardWriter, shard_name


class SplitWriter:
    """Writes the shards of a split, given its records in order; a context manager.

    Args:
      directory: Where the shards shall lie.
      split: Name of the split.
      n_shards: Their number; all are written, even one that gets no record.

    Attributes:
      shards: Name, number of sites and SHA-256 of each complete shard.
    """

    def __init__(self, directory: Path, split: str, n_shards: int):
        self.shards: list[dict[str, Any]] = []
        self._directory, self._split, self._n_shards = directory, split, n_shards

    def __enter__(self) -> "SplitWriter":
        self._open_next()
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is not None:
            self._closing.__exit__(*error)
            return
        while len(self.shards) < self._n_shards:
            self._complete()

    def write(self, order_hashes: np.ndarray, records: Sequence[bytes]) -> None:
        """Appends records to their shards.

        Args:
          order_hashes: Of their sequences, ascending over all calls, int64 [n_records].
          records: Serialized sites.
        """
        shards = partition.shard_index(order_hashes, self._n_shards)
        starts = np.flatnonzero(np.diff(shards, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], len(records)], strict=True):
            while len(self.shards) < shards[start]:
                self._complete()
            self._shard.write(records[start:end])

    def _open_next(self) -> None:
        name = shard_name(self._split, len(self.shards), self._n_shards)
        self._closing = contextlib.ExitStack()
        self._shard = self._closing.enter_context(ShardWriter(self._directory / name))

    def _complete(self) -> None:
        self._closing.close()
        self.shards.append(
            {
                "file": self._shard.path.name,
                "n_sites": self._shard.n_records,
                "sha256": self._shard.sha256,
            }
        )
        if len(self.shards) < self._n_shards:
            self._open_next()
