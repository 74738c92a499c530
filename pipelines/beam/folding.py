"""RNA folding on a Beam worker, through the fold cache of its machine."""

from collections.abc import Iterable
from pathlib import Path

from apache_beam.metrics import Metrics

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.structure import fold

NAMESPACE = "deeprke"  # of the job's counters


class WorkerFolds:
    """Folds sequences one by one in the calling process, and lists failed ones.

    Use one object per bundle: a bundle is processed by a single thread.

    Args:
      settings: How to fold.
      cache: File of known folds; that of the worker's user if None.
    """

    def __init__(self, settings: FoldSettings, cache: Path | None):
        self._settings = settings
        self._n_folded = Metrics.counter(NAMESPACE, "sequences_folded")
        self._n_cached = Metrics.counter(NAMESPACE, "folds_from_cache")
        self._n_failed = Metrics.counter(NAMESPACE, "sequences_not_folded")
        self._cache = FoldCache(cache, settings)

    def close(self) -> None:
        """Closes the cache."""
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
        known = self._cache.get(list(wanted))
        folded: dict[str, str] = {}
        failed: dict[str, str] = {}
        for sequence in wanted:
            if sequence in known:
                continue
            try:
                folded[sequence] = fold(sequence, self._settings)[0]
            except Exception as error:  # the other sequences are still folded
                failed[sequence] = f"{type(error).__name__}: {error}"
        if folded:
            self._cache.put(folded)
        self._n_folded.inc(len(folded))
        self._n_cached.inc(len(known))
        self._n_failed.inc(len(failed))
        return known | folded, failed
