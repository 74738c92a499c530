"""The style of figures, and writing them to PNG files.

Figures are drawn without pyplot: they share no state and need no display.
"""

import pathlib

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from deeprke_tf.system.files import path_aside

# Of Okabe and Ito: distinct for any color vision.
BLUE, VERMILION, GRAY = "#0072B2", "#D55E00", "#666666"
GREEN, ORANGE, SKY, PURPLE = "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
COLORS = (BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure; sizes in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def style(axes: Axes) -> None:
    """Gives axes a light grid and no frame."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)


def write(figure: Figure, path: pathlib.Path) -> None:
    """Writes a figure as a PNG file."""
    with path_aside(path) as partial:
        figure.savefig(partial, dpi=150, format="png")
