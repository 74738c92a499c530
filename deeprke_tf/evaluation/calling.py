"""From which probability on a site or a window is called, and how that was chosen."""

import dataclasses
import decimal
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from deeprke_tf.evaluation import metrics, thresholds

GIVEN = "given as --threshold"
OF_MODEL = "of the model, largest MCC on its validation sites"

# What the calls of a threshold are to be worth: at most this FDR, at least that
# precision or recall, in [0, 1].
Aim: TypeAlias = tuple[Literal["fdr", "precision", "recall"], float]

_CHOOSE = {
    "fdr": thresholds.threshold_at_fdr,
    "precision": thresholds.threshold_at_precision,
    "recall": thresholds.threshold_at_recall,
}


@dataclasses.dataclass(frozen=True)
class Calling:
    """A threshold, and the q-values of windows where a background tells them.

    Attributes:
      threshold: What has at least this probability is called; infinite where nothing
        can be.
      chosen: How it was chosen, in words.
      known: Distinct probabilities of the windows, ascending; None without background.
      known_q_values: Their q-values, [len(known)].
      doubt: Why the calls may be worth far less than was asked for; empty if not so.
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
          probabilities: Of windows that were scanned; NaN stays NaN.
        """
        if self.known is None or self.known_q_values is None:
            return None
        ranks = np.searchsorted(self.known, probabilities)
        q_values = self.known_q_values[np.minimum(ranks, len(self.known) - 1)]
        return np.where(np.isnan(probabilities), np.nan, q_values)


def as_text(threshold: float) -> str:
    """Returns a threshold as text that, given as --threshold, calls the very same.

    >>> as_text(0.7), as_text(float(np.float32(0.9999997))), as_text(np.inf)
    ('0.7', '0.999999701', 'none')

    Nine digits tell two float32 probabilities apart; never rounded up, they leave the
    one called that the threshold may be.
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
    aim: Aim | None = None,
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
      aim: What the calls are to be worth; None: their MCC is to be the largest.
      prior: Share of bound sites to expect; that of the labels if None.

    Raises:
      UserError: No threshold is worth that, only one class is present, or a setting is
        out of range.
    """
    where = "on validation sites"
    if prior is not None:
        where += f" weighted to a prior of {prior:g}"
    if aim is None:
        best = metrics.best_threshold(labels, probabilities, prior)
        return Calling(best, f"largest MCC {where}")
    measure, value = aim
    chosen = _CHOOSE[measure](labels, probabilities, value, prior)
    called = f"{chosen.n_false} of {chosen.n_background} background sites are called"
    sure = f"{chosen.least_precision:.3g} with {100 * metrics.CONFIDENCE:.0f} %"
    worth = (
        f"recall {chosen.recall:.3g}, precision {chosen.precision:.3g}, above {sure} "
        f"confidence, as {called}"
    )
    doubt = _doubt(chosen, aim, called)
    return Calling(chosen.value, f"{chosen.name} {where}: {worth}", doubt=doubt)


def _doubt(chosen: thresholds.Threshold, aim: Aim, called: str) -> str:
    """Returns why the FDR may be more than twice the one that was asked for."""
    measure, value = aim
    largest = 1 - chosen.least_precision
    if measure == "recall" or largest <= 2 * (value if measure == "fdr" else 1 - value):
        return ""
    return (
        f"{chosen.name} is not sure: {called} on validation, so that the FDR may be up "
        f"to {largest:.2g}; try the threshold on more background sites"
    )
