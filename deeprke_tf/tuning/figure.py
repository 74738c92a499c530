"""A picture of a search: the objective against each setting that varied.

Like `deeprke_tf.evaluation.figures` it draws without pyplot, and in colors that are
told apart with any color vision.
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deeprke_tf.system import plotting
from deeprke_tf.tuning.space import Choices, Range, Space

# Of Okabe and Ito.
_BLUE, _VERMILION, _GREEN, _GRAY = "#0072B2", "#D55E00", "#009E73", "#666666"
_COLUMNS = 3
_SPREAD = 0.25  # of trials with the same choice, side by side


def objective_figure(
    path: Path,
    space: Space,
    settings: Sequence[dict[str, Any]],
    aurocs: Sequence[float],
    *,
    start: int | None,
    title: str,
) -> None:
    """Draws the validation AUROC of all trials against each setting.

    Args:
      path: PNG file to write or replace.
      space: The settings that varied, a panel for each.
      settings: All settings of each trial, by name.
      aurocs: Of each trial, NaN where it failed; not all of them.
      start: Index of the trial that the search started from, if it is there.
      title: Above all panels.
    """
    n_rows = math.ceil(len(space) / _COLUMNS)
    n_columns = min(_COLUMNS, len(space))
    figure = Figure(figsize=(3.6 * n_columns, 2.7 * n_rows + 0.9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for panel, (name, domain) in zip(panels, space.items(), strict=False):
        values = [trial[name] for trial in settings]
        _draw(panel, name, domain, values, np.asarray(aurocs), start)
    for panel in panels[len(space) :]:
        panel.set_visible(False)
    for panel in grid[:, 0]:
        panel.set_ylabel("Validation AUROC")
    figure.suptitle(title)
    entries = {
        label: handle
        for panel in panels
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        ncols=len(entries),
        frameon=False,
    )
    plotting.write(figure, path)


def _draw(
    axes: Axes,
    name: str,
    domain: Choices | Range,
    values: Sequence[Any],
    aurocs: np.ndarray,
    start: int | None,
) -> None:
    """Draws one panel."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(name)
    x = _positions(axes, domain, values)
    failed = np.isnan(aurocs)
    ok = ~failed
    axes.plot(x[ok], aurocs[ok], "o", color=_BLUE, alpha=0.7, ms=5, label="Trial")
    if isinstance(domain, Choices):
        _draw_medians(axes, np.round(x), aurocs)
    if failed.any():
        # Below all others, whatever the limits of the axis.
        axes.plot(
            x[failed],
            np.full(failed.sum(), 0.02),
            "x",
            color=_GRAY,
            transform=axes.get_xaxis_transform(),
            label="Failed",
        )
    if start is not None and ok[start]:
        axes.plot(x[start], aurocs[start], "D", color=_VERMILION, ms=7, label="Start")
    best = int(np.nanargmax(aurocs))
    axes.plot(x[best], aurocs[best], "*", color=_GREEN, ms=12, label="Best")


def _positions(
    axes: Axes, domain: Choices | Range, values: Sequence[Any]
) -> np.ndarray:
    """Sets up the horizontal axis; returns where each trial is on it, [n_trials]."""
    if isinstance(domain, Range):
        axes.set_xscale(domain.sampling)
        margin = (domain.max / domain.min) ** 0.05 if domain.sampling == "log" else None
        if margin:
            axes.set_xlim(domain.min / margin, domain.max * margin)
        else:
            axes.margins(x=0.05)
        return np.asarray(values, np.float64)
    choices = [json.dumps(value) for value in domain.values]
    axes.set_xticks(range(len(choices)), [_label(value) for value in domain.values])
    axes.set_xlim(-0.5, len(choices) - 0.5)
    x = np.array([choices.index(json.dumps(value)) for value in values], np.float64)
    for choice in range(len(choices)):
        (trials,) = np.nonzero(x == choice)
        x[trials] += np.linspace(-_SPREAD, _SPREAD, len(trials) + 2)[1:-1]
    return x


def _draw_medians(axes: Axes, choices: np.ndarray, aurocs: np.ndarray) -> None:
    """Marks the median of each choice by a line."""
    label = "Median"
    for choice in np.unique(choices):
        some = aurocs[(choices == choice) & ~np.isnan(aurocs)]
        if len(some):
            ends = choice - 0.35, choice + 0.35
            axes.hlines(np.median(some), *ends, color=_GRAY, lw=1.2, label=label)
            label = "_"  # one entry of the legend


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return "\n".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
