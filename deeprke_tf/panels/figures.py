"""Figures of a panel: the clustered heatmap, and odds ratios of all RBPs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from deeprke_tf.panels.clustering import Heatmap
from deeprke_tf.system import plotting

if TYPE_CHECKING:
    import pandas as pd

# Evenly brighter, and the same to readers of any color vision.
_COLORS = "cividis"
_INCHES_A_COLUMN, _INCHES_A_ROW = 0.26, 0.2
_FEWEST_COLUMNS = 8  # for which there is room: the scale needs it


def draw_heatmap(heatmap: Heatmap, path: Path) -> None:
    """Draws calibrated probabilities with the trees of rows and columns.

    Args:
      heatmap: What to draw.
      path: PNG or SVG file to write.
    """
    n_rows, n_columns = heatmap.values.shape
    tree, labels = 0.7, 0.085 * max(map(len, heatmap.rows))
    width = _INCHES_A_COLUMN * max(_FEWEST_COLUMNS, n_columns)
    height = _INCHES_A_ROW * max(3, n_rows)
    figure = plotting.new_figure(width + tree + labels + 0.4, height + tree + 1.9)
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)  # type: ignore[call-arg]
    grid = figure.add_gridspec(
        3, 2, width_ratios=(tree, width), height_ratios=(tree, height, 0.14)
    )
    axes = figure.add_subplot(grid[1, 1])
    _draw_cells(axes, heatmap)
    _draw_tree(figure.add_subplot(grid[0, 1]), heatmap.column_links, "top")
    _draw_tree(figure.add_subplot(grid[1, 0]), heatmap.row_links, "left")
    _draw_scale(figure, figure.add_subplot(grid[2, 1]), heatmap)
    plotting.write(figure, path)


def _draw_cells(axes: Axes, heatmap: Heatmap) -> None:
    rows, columns = heatmap.row_order, heatmap.column_order
    n_rows, n_columns = len(rows), len(columns)
    axes.pcolormesh(
        heatmap.values[np.ix_(rows, columns)],
        cmap=_COLORS,
        vmin=0,
        vmax=1,
        edgecolors="white",
        linewidth=0.4,
    )
    if heatmap.called is not None:
        y, x = np.nonzero(heatmap.called[np.ix_(rows, columns)])
        axes.plot(
            x + 0.5,
            y + 0.5,
            "o",
            markersize=3.5,
            markerfacecolor="white",
            markeredgecolor="black",
            markeredgewidth=0.6,
        )
    axes.set_xlim(0, max(_FEWEST_COLUMNS, n_columns))
    axes.yaxis.tick_right()
    # Before the labels, which it resets.
    axes.spines["right"].set_position(("data", n_columns))
    names = [heatmap.columns[place] for place in columns]
    # A name may hold dollar signs, which are no mathematics here.
    text: dict[str, Any] = {"fontsize": 8, "parse_math": False}
    axes.set_xticks(np.arange(n_columns) + 0.5, names, rotation=90, **text)
    texts = [heatmap.rows[place] for place in rows]
    axes.set_yticks(np.arange(n_rows) + 0.5, texts, **text)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)


def _draw_tree(axes: Axes, links: np.ndarray | None, side: str) -> None:
    """Draws a tree whose leaves lie at the edge of the cells."""
    from scipy.cluster import hierarchy

    axes.set_axis_off()
    if links is None:
        return
    tree = hierarchy.dendrogram(links, no_plot=True)
    for places, distances in zip(tree["icoord"], tree["dcoord"], strict=True):
        # SciPy puts leaf i at 5 + 10 i; cell i has its middle at i + 0.5.
        along = np.array(places) / 10
        x, y = (along, distances) if side == "top" else (distances, along)
        axes.plot(x, y, color=plotting.GRAY, linewidth=0.8)
    n_leaves = len(links) + 1
    farthest = max(float(links[:, 2].max()), 1e-9)
    if side == "top":
        axes.set(xlim=(0, max(_FEWEST_COLUMNS, n_leaves)), ylim=(0, farthest * 1.03))
    else:
        axes.set(xlim=(farthest * 1.03, 0), ylim=(n_leaves, 0))


def _draw_scale(figure: Figure, axes: Axes, heatmap: Heatmap) -> None:
    from matplotlib.cm import ScalarMappable

    colors = ScalarMappable(Normalize(0, 1), _COLORS)
    what = "mean calibrated probability"
    if heatmap.called is not None:
        dots = "; dots are called" if heatmap.called.any() else ""
        what = f"calibrated probability{dots}"
    figure.colorbar(colors, cax=axes, orientation="horizontal", label=what)


def draw_odds_ratios(table: "pd.DataFrame", path: Path) -> None:
    """Draws odds ratios with their intervals, the largest at the top.

    Args:
      table: Of `enrichment.enrichment_table`.
      path: PNG or SVG file to write.
    """
    rows = table.sort_values("odds_ratio", kind="stable").reset_index(drop=True)
    figure = plotting.new_figure(5.5, 1.2 + 0.2 * len(rows))
    axes = figure.add_subplot()
    plotting.style(axes)
    axes.axvline(1, color=plotting.GRAY, linewidth=0.8)
    for place, row in rows.iterrows():
        color = plotting.GRAY
        if row["q_value"] <= 0.05:
            color = plotting.VERMILION if row["odds_ratio"] > 1 else plotting.BLUE
        ends = [row["odds_ratio_low"], row["odds_ratio_high"]]
        axes.plot(ends, [place, place], color=color, linewidth=1.6)
        axes.plot(row["odds_ratio"], place, "o", color=color, markersize=4)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    ticks = LogLocator(subs=(1, 2, 5)) if high / low < 200 else LogLocator(numticks=7)
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks(range(len(rows)), rows["rbp"], fontsize=8, parse_math=False)
    axes.set_ylim(-0.8, len(rows) - 0.2)
    axes.set_xlabel("odds ratio, 95 % interval")
    plotting.write(figure, path)
