"""Scores RNAs of any length, each window as `predict` scores it alone."""

import collections
import contextlib
import functools
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite, clean_site
from deeprke_tf.runs.ensemble import Scores
from deeprke_tf.runs.predictor import encode_sites
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning.shared_windows import Scored, SharedWindows, shared_windows
from deeprke_tf.scanning.store import ScoredRna
from deeprke_tf.scanning.windows import Tiling

logger = logging.getLogger(__name__)

# Folded and scored together: enough to keep all cores busy, and few enough to hold.
WINDOWS_AT_ONCE = 2_048
# Of so many, for those that cannot be scored together TensorFlow need not be loaded.
_FEW_LEFT = WINDOWS_AT_ONCE // 4

Batch = list[Rna | SkippedSite]


class WindowScorer:
    """Scores the windows of RNAs. A context manager.

    Args:
      run: The model.
      tiling: Where the windows lie.
      batch_size: Windows that the network scores at once.
      pool: Folds windows; None for a model that does not read structure.
      workers: Processes that score windows together; all cores if None.
    """

    def __init__(
        self,
        run: Run,
        tiling: Tiling,
        batch_size: int,
        pool: FoldingPool | None = None,
        workers: int | None = None,
    ):
        self.run, self.tiling, self.batch_size = run, tiling, batch_size
        self.pool, self._workers = pool, workers
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> "WindowScorer":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing.close()

    @functools.cached_property
    def shared(self) -> SharedWindows | None:
        """Scores windows together; None: the model does not allow it."""
        shared = shared_windows(self.run, self.tiling, self._workers)
        if shared:
            logger.debug("probabilities by NumPy, where windows are scored together")
        return self._closing.enter_context(shared) if shared else None

    def score(
        self,
        rnas: Iterable[Rna | SkippedSite],
        on_scored: Callable[[int], object],
        few: bool = False,
    ) -> Iterator[list[ScoredRna | SkippedSite]]:
        """Scores a stream of RNAs, in batches that depend on the RNAs only.

        A scan that stores whole batches can resume after the last one and gets the same
        numbers to the last bit: networks round differently in batches of another shape.

        Args:
          rnas: From `fasta.read_rnas`.
          on_scored: Called with the number of nucleotides just scored.
          few: Whether so little is to be scored that TensorFlow and processes take
            longer to start than they save.

        Yields:
          Some RNAs in order; one alone if it has many windows.
        """
        compiled = functools.cache(
            lambda few: self.run.scorer(self.batch_size, calibrate=False, few=few)
        )
        for batch, known in self._started(_batches(rnas, self.tiling), few):
            usable = [rna for rna in batch if isinstance(rna, Rna)]
            n_left = sum(int(np.isnan(of_rna[0]).sum()) for of_rna in known)
            by_onnx = few or (self.shared is not None and n_left <= _FEW_LEFT)
            windows = (
                cut(rna, self.tiling, self.run.encoding.k, which=np.isnan(of_rna[0]))
                for rna, of_rna in zip(usable, known, strict=True)
            )
            rows = self._alone(
                itertools.chain.from_iterable(windows),
                functools.partial(compiled, by_onnx),
            )
            each = iter(known)
            # Skipped RNAs keep their place.
            yield [
                rna
                if isinstance(rna, SkippedSite)
                else _scored(rna, self.tiling, *next(each), rows, on_scored)
                for rna in batch
            ]

    def _started(
        self, batches: Iterable[Batch], few: bool
    ) -> Iterator[tuple[Batch, Scored]]:
        """Yields batches with the scores of windows that were scored together."""
        ahead: collections.deque[tuple[Batch, int, Callable[[], Scored]]]
        ahead = collections.deque()
        n_ahead = 0
        for batch in batches:
            usable = [rna for rna in batch if isinstance(rna, Rna)]
            if self.shared is None:
                yield batch, _nothing_of(usable, self.tiling)
                continue
            n_windows = sum(_n_windows(rna, self.tiling) for rna in usable)
            ahead.append((batch, n_windows, self.shared.start(usable, few)))
            n_ahead += n_windows
            # While the scores of a batch are taken, processes have the next.
            while n_ahead >= max(2 * WINDOWS_AT_ONCE, self.shared.n_ahead):
                earliest, n_windows, scores = ahead.popleft()
                n_ahead -= n_windows
                yield earliest, scores()
        for batch, _n_windows_of_it, scores in ahead:
            yield batch, scores()

    def _alone(
        self,
        windows: Iterator[Site | SkippedSite],
        compiled: Callable[[], Callable[..., Scores]],
    ) -> Iterator[tuple]:
        """Yields probability, standard deviation and why there is none."""
        while some := list(itertools.islice(windows, WINDOWS_AT_ONCE)):
            usable = [window for window in some if isinstance(window, Site)]
            scores = compiled()(encode_sites(self.run, usable, self.pool))
            rows = iter(zip(scores.probability, scores.probability_sd, strict=True))
            for window in some:
                if isinstance(window, SkippedSite):
                    yield np.nan, np.nan, window.reason
                else:
                    yield *next(rows), ""


def _n_windows(rna: Rna, tiling: Tiling) -> int:
    return len(tiling.place(len(rna.sequence))[0])


def _nothing_of(rnas: Sequence[Rna], tiling: Tiling) -> Scored:
    """Returns NaN for the windows of each RNA."""
    sizes = [_n_windows(rna, tiling) for rna in rnas]
    return [(np.full(size, np.nan), np.full(size, np.nan)) for size in sizes]


def _batches(rnas: Iterable[Rna | SkippedSite], tiling: Tiling) -> Iterator[Batch]:
    """Groups RNAs so that a group just reaches the number of windows held at once."""
    batch: Batch = []
    n_windows = 0
    for rna in rnas:
        batch.append(rna)
        if isinstance(rna, Rna):
            n_windows += _n_windows(rna, tiling)
        if n_windows >= WINDOWS_AT_ONCE or len(batch) >= WINDOWS_AT_ONCE:
            yield batch
            batch, n_windows = [], 0
    if batch:
        yield batch


def _scored(
    rna: Rna,
    tiling: Tiling,
    probabilities: np.ndarray,
    sds: np.ndarray,
    rows: Iterator[tuple],
    on_scored: Callable[[int], object],
) -> ScoredRna:
    """Takes the scores of those windows of an RNA that have none."""
    _starts, ends = tiling.place(len(rna.sequence))
    n_new = np.diff(ends, prepend=0)
    unknown = np.isnan(probabilities)
    on_scored(int(n_new[~unknown].sum()))
    reasons = {}
    for i in np.flatnonzero(unknown).tolist():
        probabilities[i], sds[i], reason = next(rows)
        if reason:
            reasons[i] = reason
        on_scored(int(n_new[i]))
    return ScoredRna(
        *(rna.name, rna.row, len(rna.sequence)),
        probabilities=probabilities.astype(np.float32),
        reasons=reasons,
        probability_sds=sds.astype(np.float32),
    )


def cut(
    rna: Rna, tiling: Tiling, k: int, which: np.ndarray | None = None
) -> Iterator[Site | SkippedSite]:
    """Yields the windows of an RNA as sites, or why a window is not usable.

    N at the ends of a window are dropped, as at the ends of training sites; the window
    keeps its place.

    >>> rna = Rna("rna", 1, "ACGUACNNNNNNNNN")
    >>> [type(window).__name__ for window in cut(rna, Tiling(8, 7), k=3)]
    ['Site', 'SkippedSite']

    Args:
      rna: An RNA.
      tiling: Where the windows lie.
      k: Length of the k-mers.
      which: Windows to yield, bool [n_windows]; None: all.
    """
    starts, ends = tiling.place(len(rna.sequence))
    chosen = np.arange(len(starts)) if which is None else np.flatnonzero(which)
    for i in chosen.tolist():
        yield clean_site(rna.name, i + 1, rna.sequence[starts[i] : ends[i]], k=k)
