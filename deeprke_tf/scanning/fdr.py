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
from deeprke_tf.evaluation import thresholds
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.evaluation.checks import checked_probabilities
from deeprke_tf.scanning.window_shares import fit_shares

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


def call_at_fdr(
    scanned: Windows,
    background: Windows,
    fdr: float,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> Calling:
    """Calls the windows whose q-value is at most `fdr`.

    >>> windows = Windows(np.array([0.1, 0.2, 0.9], np.float32))
    >>> calling = call_at_fdr(windows, Windows(np.linspace(0, 0.5, 99)), fdr=0.05)
    >>> round(calling.threshold, 3), calling.q_values(windows.probabilities).round(2)
    (0.9, array([0.8 , 0.8 , 0.03]))

    Args:
      scanned: All windows of the scan.
      background: Windows that are not bound.
      fdr: Of the called sites, in (0, 1).
      validation: Labels and probabilities of validation sites of both classes, each
        [n_sites], where the background is of shuffled RNAs, which lack what looks like
        a site and is none. None: the background is all that need be known.

    Raises:
      UserError: The background has no window with a probability.
    """
    if not len(background):
        raise UserError("No window of the background has a probability.")
    not_bound = [NotBound(background, 1.0)]
    by = f"from {len(background)} background windows"
    if validation is not None:
        not_bound, by = _not_bound(scanned, background, *validation)
    known, q_values = q_values_of(scanned, not_bound)
    called = known[q_values <= fdr]
    if not len(called):
        least = min(q_values, default=1.0)
        chosen = f"no window has a q-value of at most {fdr:g}; the least is {least:.3g}"
        return Calling(np.inf, f"{chosen}, {by}", known, q_values)
    chosen = f"lowest probability with a q-value of at most {fdr:g}, {by}"
    doubt = _doubt_of_scan(float(called[0]), scanned, not_bound, fdr)
    return Calling(float(called[0]), chosen, known, q_values, doubt)


def _doubt_of_scan(
    threshold: float, scanned: Windows, not_bound: list[NotBound], fdr: float
) -> str:
    """Returns why the FDR of a scan may be more than twice the one asked for."""
    n_false, few = 0.0, ""
    for kind in not_bound:
        n_called, n = int(kind.windows.n_sites(threshold)), len(kind.windows)
        rate = thresholds.largest_rate(n_called, n)
        n_false += kind.share * len(scanned) * rate
        few = few or f"{n_called} of {n} background "
    largest = min(1.0, n_false / int(scanned.n_sites(threshold)))
    if largest <= 2 * fdr:
        return ""
    few += "windows are" if len(not_bound) == 1 else "sites of validation are"
    return (
        f"fdr {fdr:g} is not sure: {few} called, so that the FDR may be up to "
        f"{largest:.2g}; give more RNAs that are not bound as --background"
    )


def _not_bound(
    scanned: Windows, shuffled: Windows, labels: np.ndarray, probabilities: np.ndarray
) -> tuple[list[NotBound], str]:
    """Returns what is not bound of a scan, by shuffled RNAs and by validation sites."""
    bound, background = (probabilities[labels == label] for label in (1, 0))
    kinds = (bound, background, shuffled.probabilities)
    shares = fit_shares(scanned.probabilities, kinds).tolist()
    by = (
        f"as of the windows {shares[0]:.2g} are like bound sites, {shares[1]:.2g} like "
        f"the {len(background)} background sites of validation and {shares[2]:.2g} "
        f"like {len(shuffled)} shuffled ones"
    )
    not_bound = [
        NotBound(Windows(background), shares[1]),
        NotBound(shuffled, shares[2]),
    ]
    return not_bound, by


def _n_reaching(values: np.ndarray, thresholds: npt.ArrayLike) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), thresholds)
