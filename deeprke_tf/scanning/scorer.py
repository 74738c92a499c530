"""Scores RNAs of any length, window by window, as prediction would score each alone."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite, clean_site
from deeprke_tf.runs import predictions, scorer
from deeprke_tf.runs import run as runs
from deeprke_tf.scanning.store import ScoredRna
from deeprke_tf.scanning.windows import Tiling

# Folded and scored together: enough to keep all cores busy, and few enough to hold.
_WINDOWS_AT_ONCE = 2_048

ScoreWindows: TypeAlias = Callable[[list[Site]], np.ndarray]


def score_rnas(
    run: runs.Run,
    rnas: Iterable[Rna | SkippedSite],
    tiling: Tiling,
    pool: FoldingPool,
    batch_size: int,
    on_scored: Callable[[int], object],
) -> Iterator[list[ScoredRna | SkippedSite]]:
    """Scores RNAs as they come, in batches that depend on nothing but the RNAs.

    Who stores whole batches can go on with the RNA after the last of them, and gets the
    same numbers to the last bit: networks round differently in batches of other shape.

    Args:
      run: The model.
      rnas: From `fasta.read_rnas`.
      tiling: Where the windows lie.
      pool: Folds them; not used for a model without structure.
      batch_size: Windows that the network sees at once.
      on_scored: Called with the number of nucleotides just scored.

    Yields:
      Some RNAs in order; one alone if it has many windows.
    """
    score = scorer.scorer(run.model)

    def score_windows(windows: list[Site]) -> np.ndarray:
        encoded = predictions.encode_sites(run, windows, pool)
        return scorer.score_sites(score, encoded, batch_size)

    for batch in _batches(rnas, tiling):
        usable = [rna for rna in batch if isinstance(rna, Rna)]
        windows = itertools.chain.from_iterable(
            cut(rna, tiling, run.encoding.k) for rna in usable
        )
        scored = _score_batch(usable, windows, tiling, score_windows, on_scored)
        # Skipped RNAs keep their place.
        yield [rna if isinstance(rna, SkippedSite) else next(scored) for rna in batch]


def _batches(
    rnas: Iterable[Rna | SkippedSite], tiling: Tiling
) -> Iterator[list[Rna | SkippedSite]]:
    """Groups RNAs so that a group just reaches the number of windows held at once."""
    batch: list[Rna | SkippedSite] = []
    n_windows = 0
    for rna in rnas:
        batch.append(rna)
        if isinstance(rna, Rna):
            n_windows += len(tiling.place(len(rna.sequence))[0])
        if n_windows >= _WINDOWS_AT_ONCE or len(batch) >= _WINDOWS_AT_ONCE:
            yield batch
            batch, n_windows = [], 0
    if batch:
        yield batch


def _score_batch(
    rnas: list[Rna],
    windows: Iterator[Site | SkippedSite],
    tiling: Tiling,
    score_windows: ScoreWindows,
    on_scored: Callable[[int], object],
) -> Iterator[ScoredRna]:
    """Yields RNAs scored, from the windows of all of them in order."""
    scored = _scored_windows(windows, score_windows)
    for rna in rnas:
        probabilities, reasons = [], {}
        starts, ends = tiling.place(len(rna.sequence))
        n_new = np.diff(ends, prepend=0).tolist()
        for i, (probability, reason) in enumerate(
            itertools.islice(scored, len(starts))
        ):
            probabilities.append(probability)
            if reason:
                reasons[i] = reason
            on_scored(n_new[i])
        values = np.array(probabilities, np.float32)
        yield ScoredRna(rna.name, rna.row, len(rna.sequence), values, reasons)


def cut(rna: Rna, tiling: Tiling, k: int) -> Iterator[Site | SkippedSite]:
    """Yields the windows of an RNA as sites, or why one is none.

    A window begins and ends with a known letter, as sites of training do; what N it had
    there is still part of its place.

    >>> rna = Rna("rna", 1, "ACGUACNNNNNNNNN")
    >>> [type(window).__name__ for window in cut(rna, Tiling(8, 7), k=3)]
    ['Site', 'SkippedSite']

    Args:
      rna: An RNA.
      tiling: Where the windows lie.
      k: Length of the k-mers.
    """
    starts, ends = tiling.place(len(rna.sequence))
    pairs = zip(starts.tolist(), ends.tolist(), strict=True)
    for i, (start, end) in enumerate(pairs, start=1):
        yield clean_site(rna.name, i, rna.sequence[start:end], k=k)


def _scored_windows(
    windows: Iterator[Site | SkippedSite], score_windows: ScoreWindows
) -> Iterator[tuple[float, str]]:
    """Yields the probability of each window, or NaN and why it has none."""
    while some := list(itertools.islice(windows, _WINDOWS_AT_ONCE)):
        usable = [window for window in some if isinstance(window, Site)]
        probabilities = iter(score_windows(usable))
        for window in some:
            if isinstance(window, SkippedSite):
                yield np.nan, window.reason
            else:
                yield float(next(probabilities)), ""
