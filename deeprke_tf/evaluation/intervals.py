"""Measures of many resamples at once, from counts of sites at each probability.

A resample is a row of counts: how many bound and how many background sites it has at
each distinct probability, from the highest to the lowest (its rank). All measures of
`deeprke_tf.evaluation.metrics` follow from sums of such rows.
"""

import numpy as np

# Resamples times sites that are held at once: 4 MB for each int64 array.
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


def resampled_measures(
    labels: np.ndarray, ranks: np.ndarray, n_called: int, n_bootstrap: int, seed: int
) -> dict[str, np.ndarray]:
    """Returns the measures of all resamples, each [n_bootstrap]."""
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
    if not len(ranks):
        return np.zeros((n_rows, n_ranks), np.int64)
    drawn = ranks[rng.integers(len(ranks), size=(n_rows, len(ranks)))]
    # Each row counts in bins of its own, so that one pass counts them all.
    drawn += n_ranks * np.arange(n_rows)[:, np.newaxis]
    counts = np.bincount(drawn.ravel(), minlength=n_rows * n_ranks)
    return counts.reshape(n_rows, n_ranks)


def measures_of(
    bound: np.ndarray, background: np.ndarray, n_called: int
) -> dict[str, np.ndarray]:
    """Returns the measures of each row, [n_rows]; of one class only the accuracy.

    Args:
      bound: Number of bound sites of each rank, [n_rows, n_ranks].
      background: Number of background sites of each rank, [n_rows, n_ranks].
      n_called: The first so many ranks are called bound.
    """
    confusion = confusion_of(bound, background, n_called)
    right = confusion["true_positive"] + confusion["true_negative"]
    wrong = confusion["false_positive"] + confusion["false_negative"]
    measures = {"accuracy": right / (right + wrong)}
    if bound[0].any() and background[0].any():
        measures["auroc"], measures["auprc"] = weighted_areas(bound, background)
        measures["mcc"] = mcc_of(**confusion)
        doubled = 2 * confusion["true_positive"]
        measures["f1"] = doubled / (doubled + wrong)
    return measures


def confusion_of(
    bound: np.ndarray, background: np.ndarray, n_called: int
) -> dict[str, np.ndarray]:
    """Returns the four counts of each row, [n_rows], if `n_called` ranks are called."""
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
    """Returns the MCC of each confusion; 0 where a class or a call does not occur."""
    # In float: a product of four counts of 100,000 does not fit into int64.
    tp, fp, tn, fn = np.array(
        [true_positive, false_positive, true_negative, false_negative], np.float64
    )
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    # Where the scale is 0, so is what it divides.
    return (tp * tn - fp * fn) / np.where(scale > 0, scale, 1)


def percentile_interval(values: np.ndarray, confidence: float) -> list[float]:
    """Returns [low, high] between which a share of `confidence` of the values lies."""
    tail = (1 - confidence) / 2
    return [float(value) for value in np.quantile(values, [tail, 1 - tail])]
