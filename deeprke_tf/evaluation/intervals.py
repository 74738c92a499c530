"""Confidence intervals of AUROC and other measures: bootstrap, Hanley-McNeil.

The bootstrap counts sites instead of moving them. A resample is a row of counts: how
many bound and how many background sites it has at each distinct probability, from the
highest to the lowest (its rank). All measures of `deeprke_tf.evaluation.metrics` follow
from sums over such rows.
"""

import numpy as np

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
      background: The same of the background sites.
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
      seed: Of the draws.
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
      spread: Factor of the standard error.
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
