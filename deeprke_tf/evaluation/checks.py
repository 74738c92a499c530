"""Checks of labels, probabilities and priors, for all measures.

A label is 1 for a bound and 0 for a background site. A prior is the fraction of bound
sites to expect.
"""

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError

# Beyond it, odds and their ratios no longer fit into a float.
_LEAST_PRIOR = 1e-12


def checked_sites(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels as int64 and probabilities as float64, each [n_sites].

    Raises:
      ValueError: There are no sites, or a label or probability is invalid.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    if labels.ndim != 1 or labels.shape != probabilities.shape:
        raise ValueError(
            "Expected one label and one probability for each site, got shapes "
            f"{labels.shape} and {probabilities.shape}."
        )
    if not len(labels):
        raise ValueError("Expected at least one site, got none.")
    invalid = labels[(labels != 0) & (labels != 1)]
    if len(invalid):
        raise ValueError(f"A label is 1 or 0, got {invalid[0]}.")
    return labels.astype(np.int64), checked_probabilities(probabilities)


def checked_probabilities(probabilities: npt.ArrayLike) -> np.ndarray:
    """Returns probabilities as float64, of any shape.

    Raises:
      ValueError: One is not in [0, 1].
    """
    probabilities = np.asarray(probabilities, np.float64)
    # Written so that NaN, which compares false, is found too.
    invalid = np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)))
    if len(invalid):
        raise ValueError(
            f"A probability is in [0, 1], got {probabilities.flat[invalid[0]]} at site "
            f"{invalid[0]} ({len(invalid)} invalid of {probabilities.size})."
        )
    return probabilities


def checked_prior(prior: float) -> float:
    """Returns the prior.

    Raises:
      UserError: It is not between 1e-12 and 1.
    """
    if not _LEAST_PRIOR <= prior <= 1 - _LEAST_PRIOR:
        raise UserError(
            "The prior, the fraction of bound sites, must be between "
            f"{_LEAST_PRIOR:g} and 1, got {prior}; write 0.2 for 20 %."
        )
    return prior


def require_both_classes(labels: np.ndarray, measure: str) -> None:
    """Raises a UserError, which names the measure, where a class is missing."""
    n_bound = int(labels.sum())
    if not 0 < n_bound < len(labels):
        raise UserError(
            f"{measure} need bound and background sites, got {n_bound} bound and "
            f"{len(labels) - n_bound} background. Give a split that has both."
        )


def odds(probability: float) -> float:
    """Returns p / (1 - p).

    >>> odds(0.75)
    3.0
    """
    return probability / (1 - probability)


def background_weight(labels: np.ndarray, prior: float | None) -> float:
    """Returns the weight of a background site that makes the bound fraction the prior.

    >>> background_weight(np.array([1, 0]), prior=0.2)
    4.0

    Args:
      labels: 1 bound, 0 background, both present, [n_sites].
      prior: Fraction of bound sites to expect; that of the labels if None.

    Raises:
      UserError: The prior is not between 0 and 1.
    """
    if prior is None:
        return 1.0
    return odds(float(labels.mean())) / odds(checked_prior(prior))
