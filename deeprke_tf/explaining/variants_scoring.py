"""Scores both alleles of variants: each distinct window is folded and scored once."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.variants_alleles import Change, Pair, Reason, pairs
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site, SkippedSite, clean_site
from deeprke_tf.rna.structure import all_loop_contexts
from deeprke_tf.runs.run import Run

# Folded and scored together: enough to keep all cores busy, and few enough to hold.
WINDOWS_AT_ONCE = 4_096


class Effect(NamedTuple):
    """What an allele does to a window; of an ensemble, means over its members.

    Attributes:
      before: Letters of the window before the variant.
      probability_ref: Of the window with the reference allele.
      probability_alt: With the alternative allele.
      log_odds_ref: Natural logarithm of the odds, from the network itself, so that it
        never saturates.
      log_odds_alt: The same with the alternative allele.
      delta_sd: Sample standard deviation of the difference of the log odds over the
        members; NaN for a single training.
    """

    before: int
    probability_ref: float
    probability_alt: float
    log_odds_ref: float
    log_odds_alt: float
    delta_sd: float

    @property
    def delta(self) -> float:
        """Log odds of the alternative allele less those of the reference."""
        return self.log_odds_alt - self.log_odds_ref


class Scored(NamedTuple):
    """All windows of one allele on one RNA.

    Attributes:
      effect: Of the window with the variant in the middle; None: it has no score.
      every: Of every window that covers the variant; empty unless asked for.
      reason: Why the middle window has no score; may be empty.
    """

    effect: Effect | None
    every: list[Effect]
    reason: str = ""


class AlleleScorer:
    """Scores pairs of windows.

    Args:
      run: The model.
      pool: Folds windows; None for a model that does not read structure.
      window: Length of a window, in nucleotides.
      batch_size: Windows that the network scores at once.
      every: Whether to score every window that covers a variant.
    """

    def __init__(
        self,
        run: Run,
        pool: FoldingPool | None,
        window: int,
        batch_size: int,
        every: bool = False,
    ):
        self._score, self._pool = LogOdds(run, batch_size), pool
        self._window, self._every = window, every

    def score(self, changes: Iterable[Change]) -> Iterator[Scored]:
        """Yields the effect of each change, in order, in constant memory."""
        cut = (list(pairs(one, self._window, self._every)) for one in changes)
        for some in _batches(cut):
            windows = {
                letters: clean_site("", 0, letters, k=self._score.run.encoding.k)
                for change in some
                for pair in change
                for letters in (pair.ref, pair.alt)
            }
            effects = _Effects(windows, self._log_odds(windows.values()))
            for change in some:
                yield effects.of(change)

    def _log_odds(self, windows: Iterable[Site | SkippedSite]) -> dict[str, np.ndarray]:
        """Returns the log odds by each member, float64 [n_members], by sequence."""
        sites = {one.sequence: one for one in windows if isinstance(one, Site)}
        structures = self._pool.structures_of([*sites.values()]) if self._pool else []
        each = self._score([*sites], all_loop_contexts(structures))
        return dict(zip(sites, each.T, strict=True))


class _Effects:
    """Effects from the scores of a batch.

    Args:
      windows: The site of each window's letters, or why there is none.
      log_odds: Of each site, by each member.
    """

    def __init__(
        self,
        windows: dict[str, Site | SkippedSite],
        log_odds: dict[str, np.ndarray],
    ):
        self._windows, self._log_odds = windows, log_odds

    def of(self, change: list[Pair]) -> Scored:
        """Returns the scores of a change's windows, the middle one first."""
        middle, *every = change
        for letters in (middle.ref, middle.alt):
            site = self._windows[letters]
            if isinstance(site, SkippedSite):
                return Scored(None, [], f"{Reason.WINDOW}: {site.reason}")
        found = [self._effect(pair) for pair in every]
        return Scored(self._effect(middle), [one for one in found if one])

    def _effect(self, pair: Pair) -> Effect | None:
        ref, alt = self._windows[pair.ref], self._windows[pair.alt]
        if isinstance(ref, SkippedSite) or isinstance(alt, SkippedSite):
            return None
        of_ref, of_alt = self._log_odds[ref.sequence], self._log_odds[alt.sequence]
        deltas = of_alt - of_ref
        return Effect(
            pair.before,
            float(expit(of_ref).mean()),
            float(expit(of_alt).mean()),
            float(of_ref.mean()),
            float(of_alt.mean()),
            float(deltas.std(ddof=1)) if len(deltas) > 1 else float("nan"),
        )


def _batches(changes: Iterator[list[Pair]]) -> Iterator[list[list[Pair]]]:
    """Groups changes so that a group just reaches the number of windows held at once.

    Every change has as many windows as the first one, or a few more or less.
    """
    stream = iter(changes)
    for first in stream:
        n = max(1, WINDOWS_AT_ONCE // (2 * len(first)))
        yield [first, *itertools.islice(stream, n - 1)]
