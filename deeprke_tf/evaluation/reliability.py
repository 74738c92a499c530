"""How far probabilities are from what they say: Brier score, ECE, and its bins.

Brier score  mean squared difference of probability and label; 0 is best
ECE          expected calibration error: how far, on average, the mean probability
             of a bin of sites is from the fraction of them that is bound
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from deeprke_tf.evaluation import metrics

N_BINS = 15  # of the ECE, where nothing else is asked for

_N_HISTOGRAM_BINS = 20


def expected_calibration_error(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = N_BINS
) -> float:
    """Returns the ECE, over bins that hold about equally many sites.

    Sites are binned by rank, and equal probabilities share a bin. Chance alone gives
    perfect probabilities an ECE of about sqrt(n_bins / n_sites) / 4: compare values of
    the same sites and bins only.

    >>> expected_calibration_error([0, 0, 1, 1], [0.25, 0.25, 0.75, 0.75], n_bins=2)
    0.25

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      n_bins: Number of bins; fewer where many probabilities are equal.

    Raises:
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    bins = _bins(*metrics.checked_sites(labels, probabilities), n_bins)
    return _ece(bins)


def brier_score(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Returns the mean squared difference of probability and label.

    >>> brier_score([0, 1], [0.5, 1.0])
    0.125

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].

    Raises:
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = metrics.checked_sites(labels, probabilities)
    return float(np.mean((probabilities - labels) ** 2))


def calibration_measures(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = N_BINS
) -> dict[str, Any]:
    """Measures how well probabilities are calibrated, for JSON and for the figure.

    Give other sites than those the calibration was fitted on, or it flatters.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      n_bins: See `expected_calibration_error`.

    Returns:
      A dict of plain numbers: `n_sites`, `brier`, `ece`; `bins`, each a dict with
      `mean_probability`, `fraction_bound` and `n_sites`; and `histogram`, the number of
      sites in each of 20 equally wide ranges of probability.

    Raises:
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = metrics.checked_sites(labels, probabilities)
    bins = _bins(labels, probabilities, n_bins)
    histogram, _ = np.histogram(probabilities, _N_HISTOGRAM_BINS, range=(0, 1))
    return {
        "n_sites": len(labels),
        "brier": brier_score(labels, probabilities),
        "ece": _ece(bins),
        "bins": bins,
        "histogram": histogram.tolist(),
    }


def _bins(
    labels: np.ndarray, probabilities: np.ndarray, n_bins: int
) -> list[dict[str, Any]]:
    """Returns mean probability, fraction bound and number of sites of each bin."""
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1, got {n_bins}.")
    ranks = np.searchsorted(np.sort(probabilities), probabilities)
    bin_of_site = ranks * n_bins // len(ranks)
    bins = []
    for number in np.unique(bin_of_site):
        inside = bin_of_site == number
        bins.append(
            {
                "mean_probability": float(probabilities[inside].mean()),
                "fraction_bound": float(labels[inside].mean()),
                "n_sites": int(inside.sum()),
            }
        )
    return bins


def _ece(bins: list[dict[str, Any]]) -> float:
    gaps = [abs(b["mean_probability"] - b["fraction_bound"]) for b in bins]
    return float(np.average(gaps, weights=[b["n_sites"] for b in bins]))
