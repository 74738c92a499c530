"""Reliability of probabilities: Brier score, ECE and the reliability diagram.

Brier score  mean squared difference of probability and label; 0 is best
ECE          expected calibration error: the mean difference, over bins of sites,
             between mean probability and fraction of bound sites
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import ticker

from deeprke_tf.evaluation.checks import checked_sites
from deeprke_tf.system import plotting

N_BINS = 15  # of the ECE, by default

_N_HISTOGRAM_BINS = 20


def calibration_measures(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, n_bins: int = N_BINS
) -> dict[str, Any]:
    """Computes Brier score, ECE and bins, for JSON and for `reliability_diagram`.

    Sites that the calibration was fitted on make it look too good. Bins hold about
    equally many sites, and equal probabilities share a bin. Perfect probabilities have,
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


def _ece(bins: list[dict[str, Any]]) -> float:
    gaps = [abs(b["mean_probability"] - b["fraction_bound"]) for b in bins]
    return float(np.average(gaps, weights=[b["n_sites"] for b in bins]))


def reliability_diagram(
    measures_before: Mapping[str, Any],
    measures_after: Mapping[str, Any],
    path: Path,
    *,
    title: str,
) -> None:
    """Draws the fraction of bound sites against the probability, and a histogram.

    Each point is a bin, with the 95 % interval of its fraction (Wilson); calibrated
    probabilities lie on the diagonal.

    Args:
      measures_before: `calibration_measures` of the raw probabilities.
      measures_after: The same of the calibrated probabilities, of the same sites.
      path: PNG file to write or replace.
      title: Above the axes.
    """
    figure = plotting.new_figure(5.0, 7.2)
    axes, counts = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    plotting.style(axes)
    plotting.style(counts)
    axes.plot([0, 1], [0, 1], "--", color=plotting.GRAY, label="Perfectly calibrated")
    for name, measures, color, marker in (
        ("Raw", measures_before, plotting.VERMILION, "s"),
        ("Calibrated", measures_after, plotting.BLUE, "o"),
    ):
        label = f"{name}: ECE {measures['ece']:.3f}, Brier {measures['brier']:.3f}"
        x = [b["mean_probability"] for b in measures["bins"]]
        y = np.array([b["fraction_bound"] for b in measures["bins"]])
        low, high = wilson_interval(y, [b["n_sites"] for b in measures["bins"]])
        axes.vlines(x, low, high, color=color, linewidth=1, alpha=0.6)
        axes.plot(x, y, marker + "-", color=color, markersize=4, label=label)
        edges = np.linspace(0, 1, len(measures["histogram"]) + 1)
        counts.stairs(measures["histogram"], edges, color=color, linewidth=1.5)
    axes.set_title(title)
    # No equal aspect: it would make this axes narrower than the one below.
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_ylabel("Fraction of bound sites")
    # Most sites have a probability near 0, and would hide all others.
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.8)
    counts.yaxis.set_major_locator(ticker.LogLocator(numticks=8))
    counts.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    counts.set_ylabel("Sites")
    counts.set_xlabel("Probability")
    figure.legend(loc="outside lower center", frameon=False, reverse=True)
    plotting.write(figure, path)


def wilson_interval(
    fractions: np.ndarray, n_sites: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns low and high of the 95 % score intervals of fractions.

    >>> low, high = wilson_interval(np.array([0.5, 0.1]), [10, 10])
    >>> low.round(4).tolist(), high.round(4).tolist()
    ([0.2366, 0.0179], [0.7634, 0.4042])
    """
    n = np.asarray(n_sites, np.float64)
    z = 1.96
    center = (fractions + z**2 / (2 * n)) / (1 + z**2 / n)
    spread = np.sqrt(fractions * (1 - fractions) / n + (z / (2 * n)) ** 2)
    half = z * spread / (1 + z**2 / n)
    return center - half, center + half
