"""The threshold from which sites or windows are called, and how it was chosen."""

import dataclasses
import decimal

import numpy as np
import numpy.typing as npt

from deeprke_tf.evaluation import metrics
from deeprke_tf.evaluation.thresholds import Target, Threshold, threshold_for

GIVEN = "given as --threshold"
OF_MODEL = "of the model, largest MCC on its validation sites"


@dataclasses.dataclass(frozen=True)
class Calling:
    """A threshold, and the q-values of windows if there is a background.

    Attributes:
      threshold: Sites or windows with at least this probability are called; infinite
        if none can be.
      chosen: How the threshold was chosen, in words.
      known: Distinct probabilities of the windows, ascending; None without background.
      known_q_values: Their q-values, [len(known)].
      doubt: Why the FDR may be far above the target; empty if it is not.
    """

    threshold: float
    chosen: str
    known: np.ndarray | None = None
    known_q_values: np.ndarray | None = None
    doubt: str = ""

    def __str__(self) -> str:
        return f"{as_text(self.threshold)} ({self.chosen})"

    def q_values(self, probabilities: np.ndarray) -> np.ndarray | None:
        """Returns the q-value of each window; None without background.

        Args:
          probabilities: Probabilities of scanned windows; NaN stays NaN.
        """
        if self.known is None or self.known_q_values is None:
            return None
        ranks = np.searchsorted(self.known, probabilities)
        q_values = self.known_q_values[np.minimum(ranks, len(self.known) - 1)]
        return np.where(np.isnan(probabilities), np.nan, q_values)


def as_text(threshold: float) -> str:
    """Returns a threshold as text that, given as --threshold, makes the same calls.

    >>> as_text(0.7), as_text(float(np.float32(0.9999997))), as_text(np.inf)
    ('0.7', '0.999999701', 'none')

    Nine digits distinguish float32 probabilities. They are rounded down, so that a
    probability equal to the threshold is called.
    """
    if not np.isfinite(threshold):
        return "none"
    rounded = f"{threshold:.9g}"
    if float(rounded) <= threshold:
        return rounded
    down = decimal.Context(prec=9, rounding=decimal.ROUND_FLOOR)
    return f"{float(down.create_decimal_from_float(float(threshold))):.9g}"


def call_on_validation(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    target: Target | None = None,
    prior: float | None = None,
) -> Calling:
    """Chooses a threshold on validation sites.

    >>> labels, probabilities = [0, 1, 0, 1], [0.1, 0.3, 0.5, 0.7]
    >>> calling = call_on_validation(labels, probabilities, ("recall", 0.4))
    >>> str(calling).partition(",")[0]
    '0.6 (recall 0.4 on validation sites: recall 0.5'

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      target: FDR, precision or recall; the largest MCC if None.
      prior: Fraction of bound sites to expect; that of the labels if None.

    Raises:
      UserError: No threshold reaches the target, only one class is present, or a
        setting is out of range.
    """
    where = "on validation sites"
    if prior is not None:
        where += f" weighted to a prior of {prior:g}"
    if target is None:
        best = metrics.best_threshold(labels, probabilities, prior)
        return Calling(best, f"largest MCC {where}")
    chosen = threshold_for(target, labels, probabilities, prior)
    called = f"{chosen.n_false} of {chosen.n_background} background sites are called"
    measured = (
        f"recall {chosen.recall:.3g}, precision {chosen.precision:.3g}, above "
        f"{chosen.least_precision:.3g} with 95 % confidence, as {called}"
    )
    doubt = _doubt(chosen, target, called)
    return Calling(chosen.value, f"{chosen.name} {where}: {measured}", doubt=doubt)


def _doubt(chosen: Threshold, target: Target, called: str) -> str:
    """Returns why the FDR may be more than twice its target; empty if it is not."""
    measure, value = target
    largest = 1 - chosen.least_precision
    if measure == "recall" or largest <= 2 * (value if measure == "fdr" else 1 - value):
        return ""
    return (
        f"{chosen.name} is not sure: {called} on validation, so that the FDR may be up "
        f"to {largest:.2g}; try the threshold on more background sites"
    )
