"""Decision thresholds for a target FDR, precision or recall.

A site is called bound where probability >= threshold. Then

    precision  fraction of the called sites that are bound
    FDR        false discovery rate: 1 - precision
    recall     fraction of the bound sites that are called

Precision and FDR depend on the prior, the fraction of bound sites: in a transcript it
is far smaller than in a dataset of four background sites for a bound one. With a prior,
background sites are weighted to occur in its ratio. A small prior makes the estimate
depend on few background sites, hence noisy. Only the order of sites matters: use a
threshold on the kind of probability, raw or calibrated, that it was chosen on.
"""

import dataclasses
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.checks import (
    background_weight,
    checked_sites,
    require_both_classes,
)
from deeprke_tf.evaluation.intervals import largest_rate

# At most this FDR, at least this precision or recall, in [0, 1].
Target: TypeAlias = tuple[Literal["fdr", "precision", "recall"], float]

_TOLERANCE = 1e-12  # for rounding


@dataclasses.dataclass(frozen=True)
class Threshold:
    """A threshold and its operating point.

    Attributes:
      name: The target, as "fdr 0.05".
      value: Sites with at least this probability are called bound.
      precision: At the prior, or at the class ratio of the sites.
      recall: On the sites.
      n_false: Background sites called.
      n_background: All background sites.
      least_precision: Lower 95 % confidence limit of the precision, given the number of
        background sites called; it does not account for choosing the threshold on the
        same sites.
    """

    name: str
    value: float
    precision: float
    recall: float
    n_false: int = dataclasses.field(repr=False)
    n_background: int = dataclasses.field(repr=False)
    least_precision: float = dataclasses.field(repr=False)


def threshold_for(
    target: Target,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    prior: float | None = None,
) -> Threshold:
    """Returns the largest threshold for a recall, the smallest for FDR or precision.

    Thresholds lie midway between neighboring probabilities, as in
    `metrics.best_threshold`.

    >>> threshold_for(("fdr", 0.25), [0, 1, 1, 0, 1], [0.125, 0.25, 0.5, 0.75, 1])
    Threshold(name='fdr 0.25', value=0.1875, precision=0.75, recall=1.0)
    >>> threshold_for(("recall", 0.4), [0, 1, 0, 1], [0.125, 0.25, 0.5, 0.75])
    Threshold(name='recall 0.4', value=0.625, precision=1.0, recall=0.5)

    Args:
      target: The measure, "fdr", "precision" or "recall", and its value in [0, 1].
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      prior: Fraction of bound sites to expect; their fraction of the labels if None.

    Raises:
      UserError: No threshold reaches the target, only one class is present, or a
        setting is out of range.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    measure, value = target
    if not 0 <= value <= 1:
        raise UserError(
            f"`{measure}` must be in [0, 1], got {value}; write 0.05 for 5 %."
        )
    curve = _curve(labels, probabilities, prior)
    name = f"{measure} {value:g}"
    if measure == "recall":
        reached = np.flatnonzero(curve.recall >= value - _TOLERANCE)
        return _threshold(name, curve, reached[-1])
    fdr = value if measure == "fdr" else 1 - value
    reached = np.flatnonzero(curve.fdr <= fdr + _TOLERANCE)
    if len(reached):
        return _threshold(name, curve, reached[0])
    lowest = float(curve.fdr.min())
    best = _threshold("", curve, np.flatnonzero(curve.fdr <= lowest + _TOLERANCE)[0])
    refusal = (
        f"an FDR of at most {value:g}; the lowest is {lowest:.4g}"
        if measure == "fdr"
        else f"a precision of at least {value:g}; the highest is {1 - lowest:.4g}"
    )
    at_prior = "" if prior is None else f" and prior {prior:g}"
    raise UserError(
        f"No threshold has {refusal}, at threshold {best.value:.4g}{at_prior} with a "
        f"recall of {best.recall:.4g}."
    )


@dataclasses.dataclass(frozen=True)
class _Curve:
    """Operating points of all distinct thresholds, each float64 [n_distinct].

    Attributes:
      thresholds: Ascending; the first calls all sites, the last at least one.
      fdr: At the prior.
      precision: 1 - fdr.
      recall: Descending from 1.
      n_true: Bound sites called.
      n_false: Background sites called.
      weight: Weight of a background site, from the prior.
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
    labels, probabilities = checked_sites(labels, probabilities)
    require_both_classes(labels, "FDR, precision and recall")
    distinct, ranks = np.unique(probabilities, return_inverse=True)
    n_bound = np.bincount(ranks, weights=labels)
    n_background = np.bincount(ranks) - n_bound
    # At [i]: the sites called if the i lowest distinct probabilities are not.
    true_positive = np.cumsum(n_bound[::-1])[::-1]
    false_positive = np.cumsum(n_background[::-1])[::-1]
    weight = background_weight(labels, prior)
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
    n_true, n_false = curve.n_true[index], int(curve.n_false[index])
    n_background = int(curve.n_false[0])  # The first threshold calls all sites.
    n_false_at_most = n_background * largest_rate(n_false, n_background)
    return Threshold(
        name,
        value=float(curve.thresholds[index]),
        precision=float(curve.precision[index]),
        recall=float(curve.recall[index]),
        n_false=n_false,
        n_background=n_background,
        least_precision=float(n_true / (n_true + curve.weight * n_false_at_most)),
    )
