"""Thresholds that keep a promise.

A site is called bound where probability >= threshold. Of the sites called,

    precision  fraction that is bound
    FDR        false discovery rate: 1 - precision
    recall     of the bound sites, the fraction called

Precision and FDR depend on the prior, the share of bound sites among those looked at:
in a transcript it is far smaller than in a dataset of four background sites for a bound
one. Where a prior is given, background sites weigh as if they occurred in its ratio;
the smaller it is, the fewer of them settle the FDR, and the more chance has a part.
Only the order of sites counts: raw and calibrated probabilities do alike, as long as a
threshold is used on the kind that it was chosen on.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.evaluation.metrics import CONFIDENCE

# What is equal on paper may differ by rounding.
_TOLERANCE = 1e-12


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A threshold, and what its calls are expected to be worth.

    Attributes:
      name: What it was chosen for, as "fdr 0.05".
      value: Sites with at least this probability are called bound.
      precision: At the class ratio of the sites it was chosen on, or at the prior.
      recall: On the sites it was chosen on.
      n_false: Background sites that it calls, of those it was chosen on.
      n_background: All background sites of those.
      least_precision: What the precision is above with 95 % confidence, for the few
        background sites that it rests on; this leaves out that the threshold was chosen
        on the same sites.
    """

    name: str
    value: float
    precision: float
    recall: float
    n_false: int = dataclasses.field(repr=False)
    n_background: int = dataclasses.field(repr=False)
    least_precision: float = dataclasses.field(repr=False)


def threshold_at_fdr(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    fdr: float,
    prior: float | None = None,
) -> Threshold:
    """Returns the smallest threshold whose calls have at most this FDR.

    As those of `metrics.best_threshold`, thresholds lie midway between neighboring
    probabilities.

    >>> threshold_at_fdr([0, 1, 1, 0, 1], [0.125, 0.25, 0.5, 0.75, 1], fdr=0.25)
    Threshold(name='fdr 0.25', value=0.1875, precision=0.75, recall=1.0)

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      fdr: In [0, 1].
      prior: Share of bound sites to expect; that of the labels if None.

    Raises:
      UserError: No threshold has so small an FDR, only one class is present, or a
        setting is out of range.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    _check_fraction("FDR", fdr)
    return _loosest(
        f"fdr {fdr:g}",
        _curve(labels, probabilities, prior),
        fdr,
        prior,
        lambda lowest: f"an FDR of at most {fdr:g}; the lowest is {lowest:.4g}",
    )


def threshold_at_precision(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    precision: float,
    prior: float | None = None,
) -> Threshold:
    """Returns the smallest threshold whose calls have at least this precision.

    >>> threshold_at_precision([0, 1, 0, 1], [0.125, 0.25, 0.5, 0.75], precision=0.9)
    Threshold(name='precision 0.9', value=0.625, precision=1.0, recall=0.5)

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      precision: In [0, 1].
      prior: Share of bound sites to expect; that of the labels if None.

    Raises:
      UserError: No threshold has so high a precision, only one class is present, or a
        setting is out of range.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    _check_fraction("precision", precision)
    return _loosest(
        f"precision {precision:g}",
        _curve(labels, probabilities, prior),
        1 - precision,
        prior,
        lambda lowest: (
            f"a precision of at least {precision:g}; the highest is {1 - lowest:.4g}"
        ),
    )


def threshold_at_recall(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    recall: float,
    prior: float | None = None,
) -> Threshold:
    """Returns the largest threshold whose calls have at least this recall.

    >>> threshold_at_recall([0, 1, 0, 1], [0.125, 0.25, 0.5, 0.75], recall=0.4)
    Threshold(name='recall 0.4', value=0.625, precision=1.0, recall=0.5)

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      recall: In [0, 1].
      prior: Share of bound sites to expect, for the precision; that of the labels if
        None.

    Raises:
      UserError: Only one class is present, or a setting is out of range.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    _check_fraction("recall", recall)
    curve = _curve(labels, probabilities, prior)
    reached = np.flatnonzero(curve.recall >= recall - _TOLERANCE)
    return _threshold(f"recall {recall:g}", curve, reached[-1])


@dataclasses.dataclass(frozen=True)
class _Curve:
    """What each distinct set of calls is worth, all float64 [n_distinct].

    Attributes:
      thresholds: Ascending; the first calls all sites, the last at least one.
      fdr: At the prior.
      precision: 1 - fdr.
      recall: Falling from 1.
      n_true: Bound sites called.
      n_false: Background sites called.
      weight: How often each background site counts, for the prior.
    """

    thresholds: np.ndarray
    fdr: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    n_true: np.ndarray
    n_false: np.ndarray
    weight: float


def _curve(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, prior: float | None
) -> _Curve:
    labels, probabilities = metrics.checked_sites(labels, probabilities)
    metrics.require_both_classes(labels, "FDR, precision and recall")
    distinct, ranks = np.unique(probabilities, return_inverse=True)
    n_bound = np.bincount(ranks, weights=labels)
    n_background = np.bincount(ranks) - n_bound
    # At [i]: the sites called if the i lowest distinct probabilities are not.
    true_positive = np.cumsum(n_bound[::-1])[::-1]
    false_positive = np.cumsum(n_background[::-1])[::-1]
    weight = metrics.background_weight(labels, prior)
    weighted = weight * false_positive
    lower = np.append(0.0, distinct[:-1])
    midway = (lower + distinct) / 2
    return _Curve(
        # There is no number between 0 and 0, nor between two neighboring floats.
        thresholds=np.where(midway > lower, midway, distinct),
        fdr=weighted / (weighted + true_positive),
        precision=true_positive / (weighted + true_positive),
        recall=true_positive / true_positive[0],
        n_true=true_positive,
        n_false=false_positive,
        weight=weight,
    )


def _threshold(name: str, curve: _Curve, index: int) -> Threshold:
    return Threshold(
        name,
        value=float(curve.thresholds[index]),
        precision=float(curve.precision[index]),
        recall=float(curve.recall[index]),
        n_false=int(curve.n_false[index]),
        # The first threshold calls all.
        n_background=int(curve.n_false[0]),
        least_precision=_least_precision(curve, index),
    )


def _least_precision(curve: _Curve, index: int) -> float:
    """Returns the precision at the largest rate of false calls that is likely."""
    n_background = int(curve.n_false[0])
    rate = largest_rate(int(curve.n_false[index]), n_background)
    n_true = curve.n_true[index]
    return float(n_true / (n_true + curve.weight * n_background * rate))


def largest_rate(n_false: int, n_background: int) -> float:
    """Returns the largest rate of false calls that is likely, with 95 % confidence.

    It is the upper limit of Clopper and Pearson, one-sided.

    >>> round(largest_rate(0, 200), 3)  # about 3 / 200
    0.015

    Args:
      n_false: Background sites called.
      n_background: Background sites, at least 1.
    """
    from scipy import special

    if n_false >= n_background:
        return 1.0
    return float(special.betaincinv(n_false + 1, n_background - n_false, CONFIDENCE))


def _loosest(
    name: str,
    curve: _Curve,
    fdr: float,
    prior: float | None,
    refusal: Callable[[float], str],
) -> Threshold:
    """Returns the smallest threshold of at most this FDR.

    Args:
      name: Of the threshold.
      curve: What thresholds are worth, at the prior.
      fdr: In [0, 1].
      prior: For the error.
      refusal: From the lowest FDR to what no threshold has, for the error.

    Raises:
      UserError: There is none; it says where most sites are called at the lowest FDR.
    """
    reached = np.flatnonzero(curve.fdr <= fdr + _TOLERANCE)
    if len(reached):
        return _threshold(name, curve, reached[0])
    lowest = float(curve.fdr.min())
    best = _threshold("", curve, np.flatnonzero(curve.fdr <= lowest + _TOLERANCE)[0])
    at_prior = "" if prior is None else f" and prior {prior:g}"
    raise UserError(
        f"No threshold has {refusal(lowest)}, at threshold {best.value:.4g}{at_prior} "
        f"with a recall of {best.recall:.4g}."
    )


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"{name} must be in [0, 1], got {value}; write 0.05 for 5 %.")
