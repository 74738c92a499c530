"""Selects and fits the calibration of a model, on its validation sites.

Separate from `deeprke_tf.evaluation.calibration`, which predictions import: SciPy and
scikit-learn take most of a second to import.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize, special
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import StratifiedKFold

from deeprke_tf.evaluation.calibration import MAX_KNOTS, Calibration, Method, logits
from deeprke_tf.evaluation.checks import checked_sites

_N_CV_FOLDS = 5
_MIN_ISOTONIC_SITES = 200
_MIN_SLOPE = 1e-3


def fit(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, seed: int = 0
) -> Calibration:
    """Fits the calibration selected by cross-validated log loss, on validation sites.

    In stratified 5-fold cross-validation, in the order none, temperature, isotonic, the
    next method is selected only if its log loss is lower by more than one standard
    error of the difference; it is then fitted on all sites. Temperature needs 5 sites
    of each class, isotonic also 200 in all; sites of one class get "none".

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: Raw probabilities, in [0, 1], [n_sites].
      seed: Seed of the cross-validation splits.

    Raises:
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = checked_sites(labels, probabilities)
    n_fewer = min(np.sum(labels == 1), np.sum(labels == 0))
    if n_fewer == 0:
        return Calibration("none", prior=None)
    methods: list[Method] = []
    if n_fewer >= _N_CV_FOLDS:
        methods.append("temperature")
        if len(labels) >= _MIN_ISOTONIC_SITES:
            methods.append("isotonic")
    best: Method = "none"
    best_losses = _log_losses(labels, probabilities)
    for method in methods:
        losses = _held_out_losses(method, labels, probabilities, seed)
        gains = best_losses - losses
        if gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains)):
            best, best_losses = method, losses
    return fit_method(best, labels, probabilities)


def fit_method(
    method: Method, labels: np.ndarray, probabilities: np.ndarray
) -> Calibration:
    """Fits one method on sites of both classes.

    Args:
      method: "none", "temperature" or "isotonic".
      labels: 1 bound, 0 background, int [n_sites].
      probabilities: Raw probabilities, in [0, 1], float64 [n_sites].
    """
    prior = float(labels.mean())
    if method == "temperature":
        slope, intercept = _fit_temperature(labels, probabilities)
        return Calibration(method, prior, slope=slope, intercept=intercept)
    if method == "isotonic":
        return Calibration(method, prior, knots=_fit_isotonic(labels, probabilities))
    return Calibration("none", prior)


def _fit_temperature(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[float, float]:
    """Returns slope and intercept of the smallest log loss, which is convex in both.

    Platt's targets, a little inside 0 and 1, keep the slope finite where a threshold
    separates the classes.
    """
    raw_logits = logits(probabilities)
    n_bound = labels.sum()
    n_background = len(labels) - n_bound
    targets = np.where(labels, (n_bound + 1) / (n_bound + 2), 1 / (n_background + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = line
        scores = slope * raw_logits + intercept
        errors = special.expit(scores) - targets
        value = np.mean(np.logaddexp(0, scores) - targets * scores)
        return value, np.array([np.mean(errors * raw_logits), np.mean(errors)])

    found = optimize.minimize(
        loss,
        [1.0, 0.0],
        jac=True,
        method="L-BFGS-B",
        bounds=[(_MIN_SLOPE, None), (None, None)],
        options={"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000},
    )
    return float(found.x[0]), float(found.x[1])


def _fit_isotonic(
    labels: np.ndarray, probabilities: np.ndarray
) -> tuple[tuple[float, float], ...]:
    """Returns at most 200 knots of the isotonic least-squares fit.

    One bound site added at the lowest and one background site at the highest
    probability keep all values away from 0 and 1, the more so the fewer sites.
    """
    regression = IsotonicRegression()
    regression.fit(
        np.concatenate([[probabilities.min()], probabilities, [probabilities.max()]]),
        np.concatenate([[1.0], labels, [0.0]]),
    )
    x, y = regression.X_thresholds_, regression.y_thresholds_
    if len(x) > MAX_KNOTS:
        kept = np.linspace(0, len(x) - 1, MAX_KNOTS).round().astype(int)
        x, y = x[kept], y[kept]
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def _held_out_losses(
    method: Method, labels: np.ndarray, probabilities: np.ndarray, seed: int
) -> np.ndarray:
    """Returns the cross-validated log loss of each site, [n_sites]."""
    losses = np.empty(len(labels))
    cv_folds = StratifiedKFold(_N_CV_FOLDS, shuffle=True, random_state=seed)
    for seen, held_out in cv_folds.split(probabilities, labels):
        calibration = fit_method(method, labels[seen], probabilities[seen])
        calibrated = calibration(probabilities[held_out])
        losses[held_out] = _log_losses(labels[held_out], calibrated)
    return losses


def _log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Returns the log loss of each site, [n_sites]."""
    scores = logits(probabilities)
    return np.logaddexp(0, np.where(labels, -scores, scores))
