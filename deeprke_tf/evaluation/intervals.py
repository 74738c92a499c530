"""Confidence intervals of AUROC, of other measures and of rates.

The bootstrap counts sites instead of moving them. A resample is a row of counts: how
many bound and how many background sites it has at each distinct probability, from the
highest to the lowest (its rank). All measures of `deeprke_tf.evaluation.metrics` follow
from sums over such rows.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

# Resamples times sites in memory at once: 4 MB for each int64 array.
_BLOCK_ENTRIES = 500_000


def weighted_areas(
    bound: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns AUROC and AUPRC, [n_rows], for weights at each distinct probability.

    Sites of equal probability are tied: AUROC counts a tied pair half, AUPRC takes the
    precision after all of them, as scikit-learn does.

    >>> bound, background = np.array([[1, 1, 0]]), np.array([[0, 1, 1]])
    >>> [area.tolist() for area in weighted_areas(bound, background)]
    [[0.875], [0.8333333333333333]]

    Args:
      bound: Weight of the bound sites at each distinct probability, from the highest
        to the lowest, [n_rows, n_distinct]; no row is all 0.
      background: Weight of the background sites, likewise.
    """
    true_positive = np.cumsum(bound, axis=1)
    called = true_positive + np.cumsum(background, axis=1)
    n_bound = true_positive[:, -1]
    n_background = called[:, -1] - n_bound
    pairs_in_order = np.sum(background * (true_positive - bound / 2), axis=1)
    # Where nothing is called yet, `bound` is 0 and the precision does not count.
    precision = true_positive / np.where(called > 0, called, 1)
    return (
        pairs_in_order / n_bound / n_background,
        np.sum(bound * precision, axis=1) / n_bound,
    )


def bootstrap(
    labels: np.ndarray, ranks: np.ndarray, n_called: int, n_bootstrap: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the measures of stratified resamples, each [n_bootstrap].

    A resample draws, with replacement, as many bound sites from the bound ones and as
    many background sites from the background ones as there are.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      ranks: Rank of the probability of each site, 0 the highest, [n_sites].
      n_called: Ranks, from 0, that are called bound.
      n_bootstrap: Number of resamples.
      seed: Seed of the resampling.
    """
    rng = np.random.default_rng(seed)
    n_ranks = int(ranks.max()) + 1
    block = max(1, _BLOCK_ENTRIES // len(labels))
    blocks = []
    for start in range(0, n_bootstrap, block):
        n_rows = min(block, n_bootstrap - start)
        bound = _resample(np.sort(ranks[labels == 1]), n_ranks, n_rows, rng)
        background = _resample(np.sort(ranks[labels == 0]), n_ranks, n_rows, rng)
        blocks.append(measures_of(bound, background, n_called))
    return {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}


def _resample(
    ranks: np.ndarray, n_ranks: int, n_rows: int, rng: np.random.Generator
) -> np.ndarray:
    """Draws as many sites as there are, and counts them by rank, [n_rows, n_ranks]."""
    drawn = ranks[rng.integers(len(ranks), size=(n_rows, len(ranks)))]
    # Each row counts in bins of its own, so that one pass counts them all.
    drawn += n_ranks * np.arange(n_rows)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_rows * n_ranks)
    return counts.reshape(n_rows, n_ranks)


def measures_of(
    bound: np.ndarray, background: np.ndarray, n_called: int
) -> dict[str, np.ndarray]:
    """Returns the measures of each row, [n_rows]; for one class, the accuracy alone.

    Args:
      bound: Number of bound sites of each rank, [n_rows, n_ranks].
      background: Number of background sites of each rank, [n_rows, n_ranks].
      n_called: Ranks, from 0, that are called bound.
    """
    confusion = confusion_of(bound, background, n_called)
    correct = confusion["true_positive"] + confusion["true_negative"]
    wrong = confusion["false_positive"] + confusion["false_negative"]
    measures = {"accuracy": correct / (correct + wrong)}
    if bound[0].any() and background[0].any():
        measures["auroc"], measures["auprc"] = weighted_areas(bound, background)
        measures["mcc"] = mcc_of(**confusion)
        doubled = 2 * confusion["true_positive"]
        measures["f1"] = doubled / (doubled + wrong)
    return measures


def confusion_of(
    bound: np.ndarray, background: np.ndarray, n_called: int
) -> dict[str, np.ndarray]:
    """Returns the confusion matrix of each row, as four counts, each [n_rows]."""
    return {
        "true_positive": bound[:, :n_called].sum(axis=1),
        "false_positive": background[:, :n_called].sum(axis=1),
        "true_negative": background[:, n_called:].sum(axis=1),
        "false_negative": bound[:, n_called:].sum(axis=1),
    }


def mcc_of(
    true_positive: np.ndarray,
    false_positive: np.ndarray,
    true_negative: np.ndarray,
    false_negative: np.ndarray,
) -> np.ndarray:
    """Returns the MCC of confusion matrices; 0 where a class or a call is missing."""
    # In float: a product of four counts of 100,000 does not fit into int64.
    tp, fp, tn, fn = np.array(
        [true_positive, false_positive, true_negative, false_negative], np.float64
    )
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    # Where the scale is 0, so is what it divides.
    return (tp * tn - fp * fn) / np.where(scale > 0, scale, 1)


def percentile(values: np.ndarray, confidence: float) -> list[float]:
    """Returns the percentile interval of resampled values, [low, high]."""
    tail = (1 - confidence) / 2
    return [float(value) for value in np.quantile(values, [tail, 1 - tail])]


def hanley_mcneil(
    auroc: float, labels: np.ndarray, confidence: float, spread: float = 1.0
) -> tuple[float, float]:
    """Returns the interval of an AUROC after Hanley and McNeil (Radiology 1982).

    The standard error is taken a little nearer to chance level, or a perfect AUROC of
    few sites would have none.

    >>> low, high = hanley_mcneil(0.8, np.repeat([0, 1], 50), confidence=0.95)
    >>> round(low, 2), round(high, 2)
    (0.71, 0.89)

    Args:
      auroc: The AUROC.
      labels: 1 bound, 0 background, [n_sites].
      confidence: In (0, 1).
      spread: Factor by which the standard error is multiplied.
    """
    from scipy import stats

    n_bound = int(labels.sum())
    n_background = len(labels) - n_bound
    fewest = min(n_bound, n_background)
    area = (max(auroc, 1 - auroc) * fewest + 1) / (fewest + 2)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (n_bound - 1) * (q1 - area**2)
        + (n_background - 1) * (q2 - area**2)
    ) / (n_bound * n_background)
    half = float(stats.norm.isf((1 - confidence) / 2) * np.sqrt(variance)) * spread
    return max(0.0, auroc - half), min(1.0, auroc + half)


class Difference(NamedTuple):
    """A difference of AUROCs and its 95 % interval."""

    mean: float
    low: float
    high: float


def delong_difference(
    labels: np.ndarray, one: Sequence[np.ndarray], other: Sequence[np.ndarray]
) -> Difference:
    """Compares two models on the same sites (DeLong et al., Biometrics 1988).

    The interval of the difference is narrower than the interval of either AUROC. It
    covers the sampling of sites, not the variance between seeds.

    >>> labels = np.array([1, 1, 1, 0, 0, 0])
    >>> better = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1])
    >>> worse = np.array([0.9, 0.2, 0.7, 0.3, 0.8, 0.1])
    >>> round(delong_difference(labels, [better], [worse]).mean, 3)
    0.333

    Args:
      labels: 1 bound, 0 background, [n_sites].
      one: Probabilities of the first model, [n_sites] for each of its seeds.
      other: Probabilities of the second model.

    Returns:
      The mean AUROC of the first model over its seeds minus that of the second one.
    """
    bound, background = (
        first - second
        for first, second in zip(
            _mean_placements(labels, one), _mean_placements(labels, other), strict=True
        )
    )
    mean = float(bound.mean())
    variance = bound.var(ddof=1) / len(bound) + background.var(ddof=1) / len(background)
    half = 1.959964 * math.sqrt(variance)
    return Difference(mean, mean - half, mean + half)


def _mean_placements(
    labels: np.ndarray, probabilities: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the placements of bound sites among background sites, and the reverse.

    The mean of either is the AUROC; ties count half.
    """
    from scipy import stats

    is_bound = np.asarray(labels, bool)
    n_bound, n_background = is_bound.sum(), (~is_bound).sum()
    bound, background = [], []
    for one in probabilities:
        ranks = stats.rankdata(one)
        above = ranks[is_bound] - stats.rankdata(one[is_bound])
        below = ranks[~is_bound] - stats.rankdata(one[~is_bound])
        bound.append(above / n_background)
        background.append(1 - below / n_bound)
    return np.mean(bound, axis=0), np.mean(background, axis=0)


def wilson_interval(
    fractions: np.ndarray, n_sites: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns low and high of the 95 % score intervals of fractions.

    >>> low, high = wilson_interval(np.array([0.5, 0.1]), [10, 10])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.2366, 0.0179], [0.7634, 0.4042])
    """
    n = np.asarray(n_sites, np.float64)
    z = 1.96
    center = (fractions + z**2 / (2 * n)) / (1 + z**2 / n)
    spread = np.sqrt(fractions * (1 - fractions) / n + (z / (2 * n)) ** 2)
    half = z * spread / (1 + z**2 / n)
    return center - half, center + half


def largest_rate(n_false: int, n_background: int) -> float:
    """Returns the upper 95 % confidence limit of the false positive rate.

    One-sided, after Clopper and Pearson.

    >>> round(largest_rate(0, 200), 3)  # about 3 / 200
    0.015

    Args:
      n_false: Background sites called.
      n_background: Background sites, at least 1.
    """
    from scipy import special

    if n_false >= n_background:
        return 1.0
    return float(special.betaincinv(n_false + 1, n_background - n_false, 0.95))
