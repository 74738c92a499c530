"""Folds on a Beam worker, through the fold cache of its machine."""

import contextlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from apache_beam.metrics import Metrics

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna.fold_cache import FoldCache, default_path
from deeprke_tf.rna.structure import fold

NAMESPACE = "deeprke"


class WorkerFolds:
    """Folds sequences one by one; a sequence that cannot be folded is no error.

    To be made, used and closed by one thread, as a bundle is. A worker whose disk
    cannot be written folds without a cache.

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
        with self._without_it_if_unusable():
            self._cache = FoldCache(cache or default_path(), settings)

    def close(self) -> None:
        """Closes the cache."""
        if self._cache:
            self._cache.close()

    def structures(
        self, sequences: Iterable[str]
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Folds what the cache does not know, and keeps it there.

        Args:
          sequences: Some hundred at once, as they are put into the cache at once.

        Returns:
          The dot-bracket of each sequence, and of those without one what went wrong.
        """
        wanted = list(dict.fromkeys(sequences))
        known = self._known(wanted)
        folded: dict[str, str] = {}
        failed: dict[str, str] = {}
        for sequence in wanted:
            if sequence in known:
                continue
            try:
                folded[sequence] = fold(sequence, self._settings)[0]
            except Exception as error:  # Listed with its reason; the others go on.
                failed[sequence] = f"{type(error).__name__}: {error}"
        self._keep(folded)
        self._n_folded.inc(len(folded))
        self._n_cached.inc(len(known))
        self._n_failed.inc(len(failed))
        return known | folded, failed

    def _known(self, sequences: list[str]) -> dict[str, str]:
        with self._without_it_if_unusable():
            return self._cache.get(sequences) if self._cache else {}
        return {}

    def _keep(self, folded: dict[str, str]) -> None:
        with self._without_it_if_unusable():
            if self._cache and folded:
                self._cache.put(folded)

    @contextlib.contextmanager
    def _without_it_if_unusable(self) -> Iterator[None]:
        try:
            yield
        except UserError as error:
            logging.warning("Folding without a cache: %s", error)
            self.close()
            self._cache = None
