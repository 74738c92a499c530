"""q-values of the windows of a scan, from windows that are not bound.

The q-value of a probability is the smallest FDR (false discovery rate: of the sites
called, the fraction that is not bound) of all thresholds that call a window of that
probability. A site is all called windows that overlap, as `windows.call_sites` merges
them: what is bound is covered by more windows than what is called by mistake, so that
more of the sites are false than of the windows.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import checked_probabilities

# Below every probability: of a window that overlaps none before it.
APART = -1.0


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows that have a probability, and how they overlap.

    >>> windows = Windows(np.array([0.5, 0.9, 0.8]), np.array([-1, 0.5, 0.9]))
    >>> windows.n_called([0.5, 0.85]).tolist(), windows.n_sites([0.5, 0.85]).tolist()
    ([3, 1], [1, 1])

    Attributes:
      probabilities: In [0, 1], [n].
      before: Of `windows.highest_before`, [n]; None: none overlaps another.
    """

    probabilities: np.ndarray
    before: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    def n_called(self, thresholds: npt.ArrayLike) -> np.ndarray:
        """Returns how many windows reach each threshold, [n_thresholds]."""
        return _n_reaching(self.probabilities, thresholds)

    def n_sites(self, thresholds: npt.ArrayLike) -> np.ndarray:
        """Returns how many sites are called at each threshold, [n_thresholds].

        A called window begins a site unless one before it, that overlaps it, is called.
        """
        if self.before is None:
            return self.n_called(thresholds)
        go_on = np.minimum(self.probabilities, self.before)
        return self.n_called(thresholds) - _n_reaching(go_on, thresholds)


@dataclasses.dataclass(frozen=True)
class NotBound:
    """Windows that are not bound, and the share of the scanned ones that is like them.

    Attributes:
      windows: Those of shuffled RNAs, or background sites of validation.
      share: In [0, 1].
    """

    windows: Windows
    share: float

    def n_false(self, thresholds: np.ndarray, n_scanned: int) -> np.ndarray:
        """Returns how many sites of this kind a scan is expected to call.

        The 1 keeps few windows from promising that there are none.

        Args:
          thresholds: [n_thresholds].
          n_scanned: Windows of the scan.
        """
        rate = (1 + self.windows.n_sites(thresholds)) / (1 + len(self.windows))
        return self.share * n_scanned * rate


def fdr_of(
    thresholds: np.ndarray, scanned: Windows, not_bound: Sequence[NotBound]
) -> np.ndarray:
    """Returns the FDR that is expected at each threshold, at most 1, [n_thresholds].

    Args:
      thresholds: Each is reached by a scanned window.
      scanned: All windows of the scan.
      not_bound: Each kind of them; at least one window in all.
    """
    n_false = sum(kind.n_false(thresholds, len(scanned)) for kind in not_bound)
    return np.minimum(n_false / scanned.n_sites(thresholds), 1)


def q_values_of(
    scanned: Windows, not_bound: Sequence[NotBound]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the q-value of each probability that a window of the scan has.

    >>> background = Windows(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85]))
    >>> scanned = Windows(np.array([0.95, 0.9, 0.85, 0.2]))
    >>> probabilities, q_values = q_values_of(scanned, [NotBound(background, 1.0)])
    >>> probabilities.tolist(), q_values.round(3).tolist()
    ([0.2, 0.85, 0.9, 0.95], [0.9, 0.267, 0.2, 0.2])

    Args:
      scanned: All windows of the scan.
      not_bound: Each kind of windows that are not bound.

    Returns:
      Distinct probabilities of the scan, ascending, and the q-value of each, float64
      [n_distinct], at most 1; a higher probability never has a larger one.

    Raises:
      UserError: There is no window that is not bound.
      ValueError: A probability is not in [0, 1].
    """
    known = np.unique(scanned.probabilities)
    for windows in (scanned, *(kind.windows for kind in not_bound)):
        checked_probabilities(windows.probabilities)
    if not any(len(kind.windows) for kind in not_bound):
        raise UserError("q-values need background windows, got none.")
    return known, np.minimum.accumulate(fdr_of(known, scanned, not_bound))


def _n_reaching(values: np.ndarray, thresholds: npt.ArrayLike) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), thresholds)
