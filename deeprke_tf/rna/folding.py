"""Folds many sequences: each distinct one once, on all cores, through the cache."""

import concurrent.futures
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.structure import fold, local_fold
from deeprke_tf.system.processes import end_with_parent

# A task is some tenths of a second of folding: long enough that passing strings costs
# nothing, short enough that the workers finish together.
_NT_PER_TASK = 4_000
_TASKS_AHEAD_PER_WORKER = 4
_SECONDS_BETWEEN_WRITES = 2.0


def n_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Folder:
    """Worker processes that fold, and the cache they fill.

    The processes start with the first sequence that the cache does not know.

    Args:
      cache: Where known folds are looked up and new ones are kept.
      settings: The settings of the cache.
      workers: Processes; all cores if None.
      span: That of the cache: folds with `structure.local_fold`; None: with `fold`.

    Raises:
      UserError: `workers` is below 1.
    """

    def __init__(
        self,
        cache: FoldCache,
        settings: FoldSettings,
        workers: int | None = None,
        span: int | None = None,
    ):
        if workers is not None and workers < 1:
            raise UserError(f"workers must be at least 1, got {workers}.")
        self.workers = workers or n_cores()
        self._cache = cache
        self._settings = settings
        self._span = span
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def structures(self, sequences: Iterable[str]) -> dict[str, str]:
        """Returns the dot-bracket of each sequence, folding those not in the cache."""
        wanted = list(dict.fromkeys(sequences))
        known = self._cache.get(wanted)
        for folded in self._fold(s for s in wanted if s not in known):
            self._cache.put(folded)
            known |= folded
        return known

    def fill(self, sequences: Iterable[str], on_folded: Callable[[int], None]) -> None:
        """Folds into the cache, holding only a few sequences at a time.

        What was folded is on disk within seconds, so that a killed run goes on.

        Args:
          sequences: Distinct sequences that the cache lacks.
          on_folded: Called with the number of sequences just folded.
        """
        unwritten: dict[str, str] = {}
        written_at = time.monotonic()
        try:
            for folded in self._fold(sequences):
                unwritten |= folded
                on_folded(len(folded))
                if time.monotonic() - written_at > _SECONDS_BETWEEN_WRITES:
                    self._cache.put(unwritten)
                    unwritten = {}
                    written_at = time.monotonic()
        finally:
            self._cache.put(unwritten)

    def _fold(self, sequences: Iterable[str]) -> Iterator[dict[str, str]]:
        """Yields what each task folded, as tasks end."""
        tasks = _tasks(sequences)
        pending: set[concurrent.futures.Future] = set()
        try:
            while True:
                room = self.workers * _TASKS_AHEAD_PER_WORKER - len(pending)
                for task in itertools.islice(tasks, room):
                    pending.add(
                        self._started().submit(
                            _fold_task, task, self._settings, self._span
                        )
                    )
                if not pending:
                    return
                done, pending = concurrent.futures.wait(
                    pending, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    yield future.result()
        except concurrent.futures.BrokenExecutor as error:
            raise UserError(
                "A folding process died, most likely for lack of memory; use fewer "
                "--workers or a smaller --max-length. What was folded is kept."
            ) from error

    def _started(self) -> concurrent.futures.ProcessPoolExecutor:
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self.workers,
                # A process that has run TensorFlow must not be forked.
                mp_context=multiprocessing.get_context("spawn"),
                initializer=end_with_parent,
            )
        return self._pool


def _tasks(sequences: Iterable[str]) -> Iterator[list[str]]:
    task, nt = [], 0
    for sequence in sequences:
        task.append(sequence)
        nt += len(sequence)
        if nt >= _NT_PER_TASK:
            yield task
            task, nt = [], 0
    if task:
        yield task


def _fold_task(
    sequences: list[str], settings: FoldSettings, span: int | None
) -> dict[str, str]:
    if span is None:
        return {sequence: fold(sequence, settings)[0] for sequence in sequences}
    return {sequence: local_fold(sequence, span, settings) for sequence in sequences}
