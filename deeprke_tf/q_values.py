"""q-values of the windows of a scan, from windows that are not bound.

The q-value of a probability is the smallest FDR (false discovery rate: of the windows
called, the fraction that is not bound) of all thresholds that call it.
"""

import numpy as np
import numpy.typing as npt

from deeprke_tf.calibration import checked_probabilities
from deeprke_tf.errors import UserError


def q_values_from_background(
    probabilities: npt.ArrayLike, background_probabilities: npt.ArrayLike
) -> np.ndarray:
    """Returns the q-value of each window of a scan, from windows that are not bound.

    At a threshold, as many of the n windows are expected to be called by chance as
    (1 + background windows called) / (1 + background windows) * n; over the windows
    called, this is the FDR. The 1 keeps few background windows from promising an FDR of
    0, and all n windows count as chances, so that q-values are rather too large. For k
    windows to reach a q-value of q it takes n / (k q) background windows at least.

    >>> background = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85]
    >>> q_values_from_background([0.95, 0.9, 0.85, 0.2], background).round(3).tolist()
    [0.2, 0.2, 0.267, 0.9]

    Args:
      probabilities: Of the windows scanned, in [0, 1], [n].
      background_probabilities: Of background windows, as of shuffled sequences, in
        [0, 1], [n_background].

    Returns:
      q-values, float64 [n], at most 1; a higher probability never has a larger one.

    Raises:
      UserError: There is no background window.
      ValueError: A probability is not in [0, 1].
    """
    probabilities = checked_probabilities(probabilities)
    background = np.sort(checked_probabilities(background_probabilities))
    if not len(background):
        raise UserError("q-values need background windows, got none.")
    distinct, ranks, n_equal = np.unique(
        probabilities, return_inverse=True, return_counts=True
    )
    n_called = np.cumsum(n_equal[::-1])[::-1]
    n_chance = len(background) - np.searchsorted(background, distinct)
    p_values = (1 + n_chance) / (1 + len(background))
    fdr = np.minimum(p_values * len(probabilities) / n_called, 1)
    return np.minimum.accumulate(fdr)[ranks]
