"""Folding of many sequences on all cores, through the cache."""

import concurrent.futures
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import require_positive
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import fold
from deeprke_tf.system import processes

# A task takes some tenths of a second: the overhead is small, and the workers finish
# together.
NT_PER_TASK = 4_000
_TASKS_AHEAD_PER_WORKER = 4
SECONDS_BETWEEN_WRITES = 2.0
_DIED = (
    "A folding process died, most likely for lack of memory; use fewer `workers` or a "
    "smaller `max_length`. What was folded is kept."
)
# Sequences to fold ahead of `fill`, which writes what is folded to the cache.
_MOST_BEGUN = 20_000
# Folding takes time with the square of the length, some second for this many squared
# nucleotides: less than it takes to start processes.
LITTLE_WORK = 2_000_000


class FoldingPool:
    """Folds sequences that the fold cache lacks, in processes of its own.

    A context manager. The cache file is opened at once; the processes start when there
    is enough to fold. A few short sequences are folded in the calling process.

    >>> with FoldingPool() as pool:
    ...     pool.structures(["GGGGAAAACCCC"])
    {'GGGGAAAACCCC': '((((....))))'}

    Args:
      settings: How to fold.
      cache: File of known folds; the user's (`fold_cache.default_path`) if None.
      workers: Processes; all cores if None.

    Attributes:
      cache: The open cache.
      workers: Number of processes.

    Raises:
      UserError: `workers` is below 1.
    """

    def __init__(
        self,
        settings: FoldSettings = FoldSettings(),
        cache: Path | None = None,
        workers: int | None = None,
    ):
        require_positive(workers=workers)
        self.workers = workers or processes.n_cores()
        self.cache = FoldCache(cache, settings)
        self._settings = settings
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None
        self._begun: set[str] = set()
        self._pending: set[concurrent.futures.Future] = set()

    def __enter__(self) -> "FoldingPool":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._pool:
            processes.shut_down(self._pool)
        # What was begun, if it could not be filled in.
        for future in self._pending:
            if not future.cancelled() and not future.exception():
                self.cache.put(future.result())
        self.cache.close()

    def stop(self) -> None:
        """Ends the processes, but does not wait for their end; the cache stays open."""
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def structures(self, sequences: Iterable[str]) -> dict[str, str]:
        """Returns the dot-bracket of each sequence, folded if the cache lacks it."""
        wanted = list(dict.fromkeys(sequences))
        known = self.cache.get(wanted)
        missing = [sequence for sequence in wanted if sequence not in known]
        if self._pool is None and sum(len(s) ** 2 for s in missing) < LITTLE_WORK:
            batches = iter([_fold_task(missing, self._settings)] if missing else [])
        else:
            batches = self._fold(missing)
        for folded in batches:
            self.cache.put(folded)
            known |= folded
        return known

    def structures_of(self, sites: Sequence[Site]) -> list[str]:
        """Returns the dot-bracket of each site: its own, or else its MFE structure."""
        folds = self.structures(
            site.sequence for site in sites if site.dot_bracket is None
        )
        return [site.dot_bracket or folds[site.sequence] for site in sites]

    def begin(self, sequences: Iterable[str]) -> None:
        """Starts to fold some of the sequences that are to be folded by `fill` later.

        They are as many as the processes have room for, so that none has to wait until
        all are known.

        Args:
          sequences: Sequences that the cache lacks.
        """
        if len(self._begun) >= _MOST_BEGUN:
            return
        n_waiting = sum(not future.done() for future in self._pending)
        room = self.workers * _TASKS_AHEAD_PER_WORKER - n_waiting
        new = dict.fromkeys(s for s in sequences if s not in self._begun)
        for task in itertools.islice(_tasks(new), room):
            self._begun.update(task)
            self._submit(task)

    def fill(
        self, sequences: Iterable[str], on_folded: Callable[[int], object]
    ) -> None:
        """Folds into the cache, holding only a few sequences at a time.

        New folds are on disk within seconds, so that a killed run can go on.

        Args:
          sequences: Distinct sequences that the cache lacks, with those of `begin`.
          on_folded: Called with the number of sequences just folded.
        """
        unwritten: dict[str, str] = {}
        written_at = time.monotonic()
        try:
            for folded in self._fold(sequences):
                unwritten |= folded
                on_folded(len(folded))
                if time.monotonic() - written_at > SECONDS_BETWEEN_WRITES:
                    self.cache.put(unwritten)
                    unwritten = {}
                    written_at = time.monotonic()
        finally:
            self.cache.put(unwritten)

    def _fold(self, sequences: Iterable[str]) -> Iterator[dict[str, str]]:
        """Yields the folds of each task when it ends."""
        begun, self._begun = self._begun, set()
        tasks = _tasks(sequence for sequence in sequences if sequence not in begun)
        while True:
            room = self.workers * _TASKS_AHEAD_PER_WORKER - len(self._pending)
            for task in itertools.islice(tasks, max(0, room)):
                self._submit(task)
            if not self._pending:
                return
            done, self._pending = concurrent.futures.wait(
                self._pending, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                with processes.death_told(_DIED):
                    folded = future.result()
                yield folded

    def _submit(self, task: list[str]) -> None:
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self.workers,
                mp_context=processes.SpawnContext(),
                initializer=processes.end_with_parent,
            )
        with processes.death_told(_DIED):
            self._pending.add(self._pool.submit(_fold_task, task, self._settings))


def _tasks(sequences: Iterable[str]) -> Iterator[list[str]]:
    task, nt = [], 0
    for sequence in sequences:
        task.append(sequence)
        nt += len(sequence)
        if nt >= NT_PER_TASK:
            yield task
            task, nt = [], 0
    if task:
        yield task


def _fold_task(sequences: list[str], settings: FoldSettings) -> dict[str, str]:
    return {sequence: fold(sequence, settings)[0] for sequence in sequences}
