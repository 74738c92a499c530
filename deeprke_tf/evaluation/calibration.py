"""Calibration: of the sites given a probability of 0.8, about 80 % are to be bound.

A network orders sites well, but its raw probabilities mean what they say only by luck.
A calibration is fitted on the validation split and maps them to ones that do:

    none         as they are
    temperature  sigmoid(slope * logit + intercept), slope > 0: the order is kept, and
                 so are AUROC and AUPRC
    isotonic     straight lines between knots that never fall: follows any shape, but
                 gives some sites of different raw probability the same one

A probability holds at a prior: the share of bound sites among all that it is given to.
A calibration knows the prior it was fitted at, and shifts the odds to another one.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError

Method: TypeAlias = Literal["none", "temperature", "isotonic"]

MAX_KNOTS = 200

# What `to_json` writes of each method, beside its name and the prior.
_PARAMETERS: dict[Method, tuple[str, ...]] = {
    "none": (),
    "temperature": ("slope", "intercept"),
    "isotonic": ("knots",),
}
# A float32 sigmoid that says 0 or 1 means less, or more, than these.
LEAST, MOST = 2.0**-150, 1 - 2.0**-25


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Maps raw probabilities to calibrated ones; never reverses the order of two.

    >>> calibration = Calibration("temperature", prior=0.5, slope=0.5)
    >>> calibration([0.1, 0.5, 0.9]).round(3).tolist()
    [0.25, 0.5, 0.75]
    >>> calibration([0.1, 0.5, 0.9], prior=0.01).round(3).tolist()
    [0.003, 0.01, 0.029]

    Attributes:
      method: See the module.
      prior: Share of bound sites among those it was fitted on; None if they were all of
        one class, which tells nothing of the share that the raw probabilities mean.
      slope: Of temperature, above 0; 1 / slope is what others call the temperature.
      intercept: Of temperature.
      knots: Of isotonic: pairs of raw and calibrated probability, both ascending.

    Raises:
      ValueError: A value is none of these.
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

        Above 1 - 2**-25, which float32 does not tell from 1, temperature sees a tie.

        Args:
          probabilities: Raw ones of the network, in [0, 1], of any shape.
          prior: Share of bound sites to expect among the sites; that of the fit if
            None. Their odds are multiplied by the ratio of the odds of both priors.

        Raises:
          UserError: The prior is not between 0 and 1, or there is none to shift from.
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
        """Returns what `from_json` reads: a dict of plain values, exact to the bit."""
        contents: dict[str, Any] = {"method": self.method, "prior": self.prior}
        for name in _PARAMETERS[self.method]:
            contents[name] = getattr(self, name)
        if self.method == "isotonic":
            contents["knots"] = [list(knot) for knot in self.knots]
        return contents

    @classmethod
    def from_json(cls, contents: Any, source: str) -> "Calibration":
        """Reads what `to_json` wrote.

        Args:
          contents: A JSON value.
          source: Where it comes from, for the error.

        Raises:
          UserError: The contents are not those of a calibration.
        """
        try:
            if not isinstance(contents, dict) or "method" not in contents:
                raise ValueError(f"expected an object with a method, got {contents!r}")
            values = dict(contents)
            knots = values.get("knots", [])
            if not isinstance(knots, list):
                raise ValueError(f"knots must be a list, got {knots!r}")
            values["knots"] = tuple((_number(x), _number(y)) for x, y in knots)
            for name in {"prior", "slope", "intercept"} & set(values):
                if name != "prior" or values[name] is not None:
                    values[name] = _number(values[name])
            calibration = cls(**values)
            if set(contents) != set(calibration.to_json()):
                raise ValueError(
                    f"{calibration.method} has {list(calibration.to_json())}, "
                    f"got {list(contents)}"
                )
            return calibration
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{source}: the calibration is damaged: {error}."
            ) from error


def describe(
    calibrations: Sequence[Calibration], prior: float | None, *, applied: bool = True
) -> str:
    """Returns what calibrated probabilities are, for the head of a table.

    >>> describe([Calibration("none", prior=0.2)], prior=None)
    'calibration none; prior 0.2 (that of the validation sites)'

    Args:
      calibrations: Of the models.
      prior: As given to them.
      applied: Whether they are; without, only the prior changes a probability.
    """
    methods = ", ".join(calibration.method for calibration in calibrations)
    if not applied:
        methods = "left out"
    if prior is not None:
        return f"calibration {methods}; prior {prior:g} (given as --prior)"
    own = {f"{c.prior:.4g}" if c.prior else "not known" for c in calibrations}
    return (
        f"calibration {methods}; prior {', '.join(sorted(own))} (that of the "
        "validation sites)"
    )


def odds(probability: float) -> float:
    """Returns p / (1 - p).

    >>> odds(0.75)
    3.0
    """
    return probability / (1 - probability)


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Returns log odds, finite: 0 and 1 count as the nearest that float32 tells.

    >>> logits(np.array([0.25, 0.5])).round(4).tolist()
    [-1.0986, 0.0]
    """
    clipped = np.clip(probabilities, LEAST, MOST)
    return np.log(clipped) - np.log1p(-clipped)


def checked_prior(prior: float) -> float:
    """Returns the prior, or raises UserError where it is no share of bound sites."""
    if not 0 < prior < 1:
        raise UserError(
            f"The prior, the share of bound sites, must be between 0 and 1, got {prior}"
            "; write 0.2 for 20 %."
        )
    return prior


def checked_probabilities(probabilities: npt.ArrayLike) -> np.ndarray:
    """Returns probabilities as float64, or raises ValueError; there may be none."""
    probabilities = np.asarray(probabilities, np.float64)
    # Written so that NaN, which compares false, is found too.
    strange = probabilities[~((probabilities >= 0) & (probabilities <= 1))]
    if len(strange):
        raise ValueError(f"A probability is in [0, 1], got {strange[0]}.")
    return probabilities


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    # SciPy has this, too, but takes a third of a second to import.
    return np.exp(-np.logaddexp(0, -logits))


def _interpolate(raw: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns values on the lines between the knots, and level outside of them."""
    next_knot = np.minimum(np.searchsorted(x, raw, side="right"), len(x) - 1)
    # Rounding may lift the end of a line above the knot that it leads to.
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
