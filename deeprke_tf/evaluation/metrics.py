"""Measures of binary predictions: is a site bound by the RBP?

A label is 1 for a bound and 0 for a background site; a probability is the model's, in
[0, 1]. Given a threshold, a site is called bound where probability >= threshold.

    AUROC     area under the receiver operating characteristic: probability that a
              bound site scores above a background site; ties count half
    AUPRC     area under the precision-recall curve, as average precision
    accuracy  fraction of correct calls
    MCC       Matthews correlation coefficient of calls and labels, in [-1, 1]; 0 where
              all calls are the same
    F1        harmonic mean of precision and recall; 0 where no bound site is called
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from deeprke_tf.evaluation import intervals
from deeprke_tf.evaluation.checks import (
    background_weight,
    checked_sites,
    require_both_classes,
)

MEASURES = ("auroc", "auprc", "accuracy", "mcc", "f1")

CONFIDENCE = 0.95  # of an interval, by default

# Sites of each class that an interval needs: the bootstrap of fewer is far too narrow,
# and for perfect calls always 1 to 1.
MIN_SITES_FOR_INTERVAL = 10


def auroc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Returns the area under the ROC curve.

    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].

    Raises:
      UserError: Only one class is present.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    return _area("roc_auc_score", "AUROC", labels, probabilities)


def auprc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Returns the area under the precision-recall curve, as average precision.

    At chance level it is the fraction of bound sites. Arguments and errors are the same
    as for `auroc`.

    >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    return _area("average_precision_score", "AUPRC", labels, probabilities)


def _area(
    name: str, measure: str, labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> float:
    """Returns a measure of scikit-learn, for checked sites of both classes."""
    from sklearn import metrics  # takes a second, and predictions do without it

    labels, probabilities = checked_sites(labels, probabilities)
    require_both_classes(labels, measure)
    return float(getattr(metrics, name)(labels, probabilities))


def best_threshold(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, prior: float | None = None
) -> float:
    """Returns the threshold with the largest MCC; among equals, the nearest to 0.5.

    MCC, because there are about four background sites for a bound one: accuracy would
    be 0.8 for calling every site background, and F1 ignores the true negatives.

    Thresholds lie midway between two neighboring probabilities, so that rounding to
    float32 does not change the calls; below the lowest probability, midway to 0, and
    above the highest, midway to 1. Choose a threshold on validation sites, not on test
    sites.

    >>> best_threshold([0, 0, 1, 1], [0.125, 0.25, 0.75, 0.875])
    0.5

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      prior: Fraction of bound sites to expect; that of the labels if None.

    Raises:
      UserError: Only one class is present, or the prior is not between 0 and 1.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = checked_sites(labels, probabilities)
    require_both_classes(labels, "MCC")
    weight = background_weight(labels, prior)
    order = np.argsort(probabilities)
    # At [i]: the bound sites among the i lowest probabilities.
    n_bound = np.concatenate([[0], np.cumsum(labels[order])])
    edges = np.unique(np.concatenate([[0.0], probabilities, [1.0]]))
    thresholds = (edges[:-1] + edges[1:]) / 2
    n_below = np.searchsorted(probabilities[order], thresholds)
    false_negative = n_bound[n_below]
    true_positive = n_bound[-1] - false_negative
    false_positive = weight * (len(labels) - n_below - true_positive)
    true_negative = weight * (n_below - false_negative)
    mcc = intervals.mcc_of(true_positive, false_positive, true_negative, false_negative)
    # Equal MCCs of different calls may differ by rounding.
    equals = thresholds[mcc >= mcc.max() - 1e-12]
    return float(equals[np.argmin(np.abs(equals - 0.5))])


def evaluate_probabilities(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """Computes all measures, with intervals of a stratified percentile bootstrap.

    An interval shows how much a measure would vary over other such sites, not over
    other trainings.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      threshold: Sites with at least this probability are called bound.
      n_bootstrap: Number of resamples.
      seed: Seed of the resampling.
      confidence: Confidence level of the intervals, in (0, 1).

    Returns:
      A dict of plain numbers, ready for JSON: `n_sites`, `n_positive`, `threshold`; the
      measures `auroc`, `auprc`, `accuracy`, `mcc` and `f1`, each with its interval
      [low, high] (`auroc_ci`, ...); `confusion` with the counts `true_positive`,
      `false_positive`, `true_negative` and `false_negative`; `n_bootstrap`,
      `bootstrap_seed` and `confidence`. With fewer than 10 sites of a class, all
      intervals are None and a `note` says so; without any, all measures but the
      accuracy are None, too.

    Raises:
      ValueError: There are no sites, the arguments are not labels and probabilities of
        the same sites, or a setting is out of range.
    """
    labels, probabilities = checked_sites(labels, probabilities)
    _check_settings(threshold, n_bootstrap, confidence)
    # Equal probabilities share a rank; rank 0 is the highest probability.
    negated, ranks = np.unique(-probabilities, return_inverse=True)
    n_called = int(np.searchsorted(negated, -threshold, side="right"))
    bound = np.bincount(ranks[labels == 1], minlength=len(negated))[np.newaxis]
    background = np.bincount(ranks[labels == 0], minlength=len(negated))[np.newaxis]
    values = intervals.measures_of(bound, background, n_called)
    note = _few_sites_note(labels)
    measured: dict[str, Any] = {
        "n_sites": len(labels),
        "n_positive": int(labels.sum()),
        "threshold": float(threshold),
    }
    for name in MEASURES:
        measured[name] = float(values[name][0]) if name in values else None
        measured[f"{name}_ci"] = None
    if not note:
        resamples = intervals.bootstrap(labels, ranks, n_called, n_bootstrap, seed)
        for name, resampled in resamples.items():
            measured[f"{name}_ci"] = intervals.percentile(resampled, confidence)
    confusion = intervals.confusion_of(bound, background, n_called)
    measured |= {
        "confusion": {name: int(count[0]) for name, count in confusion.items()},
        "n_bootstrap": n_bootstrap,
        "bootstrap_seed": seed,
        "confidence": confidence,
    }
    return measured | ({"note": note} if note else {})


def _few_sites_note(labels: np.ndarray) -> str:
    """Returns a note for too few sites of a class; empty if there are enough."""
    n_bound = int(labels.sum())
    n_background = len(labels) - n_bound
    counts = f"{n_bound} bound and {n_background} background"
    if not min(n_bound, n_background):
        return (
            "AUROC, AUPRC, MCC and F1 need bound and background sites, got "
            f"{counts}; the measures have no intervals."
        )
    if min(n_bound, n_background) < MIN_SITES_FOR_INTERVAL:
        return (
            f"only {counts} sites: with fewer than {MIN_SITES_FOR_INTERVAL} of a class "
            "the measures may be far off, and have no intervals."
        )
    return ""


def _check_settings(threshold: float, n_bootstrap: int, confidence: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(f"`threshold` must be in [0, 1], got {threshold}.")
    if n_bootstrap < 1:
        raise ValueError(f"`n_bootstrap` must be at least 1, got {n_bootstrap}.")
    if not 0 < confidence < 1:
        raise ValueError(f"`confidence` must be in (0, 1), got {confidence}.")
