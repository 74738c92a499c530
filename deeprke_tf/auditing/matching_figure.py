"""The figure of a matching report: both classes, before and after matching."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from deeprke_tf.auditing.rules import Rule
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.system import plotting

if TYPE_CHECKING:
    from deeprke_tf.auditing.matching_report import Group, MatchingReport

_PANELS = [
    ["GC content", "length of the sequence", "regions"],
    ["repeats", "splice site", "transcript end"],
    ["dinucleotides", "dinucleotides", "rules"],
]
_NAMES = {
    "repeats": "fraction of repeats (lower case)",
    "splice site": "distance to the nearest splice site",
    "transcript end": "distance to the nearest transcript end",
}
_TWOS = [first + second for first in NUCLEOTIDES for second in NUCLEOTIDES]


def draw(report: "MatchingReport", path: Path) -> None:
    """Draws the figure.

    Args:
      report: The report.
      path: PNG file to write or replace.
    """
    figure = plotting.new_figure(11.0, 9.0)
    parts = figure.subplot_mosaic([[*row] for row in _PANELS])
    for axes in parts.values():
        plotting.style(axes)
    colors = [plotting.VERMILION, plotting.GRAY, plotting.BLUE]
    if len(report.groups) == 2:
        colors = [plotting.VERMILION, plotting.BLUE]
    for panel in (*_PANELS[0][:2], *_PANELS[1]):
        name = _NAMES.get(panel, panel)
        _draw_distribution(parts[panel], name, report.groups, colors)
    _draw_regions(parts["regions"], report.groups, colors)
    _draw_dinucleotides(parts["dinucleotides"], report.groups, colors)
    _draw_rules(parts["rules"], report)
    figure.legend(
        *parts["GC content"].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(report.groups),
        frameon=False,
    )
    plotting.write(figure, path)


def _draw_distribution(
    axes: Axes, name: str, groups: Sequence["Group"], colors: Sequence[str]
) -> None:
    """Draws the fraction of sites up to each value."""
    for group, color in zip(groups, colors, strict=True):
        values = group.values.get(name, np.zeros(0))
        values = values[~np.isnan(values)]
        if len(values):
            axes.ecdf(values, color=color, label=group.name)
    if name.startswith("distance"):
        axes.set_xscale("symlog", linthresh=10)
    if not axes.lines:
        axes.text(0.5, 0.5, "not known", ha="center", transform=axes.transAxes)
    is_plain = not name.startswith(("distance", "length"))
    axes.set_xlabel(name if is_plain else f"{name} (nt)")
    axes.set_ylabel("Fraction of sites")


def _draw_regions(axes: Axes, groups: Sequence["Group"], colors: Sequence[str]) -> None:
    regions = np.unique(np.concatenate([group.region for group in groups])).tolist()
    fractions = [
        np.array([group.fraction_in(region) for region in regions]) for group in groups
    ]
    _draw_bars(axes, [region or "not known" for region in regions], fractions, colors)
    axes.set_ylabel("Fraction of sites")
    axes.set_xlabel("region")


def _draw_dinucleotides(
    axes: Axes, groups: Sequence["Group"], colors: Sequence[str]
) -> None:
    fractions = [
        np.array([np.mean(group.values.get(f"dinucleotide {two}", 0)) for two in _TWOS])
        for group in groups
    ]
    _draw_bars(axes, _TWOS, fractions, colors)
    axes.set_ylabel("Mean fraction")
    axes.set_xlabel("dinucleotide")


def _draw_bars(
    axes: Axes,
    names: Sequence[str],
    heights: Sequence[np.ndarray],
    colors: Sequence[str],
) -> None:
    """Draws a bar for each name and group."""
    width = 0.8 / max(1, len(heights))
    for i, of_group in enumerate(heights):
        places = np.arange(len(names)) + (i - (len(heights) - 1) / 2) * width
        axes.bar(places, of_group, width, color=colors[i])
    axes.set_xticks(range(len(names)), names)


def _draw_rules(axes: Axes, report: "MatchingReport") -> None:
    """Draws the AUROC of all rules, sorted, before and after matching."""
    for rules, color in (
        (report.rules_before, plotting.GRAY),
        (report.rules_after, plotting.BLUE),
    ):
        axes.plot([rule.auroc for rule in rules], color=color)
    if report.rules_after:
        best: Rule = report.rules_after[0]
        axes.annotate(best.feature.name, (0, best.auroc), color=plotting.BLUE)
    axes.axhline(report.threshold, linestyle="--", color=plotting.GRAY)
    axes.set_ylim(0.45, 1.0)
    axes.set_ylabel("AUROC of the rule alone")
    axes.set_xlabel("rules of the audit, the best first")
