"""From which probability on a scan calls a window, and how that was chosen."""

import dataclasses

import numpy as np

from deeprke_tf import thresholds
from deeprke_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Calling:
    """A threshold for windows, and their q-values where a background tells them.

    Attributes:
      threshold: Windows with at least this probability are called; infinite where none
        can be.
      chosen: How it was chosen, in words.
      known: Distinct probabilities of the windows, ascending; None without background.
      known_q_values: Their q-values, [len(known)].
    """

    threshold: float
    chosen: str
    known: np.ndarray | None = None
    known_q_values: np.ndarray | None = None

    def __str__(self) -> str:
        shown = f"{self.threshold:.6g}" if np.isfinite(self.threshold) else "none"
        return f"{shown} ({self.chosen})"

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


def call_at_fdr(
    probabilities: np.ndarray, background_probabilities: np.ndarray, fdr: float
) -> Calling:
    """Calls the windows whose q-value is at most `fdr`.

    >>> windows, background = np.array([0.1, 0.2, 0.9]), np.linspace(0, 0.5, 99)
    >>> calling = call_at_fdr(windows, background, fdr=0.05)
    >>> calling.threshold, calling.q_values(windows).round(2).tolist()
    (0.9, [0.8, 0.8, 0.03])

    Args:
      probabilities: Of all windows scanned, [n_windows].
      background_probabilities: Of windows that are not bound, [n_background].
      fdr: In (0, 1).

    Raises:
      UserError: The background has no window with a probability.
    """
    if not len(background_probabilities):
        raise UserError("No window of the background has a probability.")
    q_values = thresholds.q_values_from_background(
        probabilities, background_probabilities
    )
    known, first = np.unique(probabilities, return_index=True)
    known_q_values = q_values[first]
    called = known[known_q_values <= fdr]
    threshold = float(called[0]) if len(called) else np.inf
    chosen = (
        f"lowest probability with a q-value of at most {fdr:g}, from "
        f"{len(background_probabilities)} background windows"
    )
    if not len(called):
        least = min(known_q_values, default=1.0)
        chosen = f"no window has a q-value of at most {fdr:g}; the least is {least:.3g}"
    return Calling(threshold, chosen, known, known_q_values)
