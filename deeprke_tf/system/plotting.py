"""The style of figures, and writing them to PNG or SVG files.

Figures are drawn without pyplot: they share no state and need no display.
"""

import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

import matplotlib
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
    """Writes a figure as PNG, or as SVG if the name of the file says so."""
    form = "svg" if path.suffix == ".svg" else "png"
    # A date would make each file of the same figure another one.
    metadata = {"Date": None} if form == "svg" else None
    with path_aside(path) as partial:
        figure.savefig(partial, dpi=150, format=form, metadata=metadata)


def inline_svg(
    draw: Callable[[pathlib.Path], None], name: str, font_size: float = 11
) -> str:
    """Returns a figure as an SVG element for a web page.

    The same figure gives the same text. Its letters are text in the font of the page,
    and its ids are told from those of other figures.

    Args:
      draw: Writes the figure to a path, by `write`.
      name: In its ids; different for each figure of a page.
      font_size: In points, as `new_figure` counts them.
    """
    settings: Any = {
        "font.size": font_size,
        "svg.fonttype": "none",
        "svg.hashsalt": name,
    }
    # The title of a figure is below it on a page.
    settings |= {"axes.titlesize": font_size, "legend.fontsize": font_size}
    with (
        tempfile.TemporaryDirectory() as directory,
        matplotlib.rc_context(settings),
    ):
        path = pathlib.Path(directory) / "figure.svg"
        draw(path)
        svg = path.read_text("utf-8")
    # Without its head, and its style, which would be the style of the whole page.
    svg = svg[svg.find("<svg") :].strip()
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;\"]+;?", "", svg)
    svg = re.sub(r"font: [^;\"]*?([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", svg))
    svg = re.sub(
        r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", svg
    )
    return re.sub(r"(url\(|href=\")#", rf"\1#{name}-", svg)
