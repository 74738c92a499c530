"""The reliability diagram: do probabilities mean what they say?

Drawn and written as `deeprke_tf.system.plotting` says.
"""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import ticker

from deeprke_tf.system import plotting


def reliability_diagram(
    measures_before: Mapping[str, Any],
    measures_after: Mapping[str, Any],
    path: pathlib.Path,
    *,
    title: str,
) -> None:
    """Draws the fraction of bound sites over the probability, and where the sites lie.

    Each point is a bin of `deeprke_tf.evaluation.reliability`, with the 95 % interval
    of its fraction (Wilson); on the diagonal, probabilities mean what they say.

    Args:
      measures_before: `reliability.calibration_measures` of the raw probabilities.
      measures_after: The same of the calibrated ones, of the same sites.
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
        low, high = _wilson_interval(y, [b["n_sites"] for b in measures["bins"]])
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


def _wilson_interval(
    fractions: np.ndarray, n_sites: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bounds of the 95 % score intervals of fractions."""
    n = np.asarray(n_sites, np.float64)
    z = 1.96
    center = (fractions + z**2 / (2 * n)) / (1 + z**2 / n)
    spread = np.sqrt(fractions * (1 - fractions) / n + (z / (2 * n)) ** 2)
    half = z * spread / (1 + z**2 / n)
    return center - half, center + half
