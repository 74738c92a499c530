"""RNA folding on a Beam worker, through the fold cache of its machine."""

import contextlib
import functools
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from apache_beam.metrics import Metrics

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna.fold_cache import FoldCache, default_path
from deeprke_tf.rna.structure import fold

NAMESPACE = "deeprke"  # of the job's counters

Result = TypeVar("Result")


class WorkerFolds:
    """Folds sequences one by one in the calling process, and lists failed ones.

    Use one object per bundle: a bundle is processed by a single thread. A worker that
    cannot use its cache file folds without it.

    Args:
      settings: How to fold.
      cache: File of known folds; that of the worker's user if None.
    """

    def __init__(self, settings: FoldSettings, cache: Path | None):
        self._settings = settings
        self._n_folded = Metrics.counter(NAMESPACE, "sequences_folded")
        self._n_cached = Metrics.counter(NAMESPACE, "folds_from_cache")
        self._n_failed = Metrics.counter(NAMESPACE, "sequences_not_folded")
        self._cache: FoldCache | None = None
        self._cache = self._tried(
            lambda: FoldCache(cache or default_path(), settings), None
        )

    def close(self) -> None:
        """Closes the cache."""
        if self._cache:
            self._cache.close()

    def structures(
        self, sequences: Iterable[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Folds the sequences that the cache lacks, and adds them to it.

        Args:
          sequences: A few hundred; they are written to the cache together.

        Returns:
          The dot-bracket of each sequence, and the error of each sequence that failed.
        """
        wanted = dict.fromkeys(sequences)
        known: dict[str, str] = {}
        if self._cache:
            known = self._tried(functools.partial(self._cache.get, list(wanted)), {})
        folded: dict[str, str] = {}
        failed: dict[str, str] = {}
        for sequence in wanted:
            if sequence in known:
                continue
            try:
                folded[sequence] = fold(sequence, self._settings)[0]
            except Exception as error:  # the other sequences are still folded
                failed[sequence] = f"{type(error).__name__}: {error}"
        if folded and self._cache:
            self._tried(functools.partial(self._cache.put, folded), None)
        self._n_folded.inc(len(folded))
        self._n_cached.inc(len(known))
        self._n_failed.inc(len(failed))
        return known | folded, failed

    def _tried(self, use: Callable[[], Result], otherwise: Result) -> Result:
        """Uses the cache; a cache that cannot be used is given up."""
        try:
            return use()
        except UserError as error:
            logging.warning("Folding without a cache: %s", error)
            with contextlib.suppress(UserError):
                self.close()
            self._cache = None
            return otherwise
