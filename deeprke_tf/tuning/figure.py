"""A figure of a search: the validation AUROC of all trials against each setting."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from deeprke_tf.system import plotting
from deeprke_tf.system.plotting import BLUE, GRAY, GREEN, VERMILION
from deeprke_tf.tuning.space import Choices, Domain, Range, Space

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
      space: The settings that varied, one panel each.
      settings: All settings of each trial, by name.
      aurocs: AUROC of each trial, NaN if it failed; at least one is a number.
      start: Index of the trial that has the starting settings, if there is one.
      title: Title above all panels.
    """
    n_rows, n_columns = math.ceil(len(space) / _COLUMNS), min(_COLUMNS, len(space))
    figure = plotting.new_figure(3.6 * n_columns, 2.7 * n_rows + 0.9)
    grid = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for panel, (name, domain) in zip(panels, space.items(), strict=False):
        x = positions(domain, [trial[name] for trial in settings])
        _set_axis(panel, name, domain)
        _draw(panel, domain, x, np.asarray(aurocs), start)
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


def positions(domain: Domain, values: Sequence[Any]) -> np.ndarray:
    """Returns the horizontal position of each trial, [n_trials].

    A number stands at its value, a choice near its index: trials with the same choice
    lie side by side, centered on it.
    """
    if isinstance(domain, Range):
        return np.asarray(values, np.float64)
    choices = [json.dumps(value) for value in domain.values]
    x = np.array([choices.index(json.dumps(value)) for value in values], np.float64)
    for choice in range(len(choices)):
        (trials,) = np.nonzero(x == choice)
        x[trials] += np.linspace(-_SPREAD, _SPREAD, len(trials) + 2)[1:-1]
    return x


def _set_axis(axes: Axes, name: str, domain: Domain) -> None:
    """Sets up the horizontal axis of a panel."""
    plotting.style(axes)
    axes.set_xlabel(name)
    if isinstance(domain, Choices):
        labels = [_label(value) for value in domain.values]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif domain.sampling == "log":
        axes.set_xscale("log")
        margin = (domain.max / domain.min) ** 0.05
        axes.set_xlim(domain.min / margin, domain.max * margin)
    else:
        axes.margins(x=0.05)


def _draw(
    axes: Axes, domain: Domain, x: np.ndarray, aurocs: np.ndarray, start: int | None
) -> None:
    """Draws the trials into a panel."""
    failed = np.isnan(aurocs)
    ok = ~failed
    axes.plot(x[ok], aurocs[ok], "o", color=BLUE, alpha=0.7, ms=5, label="Trial")
    if isinstance(domain, Choices):
        choices = np.round(x[ok])
        for choice in np.unique(choices):
            median = np.median(aurocs[ok][choices == choice])
            ends = choice - 0.35, choice + 0.35
            axes.hlines(median, *ends, color=GRAY, lw=1.2, label="Median")
    if failed.any():
        # Below all others, whatever the limits of the axis.
        axes.plot(
            x[failed],
            np.full(failed.sum(), 0.02),
            "x",
            color=GRAY,
            transform=axes.get_xaxis_transform(),
            label="Failed",
        )
    if start is not None and ok[start]:
        axes.plot(x[start], aurocs[start], "D", color=VERMILION, ms=7, label="Start")
    best = int(np.nanargmax(aurocs))
    axes.plot(x[best], aurocs[best], "*", color=GREEN, ms=12, label="Best")


def _label(value: Any) -> str:
    if isinstance(value, tuple):
        return "\n".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)
