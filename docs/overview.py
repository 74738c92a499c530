"""Draws docs/overview.png: a scanned RNA above the motif of the model and a known one.

    python docs/overview.py MYRBP docs/known.meme

`make docs-outputs` draws it after the commands of the README.
"""

import csv
import sys
from pathlib import Path

import logomaker
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from deeprke_tf.explaining.meme import read_meme

OUT = Path(__file__).parent / "overview.png"
_COLORS = {"A": "#009e73", "C": "#0072b2", "G": "#e69f00", "U": "#d55e00"}


def draw(workflow: Path, known: Path) -> None:
    """Draws the picture from the directory of `deeprke run` with a scan in it."""
    matplotlib.use("agg")
    (plot,) = (workflow / "scan" / "plots").glob("*.png")
    with (workflow / "explain" / "motifs.tsv").open(encoding="utf-8") as file:
        motif = next(csv.DictReader(file, delimiter="\t"))
    (found, *_) = read_meme(workflow / "explain" / "motifs.meme")
    nearest = {each.name: each for each in read_meme(known)}[motif["known_1"]]
    figure = plt.figure(figsize=(10, 6.3), dpi=120)
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1), hspace=0.12, wspace=0.12)
    scan = figure.add_subplot(grid[0, :])
    scan.imshow(plt.imread(plot), interpolation="lanczos")
    scan.axis("off")
    _logo(
        figure.add_subplot(grid[1, 0]),
        found.probabilities,
        f"the motif of the model, in {motif['n_sites']} of its sites",
    )
    _logo(
        figure.add_subplot(grid[1, 1]),
        nearest.probabilities,
        f"the nearest known one, {nearest.name} (q = {float(motif['q_value_1']):.0e})",
    )
    figure.savefig(OUT, bbox_inches="tight", metadata={"Software": None})


def _logo(axes: plt.Axes, probabilities: np.ndarray, title: str) -> None:
    """Draws a motif, its letters as high as they are certain (bits)."""
    p = np.clip(probabilities, 1e-9, 1)
    bits = p * (2 + (p * np.log2(p)).sum(axis=1, keepdims=True))
    table = pd.DataFrame(bits, columns=list(_COLORS))
    logomaker.Logo(table, ax=axes, color_scheme=_COLORS)
    axes.set_ylim(0, 2)
    axes.set_yticks([0, 1, 2])
    axes.set_xticks([])
    axes.set_ylabel("bits")
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
