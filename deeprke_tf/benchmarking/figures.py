"""Figures of a benchmark: bars by experiment and method, and pairs of methods."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from deeprke_tf.system import plotting

_EXPERIMENTS_PER_ROW = 8
_LONGEST_NAME = 20
_LOWEST = 0.5

_PUBLISHED = "DeepRKE, published"
# Without a part of the model, with it, and the title; the last three as in the paper's
# Fig. 3.
_PANELS = (
    (_PUBLISHED, "deeprke", "deeprke"),
    ("paper", "deeprke", "Our changes"),
    ("deeprke-no-structure", "deeprke", "Structure"),
    (_PUBLISHED, "paper", "paper"),
    ("no-structure", "paper", "Structure"),
    ("one-hot", "no-structure", "k-mer vectors"),
    ("cnn-only", "paper", "BiLSTM"),
)
_MOST_IN_A_ROW = 3


def bars(ours: pd.DataFrame, published: pd.DataFrame, path: Path) -> None:
    """Draws the AUROC of each method on each experiment.

    Args:
      ours: AUROC by experiment (rows) and preset.
      published: AUROC by experiment and method; "DeepRKE" is drawn, in gray.
      path: PNG file to write or replace.
    """
    methods = {str(name): ours[name] for name in ours}
    if "DeepRKE" in published:
        methods[_PUBLISHED] = published["DeepRKE"]
    names = list(ours.index)
    n_rows = max(1, -(-len(names) // _EXPERIMENTS_PER_ROW))
    per_row = -(-len(names) // n_rows) if names else 1
    figure = plotting.new_figure(12.0, 1.2 + 2.6 * n_rows)
    rows = figure.subplots(n_rows, squeeze=False)[:, 0]
    for i, axes in enumerate(rows):
        some = names[i * per_row : (i + 1) * per_row]
        _draw_bars(axes, some, methods, per_row)
    handles, labels = rows[0].get_legend_handles_labels()
    columns = min(6, len(labels))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False
    )
    plotting.write(figure, path)


def _draw_bars(
    axes: Axes, names: list[str], methods: dict[str, pd.Series], per_row: int
) -> None:
    plotting.style(axes)
    width = 0.8 / len(methods)
    places = np.arange(len(names))
    for i, (method, aurocs) in enumerate(methods.items()):
        is_published = method.endswith(", published")
        # Hatching distinguishes repeated colors.
        hatch = "//" if i >= len(plotting.COLORS) and not is_published else None
        color = plotting.COLORS[i % len(plotting.COLORS)]
        axes.bar(
            places + (i - (len(methods) - 1) / 2) * width,
            aurocs.reindex(names).to_numpy(float) - _LOWEST,
            width,
            bottom=_LOWEST,
            color=plotting.GRAY if is_published else color,
            hatch=hatch,
            edgecolor="white",
            label=method,
        )
    labels = [_short(name) for name in names]
    axes.set_xticks(places, labels, rotation=15, ha="right", fontsize=8)
    axes.set_xlim(-0.6, per_row - 0.4)
    axes.set_ylim(_LOWEST, 1.0)
    axes.set_ylabel("AUROC")
    axes.grid(axis="x", visible=False)


def _short(name: str) -> str:
    """Cuts a name; its start distinguishes experiments."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def pairs(ours: pd.DataFrame, published: pd.DataFrame, path: Path) -> bool:
    """Draws pairs of methods against each other, one point per experiment.

    Args:
      ours: AUROC by experiment (rows) and preset.
      published: AUROC by experiment and method.
      path: PNG file to write or replace.

    Returns:
      Whether a figure was written; without a pair there is none.
    """
    aurocs = {str(name): ours[name] for name in ours}
    if "DeepRKE" in published:
        aurocs[_PUBLISHED] = published["DeepRKE"]
    panels = [
        (aurocs[without], aurocs[full], without, full, title)
        for without, full, title in _PANELS
        if without in aurocs and full in aurocs
    ]
    panels = [one for one in panels if (one[0].notna() & one[1].notna()).any()]
    if not panels:
        return False
    n_rows = -(-len(panels) // _MOST_IN_A_ROW)
    n_columns = -(-len(panels) // n_rows)
    figure = plotting.new_figure(4.0 * n_columns, 4.4 * n_rows)
    places = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes, panel in zip(places, panels, strict=False):
        _draw_pair(axes, *panel)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    plotting.write(figure, path)
    return True


def _draw_pair(
    axes: Axes, x: pd.Series, y: pd.Series, x_name: str, y_name: str, title: str
) -> None:
    plotting.style(axes)
    both = pd.concat([x, y], axis=1).dropna().to_numpy(float)
    lowest = max(0.0, min(_LOWEST, float(both.min()) - 0.02))
    axes.plot([lowest, 1], [lowest, 1], "--", color=plotting.GRAY)
    printed = both.round(3)  # as the report counts who is better
    above = printed[:, 1] > printed[:, 0]
    for chosen, color, marker in (
        (above, plotting.BLUE, "o"),
        (~above, plotting.VERMILION, "s"),
    ):
        axes.plot(both[chosen, 0], both[chosen, 1], marker, color=color, markersize=5)
    axes.set_xlim(lowest, 1)
    axes.set_ylim(lowest, 1)
    axes.set_aspect("equal")
    axes.set_xlabel(f"AUROC, {x_name}")
    axes.set_ylabel(f"AUROC, {y_name}")
    axes.set_title(f"{title}: better in {above.sum()} of {len(both)}")
