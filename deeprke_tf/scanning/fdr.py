"""q-values of the windows of a scan, estimated from unbound windows.

The q-value of a probability is the smallest FDR (false discovery rate: the fraction of
called sites that is not bound) of all thresholds that call a window with it. A site is
all called windows that overlap, as `windows.call_sites` merges them: more windows cover
a bound site than a false one, so that sites have a higher FDR than windows.

A model calls some sites by chance, and more often decoys, such as a motif of the RBP
that is not bound. Shuffled RNAs show only the first; background sites of the training
data show decoys too, but are another fraction of an RNA. So the windows of a scan are
modeled as a mixture of three kinds:

    bound       like the bound validation sites
    background  like the background validation sites
    chance      like the windows of shuffled RNAs

Expectation maximization estimates the fractions by maximum likelihood, as Saerens et
al., Neural Comput 14, 21 (2002), estimate class priors.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import intervals
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.evaluation.checks import checked_probabilities

# Few enough that the bins hold some of the 40 sites that a small validation split has.
_BINS_OF_A_KIND = 10
# The fit ends when fractions move less than this, or after so many iterations.
_TOLERANCE, _MOST_ITERATIONS = 1e-7, 5_000


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
    """Unbound windows of one kind, and the fraction of scanned windows like them.

    Attributes:
      windows: Of shuffled RNAs, or the background sites of validation.
      fraction: In [0, 1].
    """

    windows: Windows
    fraction: float

    def n_false(self, thresholds: np.ndarray, n_scanned: int) -> np.ndarray:
        """Returns how many sites of this kind a scan is expected to call.

        With the pseudocount of 1, few background windows never give an FDR of 0.

        Args:
          thresholds: [n_thresholds].
          n_scanned: Windows of the scan.
        """
        rate = (1 + self.windows.n_sites(thresholds)) / (1 + len(self.windows))
        return self.fraction * n_scanned * rate


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
      not_bound: The kinds of unbound windows.

    Returns:
      Distinct probabilities of the scan, ascending, and the q-value of each, float64
      [n_distinct], at most 1; a higher probability never has a larger one.

    Raises:
      UserError: There is no unbound window.
      ValueError: A probability is not in [0, 1].
    """
    known = np.unique(scanned.probabilities)
    for windows in (scanned, *(kind.windows for kind in not_bound)):
        checked_probabilities(windows.probabilities)
    if not any(len(kind.windows) for kind in not_bound):
        raise UserError("q-values need background windows, got none.")
    n_false = sum(kind.n_false(known, len(scanned)) for kind in not_bound)
    fdr = np.minimum(n_false / scanned.n_sites(known), 1)
    return known, np.minimum.accumulate(fdr)


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
      background: Unbound windows.
      fdr: Of the called sites, in (0, 1).
      validation: Labels and probabilities of validation sites of both classes, each
        [n_sites], where the background is of shuffled RNAs, which lack decoys. None:
        the background stands for all unbound windows.

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
    """Returns why the FDR of a scan may exceed twice the target; empty if it cannot."""
    n_false, few = 0.0, ""
    for kind in not_bound:
        n_called, n = int(kind.windows.n_sites(threshold)), len(kind.windows)
        rate = intervals.largest_rate(n_called, n)
        n_false += kind.fraction * len(scanned) * rate
        few = few or f"{n_called} of {n} background "
    largest = min(1.0, n_false / int(scanned.n_sites(threshold)))
    if largest <= 2 * fdr:
        return ""
    few += "windows are" if len(not_bound) == 1 else "sites of validation are"
    return (
        f"fdr {fdr:g} is not sure: {few} called, so that the FDR may be up to "
        f"{largest:.2g}; give more unbound RNAs as `background`"
    )


def _not_bound(
    scanned: Windows, shuffled: Windows, labels: np.ndarray, probabilities: np.ndarray
) -> tuple[list[NotBound], str]:
    """Returns the kinds of unbound windows of a scan, and how they were found."""
    bound, background = (probabilities[labels == label] for label in (1, 0))
    kinds = (bound, background, shuffled.probabilities)
    fractions = mixture_fractions(scanned.probabilities, kinds).tolist()
    by = (
        f"as of the windows {fractions[0]:.2g} are like bound sites, "
        f"{fractions[1]:.2g} like the {len(background)} background sites of validation "
        f"and {fractions[2]:.2g} like {len(shuffled)} shuffled ones"
    )
    not_bound = [
        NotBound(Windows(background), fractions[1]),
        NotBound(shuffled, fractions[2]),
    ]
    return not_bound, by


def mixture_fractions(
    probabilities: np.ndarray, kinds: Sequence[np.ndarray]
) -> np.ndarray:
    """Estimates the fraction of windows that is of each kind.

    Two kinds of equal probabilities get equal fractions.

    >>> windows = np.repeat([0.9, 0.5, 0.1], [10, 30, 60])
    >>> kinds = [np.repeat(p, 999) for p in (0.9, 0.5, 0.1)]
    >>> mixture_fractions(windows, kinds).round(2)
    array([0.1, 0.3, 0.6])

    Args:
      probabilities: Of the windows, in [0, 1], [n].
      kinds: Probabilities that are known to be of each kind, in [0, 1], [n_kind]; none
        is empty.

    Returns:
      float64 [n_kinds], of sum 1; equal fractions where there are no windows.
    """
    edges = np.unique(np.concatenate([_quantiles(kind) for kind in kinds]))
    n_bins = len(edges) + 1

    def counts(values: np.ndarray) -> np.ndarray:
        return np.bincount(np.searchsorted(edges, values, "right"), minlength=n_bins)

    # Half a window more in each bin, so that no bin is impossible for a kind.
    densities = np.array(
        [(counts(kind) + 0.5) / (len(kind) + 0.5 * n_bins) for kind in kinds]
    )
    weights = counts(probabilities) / max(1, len(probabilities))
    fractions = np.full(len(kinds), 1 / len(kinds))
    for _ in range(_MOST_ITERATIONS if len(probabilities) else 0):
        each = fractions[:, np.newaxis] * densities
        before, fractions = fractions, (each / each.sum(axis=0)) @ weights
        if np.abs(fractions - before).max() < _TOLERANCE:
            break
    return fractions


def _quantiles(values: np.ndarray) -> np.ndarray:
    """Returns the borders between equally full bins."""
    return np.quantile(values, np.linspace(0, 1, _BINS_OF_A_KIND + 1)[1:-1])


def _n_reaching(values: np.ndarray, thresholds: npt.ArrayLike) -> np.ndarray:
    return len(values) - np.searchsorted(np.sort(values), thresholds)
