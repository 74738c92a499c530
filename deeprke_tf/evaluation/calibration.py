"""Calibration: of the sites with a probability of 0.8, about 80 % should be bound.

A network ranks sites well, but its raw probabilities are often too high or too low. A
calibration, fitted on the validation split, corrects them:

    none         raw probabilities
    temperature  sigmoid(slope * logit + intercept), slope > 0 (Platt scaling); keeps
                 the order of sites, hence AUROC and AUPRC
    isotonic     a piecewise linear, non-decreasing function: fits any shape, but may
                 give sites of different raw probabilities the same one

A probability holds at a prior, the fraction of bound sites. A calibration knows the
prior of its validation sites, and shifts the odds to another one.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.checks import checked_prior, checked_probabilities, odds

Method: TypeAlias = Literal["none", "temperature", "isotonic"]

MAX_KNOTS = 200

# The parameters of each method in JSON, beside its name and the prior.
_PARAMETERS: dict[Method, tuple[str, ...]] = {
    "none": (),
    "temperature": ("slope", "intercept"),
    "isotonic": ("knots",),
}
# Where a float32 sigmoid saturates at 0 and 1.
LEAST, MOST = 2.0**-150, 1 - 2.0**-25


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Maps raw probabilities to calibrated ones; never reverses the order of sites.

    >>> calibration = Calibration("temperature", prior=0.5, slope=0.5)
    >>> calibration([0.1, 0.5, 0.9]).round(3).tolist()
    [0.25, 0.5, 0.75]
    >>> calibration([0.1, 0.5, 0.9], prior=0.01).round(3).tolist()
    [0.003, 0.01, 0.029]

    Attributes:
      method: "none", "temperature" or "isotonic".
      prior: Fraction of bound sites among the sites of the fit; None if they were of
        one class.
      slope: For temperature, above 0; 1 / slope is the temperature.
      intercept: For temperature.
      knots: For isotonic, pairs of raw and calibrated probability, both ascending.

    Raises:
      ValueError: A value is out of range.
    """

    method: Method
    prior: float | None
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self):
        if self.method not in _PARAMETERS:
            raise ValueError(
                f"method must be one of {list(_PARAMETERS)}, got {self.method!r}"
            )
        if self.prior is not None and not 0 < self.prior < 1:
            raise ValueError(f"prior must be between 0 and 1, got {self.prior}")
        if not 0 < self.slope < math.inf:
            raise ValueError(f"slope must be above 0 and finite, got {self.slope}")
        if not math.isfinite(self.intercept):
            raise ValueError(f"intercept must be finite, got {self.intercept}")
        if self.method == "isotonic":
            _check_knots(self.knots)

    def __call__(
        self, probabilities: npt.ArrayLike, prior: float | None = None
    ) -> np.ndarray:
        """Returns calibrated probabilities, float64, of the shape of the raw ones.

        With temperature, probabilities above 1 - 2**-25, which float32 rounds to 1, are
        tied.

        Args:
          probabilities: Raw probabilities, in [0, 1], of any shape.
          prior: Fraction of bound sites to expect; the prior of the fit if None. The
            odds are multiplied by the ratio of the odds of both priors.

        Raises:
          UserError: The prior is not between 0 and 1, or the prior of the fit is not
            known.
          ValueError: A probability is not in [0, 1].
        """
        raw = checked_probabilities(probabilities)
        calibrated = raw
        if self.method == "temperature":
            calibrated = _sigmoid(self.slope * logits(raw) + self.intercept)
        elif self.method == "isotonic":
            calibrated = _interpolate(raw, *np.array(self.knots).T)
        if prior is None or prior == self.prior:
            return np.array(calibrated, np.float64)
        if self.prior is None:
            raise UserError(
                f"Cannot shift to the prior {prior}: the model was validated on sites "
                "of one class, or several on different sites. Leave the prior out, or "
                "train with both classes, all models on one dataset."
            )
        shift = odds(checked_prior(prior)) / odds(self.prior)
        # Each step is monotone even when rounded; odds of 0 stay 0.
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(1 / (1 + (1 - calibrated) / calibrated / shift))

    def to_json(self) -> dict[str, Any]:
        """Returns a dict of plain values, exact to the bit, for `from_json`."""
        contents: dict[str, Any] = {"method": self.method, "prior": self.prior}
        for name in _PARAMETERS[self.method]:
            contents[name] = getattr(self, name)
        if self.method == "isotonic":
            contents["knots"] = [list(knot) for knot in self.knots]
        return contents

    @classmethod
    def from_json(cls, contents: Any, source: str) -> "Calibration":
        """Reads the JSON value that `to_json` wrote.

        Args:
          contents: A JSON value.
          source: Where it comes from, for the error.

        Raises:
          UserError: The contents are no calibration.
        """
        try:
            prior = contents["prior"]
            calibration = cls(
                contents["method"],
                prior=None if prior is None else _number(prior),
                slope=_number(contents.get("slope", 1.0)),
                intercept=_number(contents.get("intercept", 0.0)),
                knots=tuple(
                    (_number(x), _number(y)) for x, y in contents.get("knots", ())
                ),
            )
            if set(contents) != set(calibration.to_json()):
                raise ValueError(
                    f"{calibration.method} has {list(calibration.to_json())}, "
                    f"got {list(contents)}"
                )
            return calibration
        except KeyError as error:
            raise UserError(
                f"{source}: the calibration is damaged: {error} is missing."
            ) from error
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{source}: the calibration is damaged: {error}."
            ) from error


def describe(
    calibrations: Sequence[Calibration], prior: float | None, *, applied: bool = True
) -> str:
    """Describes calibrated probabilities, for the head of a table.

    >>> describe([Calibration("none", prior=0.2)], prior=None)
    'calibration none; prior 0.2 (that of the validation sites)'

    Args:
      calibrations: The calibration of each model.
      prior: The prior given by the user, if any.
      applied: False if only the prior changes probabilities.
    """
    methods = ", ".join(calibration.method for calibration in calibrations)
    if not applied:
        methods = "left out"
    if prior is not None:
        return f"calibration {methods}; prior {prior:g} (given as --prior)"
    if not all(calibration.prior for calibration in calibrations):
        return f"calibration {methods}; prior not known"
    own = {f"{calibration.prior:.4g}" for calibration in calibrations}
    return (
        f"calibration {methods}; prior {', '.join(sorted(own))} (that of the "
        "validation sites)"
    )


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Returns log odds, finite: 0 and 1 are clipped to `LEAST` and `MOST`.

    >>> logits(np.array([0.25, 0.5])).round(4).tolist()
    [-1.0986, 0.0]
    """
    clipped = np.clip(probabilities, LEAST, MOST)
    return np.log(clipped) - np.log1p(-clipped)


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # SciPy's takes a third of a second to import.
    return np.exp(-np.logaddexp(0, -logits))


def _interpolate(raw: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolates between the knots; constant outside of them."""
    next_knot = np.minimum(np.searchsorted(x, raw, side="right"), len(x) - 1)
    # Rounding may lift the end of a segment above its knot.
    return np.minimum(np.interp(raw, x, y), y[next_knot])


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError(f"expected a number, got {value!r}")
    return float(value)


def _check_knots(knots: tuple[tuple[float, float], ...]) -> None:
    if not 1 <= len(knots) <= MAX_KNOTS:
        raise ValueError(f"isotonic needs 1 to {MAX_KNOTS} knots, got {len(knots)}")
    x, y = np.array(knots, np.float64).T
    if not (np.all(x >= 0) and np.all(x <= 1) and np.all(np.diff(x) > 0)):
        raise ValueError("the raw probabilities of the knots do not rise within [0, 1]")
    if not (np.all(y > 0) and np.all(y < 1) and np.all(np.diff(y) >= 0)):
        raise ValueError(
            "the calibrated probabilities of the knots fall, or reach 0, 1"
        )
