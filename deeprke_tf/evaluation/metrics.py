"""Exact measures of binary predictions: is a site bound by the RBP?

A label is 1 for a bound and 0 for a background site; a probability is the model's, in
[0, 1]. Given a threshold, a site is called bound where probability >= threshold.

    AUROC     area under the receiver operating characteristic: how often a bound site
              has a higher probability than a background site, ties counted half
    AUPRC     area under the precision-recall curve, as average precision
    accuracy  fraction of right calls
    MCC       Matthews correlation coefficient of calls and labels, in [-1, 1]; 0 where
              all calls are the same
    F1        harmonic mean of precision and recall; 0 where no bound site is called
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import intervals
from deeprke_tf.evaluation.calibration import checked_prior, odds

MEASURES = ("auroc", "auprc", "accuracy", "mcc", "f1")

CONFIDENCE = 0.95  # of an interval, where nothing else is asked for


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
    labels, probabilities = checked_sites(labels, probabilities)
    require_both_classes(labels, "AUROC")
    return float(sklearn_metrics.roc_auc_score(labels, probabilities))


def auprc(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Returns the area under the precision-recall curve, as average precision.

    A random order has the fraction of bound sites as its AUPRC.

    >>> round(auprc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].

    Raises:
      UserError: Only one class is present.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = checked_sites(labels, probabilities)
    require_both_classes(labels, "AUPRC")
    return float(sklearn_metrics.average_precision_score(labels, probabilities))


def best_threshold(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, prior: float | None = None
) -> float:
    """Returns the threshold whose calls have the largest MCC; of equals, nearest 0.5.

    MCC, because there are about four background sites for a bound one: accuracy would
    be 0.8 for calling every site background, and F1 does not see the true negatives.

    The threshold lies midway between two neighboring probabilities, so that rounding
    to float32 does not change the calls; below the lowest probability, midway to 0,
    and above the highest, midway to 1. Choose it on validation sites, not on test
    sites.

    >>> best_threshold([0, 0, 1, 1], [0.125, 0.25, 0.75, 0.875])
    0.5

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      prior: Share of bound sites to expect; that of the labels if None.

    Raises:
      UserError: Only one class is present, or the prior is no share.
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


def background_weight(labels: np.ndarray, prior: float | None) -> float:
    """Returns how often each background site counts, for the bound ones to be a share.

    >>> background_weight(np.array([1, 0]), prior=0.2)
    4.0

    Args:
      labels: 1 bound, 0 background, both present, [n_sites].
      prior: The share; None: that of the labels.

    Raises:
      UserError: The prior is not between 0 and 1.
    """
    if prior is None:
        return 1.0
    return odds(float(labels.mean())) / odds(checked_prior(prior))


def evaluate_probabilities(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    threshold: float,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    confidence: float = CONFIDENCE,
) -> dict[str, Any]:
    """Measures predictions, with bootstrap intervals.

    A resample draws as many bound sites from the bound ones, and as many background
    sites from the background ones, with replacement; an interval lies between the
    percentiles of the resamples. It tells how much the measure would vary over other
    such sites, not over other trainings.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      threshold: Sites with at least this probability are called bound.
      n_bootstrap: Number of resamples.
      seed: Of the resamples; equal seeds give equal intervals.
      confidence: Of the intervals, in (0, 1).

    Returns:
      A dict of plain numbers, ready for JSON: `n_sites`, `n_positive`, `threshold`; the
      measures `auroc`, `auprc`, `accuracy`, `mcc` and `f1`, each with its interval
      [low, high] (`auroc_ci`, ...); `confusion` with the counts `true_positive`,
      `false_positive`, `true_negative` and `false_negative`; `n_bootstrap`,
      `bootstrap_seed` and `confidence`. Where only one class is present, all measures
      but the accuracy are None, and a `note` says so.

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
    confusion = intervals.confusion_of(bound, background, n_called)
    resamples = intervals.resampled_measures(labels, ranks, n_called, n_bootstrap, seed)
    measured: dict[str, Any] = {
        "n_sites": len(labels),
        "n_positive": int(labels.sum()),
        "threshold": float(threshold),
    }
    for name in MEASURES:
        measured[name] = measured[f"{name}_ci"] = None
        if name in values:
            measured[name] = float(values[name][0])
            measured[f"{name}_ci"] = intervals.percentile_interval(
                resamples[name], confidence
            )
    measured |= {
        "confusion": {name: int(count[0]) for name, count in confusion.items()},
        "n_bootstrap": n_bootstrap,
        "bootstrap_seed": seed,
        "confidence": confidence,
    }
    if not _has_both_classes(labels):
        measured["note"] = _one_class_message("AUROC, AUPRC, MCC and F1", labels)
    return measured


def _has_both_classes(labels: np.ndarray) -> bool:
    return 0 < labels.sum() < len(labels)


def _one_class_message(measures: str, labels: np.ndarray) -> str:
    n_bound = int(labels.sum())
    return (
        f"{measures} need bound and background sites, got {n_bound} bound and "
        f"{len(labels) - n_bound} background."
    )


def require_both_classes(labels: np.ndarray, measure: str) -> None:
    """Raises a UserError, which names the measure, where a class is missing."""
    if not _has_both_classes(labels):
        raise UserError(
            _one_class_message(measure, labels) + " Give a split that has both."
        )


def checked_sites(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns int64 labels and float64 probabilities, or raises ValueError."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if labels.ndim != 1 or labels.shape != probabilities.shape:
        raise ValueError(
            "Expected one label and one probability for each site, got shapes "
            f"{labels.shape} and {probabilities.shape}."
        )
    if not len(labels):
        raise ValueError("Expected at least one site, got none.")
    strange = labels[(labels != 0) & (labels != 1)]
    if len(strange):
        raise ValueError(f"A label is 1 or 0, got {strange[0]}.")
    # Written so that NaN, which compares false, is found too.
    strange = np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)))
    if len(strange):
        raise ValueError(
            f"A probability is in [0, 1], got {probabilities[strange[0]]} at site "
            f"{strange[0]} ({len(strange)} such of {len(probabilities)})."
        )
    return labels.astype(np.int64), probabilities


def _check_settings(threshold: float, n_bootstrap: int, confidence: float) -> None:
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must be in [0, 1], got {threshold}.")
    if n_bootstrap < 1:
        raise ValueError(f"n_bootstrap must be at least 1, got {n_bootstrap}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}.")
