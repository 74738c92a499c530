"""Reliability of probabilities: Brier score and ECE.

Brier score  mean squared difference of probability and label; 0 is best
ECE          expected calibration error: the mean difference, over bins of sites,
             between mean probability and fraction of bound sites
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from deeprke_tf.evaluation.checks import checked_sites

_N_HISTOGRAM_BINS = 20


def calibration_measures(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = 15
) -> dict[str, Any]:
    """Computes Brier score, ECE and bins, for JSON and for the reliability diagram.

    Sites that the calibration was fitted on make it look too good. Bins hold about
    equally many sites; equal probabilities are in one bin. Perfect probabilities have,
    by chance, an ECE of about sqrt(n_bins / n_sites) / 4: compare only values of the
    same sites and bins.

    >>> measures = calibration_measures([0, 0, 1], [0.25, 0.25, 0.75], n_bins=2)
    >>> measures["ece"], measures["brier"]
    (0.25, 0.0625)

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      n_bins: Number of bins; fewer where many probabilities are equal.

    Returns:
      A dict of plain numbers: `n_sites`, `brier`, `ece`; `bins`, each a dict with
      `mean_probability`, `fraction_bound` and `n_sites`; and `histogram`, the number of
      sites in each of 20 equally wide ranges of probability.

    Raises:
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    labels, probabilities = checked_sites(labels, probabilities)
    bins = _bins(labels, probabilities, n_bins)
    histogram, _ = np.histogram(probabilities, _N_HISTOGRAM_BINS, range=(0, 1))
    return {
        "n_sites": len(labels),
        "brier": float(np.mean((probabilities - labels) ** 2)),
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


def ece_interval(
    bins: Sequence[Mapping[str, Any]],
    confidence: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 1,
) -> tuple[float, float]:
    """Returns a confidence interval of the ECE.

    A bootstrap draws the bound sites of each bin anew. An ECE is a mean of absolute
    differences, which noise only raises: the resamples lie above the estimate as far
    as that, on average, lies above the truth. So the interval is the reflected one
    (basic bootstrap), and ends at 0.

    >>> bins = [{"mean_probability": 0.5, "fraction_bound": 0.5, "n_sites": 10_000}]
    >>> ece_interval(bins)
    (0.0, 0.0)

    Args:
      bins: Of `calibration_measures`.
      confidence: Of the interval.
      n_bootstrap: Number of resamples.
      seed: Seed of the resampling.
    """
    n_sites = np.array([each["n_sites"] for each in bins])
    bound = np.array([each["fraction_bound"] for each in bins])
    mean = np.array([each["mean_probability"] for each in bins])
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(n_sites, bound, (n_bootstrap, len(bins))) / n_sites
    resampled = np.average(np.abs(drawn - mean), axis=1, weights=n_sites)
    tails = [(1 + confidence) / 2, (1 - confidence) / 2]
    ends = 2 * _ece(bins) - np.quantile(resampled, tails)
    low, high = np.clip(ends, 0, 1).tolist()
    return low, high


def _ece(bins: Sequence[Mapping[str, Any]]) -> float:
    gaps = [abs(b["mean_probability"] - b["fraction_bound"]) for b in bins]
    return float(np.average(gaps, weights=[b["n_sites"] for b in bins]))
