"""Figures of scanned RNAs: profile, windows, called sites, loop contexts.

They are drawn without pyplot, in colors that are safe for any color vision, and written
as SVG and as PNG.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import LOOP_CONTEXTS, loop_contexts
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning.files import PLOTS, ScanWriter
from deeprke_tf.scanning.rnas import Rnas
from deeprke_tf.scanning.scorer import cut
from deeprke_tf.scanning.tracks import safe_name
from deeprke_tf.scanning.windows import CalledSite, Tiling, profile
from deeprke_tf.system.files import path_aside

# Of Okabe and Ito. Both dangling ends are gray: a light one, a dark one.
_BLUE, _PURPLE, _GRAY = "#0072B2", "#CC79A7", "#666666"
_CONTEXTS = {
    "S": ("stem", "#333333"),
    "H": ("hairpin", "#D55E00"),
    "I": ("internal loop or bulge", "#F0E442"),
    "M": ("multiloop or between stems", "#009E73"),
    "F": ("dangling 5' end", "#D9D9D9"),
    "T": ("dangling 3' end", "#999999"),
}
_MOST_COLUMNS = 700  # of the strip of contexts: each at least a pixel wide
_MOST_LETTERS = 120  # that can be read side by side
_NOT_IN_FILE_NAMES = re.compile(r"[^\w.+-]")


def draw_rnas(
    names: Sequence[str],
    rnas: Rnas,
    run: Run,
    pool: FoldingPool | None,
    writer: ScanWriter,
) -> Iterator[str]:
    """Draws some RNAs of a scan.

    Args:
      names: The RNAs; they have been scored.
      rnas: The RNAs of the scan.
      run: The model.
      pool: Folds windows, most of which are in its cache; None for a model that does
        not read structure.
      writer: Has the scores and the called sites.

    Yields:
      The files, relative to the directory of the scan.
    """
    drawn = {}
    if pool is not None:
        drawn = {
            safe_name(rna.name): rna
            for rna in rnas.read(run.encoding.k, unique_names=True)
            if isinstance(rna, Rna) and safe_name(rna.name) in names
        }
    (writer.out / PLOTS).mkdir(exist_ok=True)
    for scored in writer.store.scored("scanned"):
        if scored.name not in names:
            continue
        starts, ends = writer.tiling.place(scored.length)
        contexts = None
        if pool is not None:
            rna = drawn[scored.name]
            contexts = window_contexts(rna, writer.tiling, run.encoding.k, pool)
        # The row number distinguishes names that differ in replaced characters only.
        stem = _NOT_IN_FILE_NAMES.sub("_", scored.name)[:100]
        files = [f"{PLOTS}/{stem}_{scored.row}.{form}" for form in ("svg", "png")]
        track_figure(
            [writer.out / file for file in files],
            title=f"{writer.model} on {scored.name}",
            starts=starts,
            ends=ends,
            probabilities=scored.probabilities,
            sites=writer.sites_of(scored),
            threshold=writer.calling.threshold,
            contexts=contexts,
        )
        yield from files


def window_contexts(rna: Rna, tiling: Tiling, k: int, pool: FoldingPool) -> str:
    """Returns the loop context that most windows over each position give it.

    It is blank where no window has a known letter.
    """
    votes = np.zeros([len(LOOP_CONTEXTS), len(rna.sequence)], int)
    starts, _ends = tiling.place(len(rna.sequence))
    windows = enumerate(cut(rna, tiling, k))
    # As the model reads them: without N at the ends.
    read = {i: window for i, window in windows if isinstance(window, Site)}
    dot_brackets = pool.structures_of(list(read.values()))
    for (i, site), dot_bracket in zip(read.items(), dot_brackets, strict=True):
        start = rna.sequence.index(site.sequence, starts[i])
        letters = np.array(list(loop_contexts(dot_bracket)))
        for j, letter in enumerate(LOOP_CONTEXTS):
            votes[j, start : start + len(letters)] += letters == letter
    contexts = np.array(list(LOOP_CONTEXTS))[votes.argmax(axis=0)]
    return "".join(np.where(votes.any(axis=0), contexts, " "))


def track_figure(
    paths: Sequence[Path],
    *,
    title: str,
    starts: np.ndarray,
    ends: np.ndarray,
    probabilities: np.ndarray,
    sites: Sequence[CalledSite],
    threshold: float,
    contexts: str | None = None,
) -> None:
    """Draws the tracks of one RNA.

    Args:
      paths: Files to write; `.svg` or `.png`.
      title: Title of the figure.
      starts: Starts of the windows, ascending, [n_windows].
      ends: Their ends, [n_windows].
      probabilities: Their probabilities; NaN where there is none, [n_windows].
      sites: The called sites.
      threshold: Windows are called from here; no line if infinite.
      contexts: Loop context of every position of the RNA, blank where it is not known;
        None: no strip of contexts.
    """
    figure = Figure(figsize=(10.0, 4.4 if contexts else 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    if contexts:
        axes, bottom = figure.subplots(2, sharex=True, height_ratios=[6, 1])
        _draw_contexts(bottom, contexts)
        _name_contexts(figure, contexts)
    else:
        axes = bottom = figure.subplots()
    _draw_probabilities(axes, starts, ends, probabilities, threshold)
    _draw_sites(axes, sites)
    axes.set_title(title, loc="left", fontsize=11)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=8
    )
    bottom.set_xlim(0, int(ends[-1]))
    bottom.set_xlabel("Position (nt, from the 5' end)")
    bottom.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    for path in paths:
        _write(figure, path)


def _draw_probabilities(
    axes: Axes,
    starts: np.ndarray,
    ends: np.ndarray,
    probabilities: np.ndarray,
    threshold: float,
) -> None:
    """Draws the profile as an area, each window as a point at its middle."""
    _draw_profile(axes, *profile(starts, ends, probabilities))
    axes.plot(
        (starts + ends) / 2,
        probabilities,
        "o",
        color=_BLUE,
        markersize=3 if len(starts) <= 400 else 1,
        label="window (at its middle)",
    )
    if np.isfinite(threshold):
        axes.axhline(
            threshold,
            linestyle="--",
            linewidth=1,
            color=_GRAY,
            label=f"threshold {threshold:.3f}",
        )
    axes.set_ylabel("Probability")
    axes.set_ylim(-0.02, 1.1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E5E5E5", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_profile(
    axes: Axes, left: np.ndarray, right: np.ndarray, highest: np.ndarray
) -> None:
    if not len(left):
        return
    # Where windows without a probability leave a gap, the area has none either.
    gaps = np.flatnonzero(left[1:] != right[:-1]) + 1
    axes.stairs(
        np.insert(highest, gaps, 0.0),
        np.append(np.insert(left, gaps, right[gaps - 1]), right[-1]),
        fill=True,
        color=_BLUE,
        alpha=0.35,
        linewidth=0,
        label="highest over a position",
    )


def _draw_sites(axes: Axes, sites: Sequence[CalledSite]) -> None:
    """Draws called sites as bars above the profile, a mark at each summit."""
    if not sites:
        return
    spans = [(site.start, site.end - site.start) for site in sites]
    axes.broken_barh(spans, (1.03, 0.05), color=_PURPLE, label="called site")
    axes.plot(
        [site.summit for site in sites],
        [1.055] * len(sites),
        "|",
        color="white",
        markersize=5,
    )


def _draw_contexts(axes: Axes, contexts: str) -> None:
    """Draws the fraction of each loop context, by columns of nucleotides."""
    n_columns = min(len(contexts), _MOST_COLUMNS)
    edges = np.linspace(0, len(contexts), n_columns + 1)
    column = np.searchsorted(edges, np.arange(len(contexts)) + 0.5) - 1
    letters = np.array(list(contexts))
    size = np.bincount(column, minlength=n_columns)
    below = np.zeros(n_columns)
    for letter, (_name, color) in _CONTEXTS.items():
        fraction = np.bincount(column[letters == letter], minlength=n_columns) / size
        axes.stairs(
            below + fraction, edges, baseline=below, fill=True, color=color, linewidth=0
        )
        below += fraction
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.set_ylabel("Context", rotation=0, ha="right", va="center")
    axes.spines[["top", "right", "left"]].set_visible(False)
    if len(contexts) <= _MOST_LETTERS:
        for position, letter in enumerate(contexts):
            color = "white" if letter in "SHM" else "black"
            axes.text(
                position + 0.5,
                0.5,
                letter,
                ha="center",
                va="center",
                color=color,
                fontsize=6,
                family="monospace",
            )


def _name_contexts(figure: Figure, contexts: str) -> None:
    """Adds a legend of the loop contexts that occur."""
    patches = [
        Patch(facecolor=color, label=f"{letter}  {name}")
        for letter, (name, color) in _CONTEXTS.items()
        if letter in contexts
    ]
    figure.legend(
        handles=patches,
        loc="outside lower center",
        ncols=len(patches),
        frameon=False,
        fontsize=8,
    )


def _write(figure: Figure, path: Path) -> None:
    form = path.suffix.lstrip(".")
    # The same picture is the same file: no date, no random names in it.
    metadata = {"Date": None} if form == "svg" else {}
    with (
        path_aside(path) as partial,
        matplotlib.rc_context({"svg.hashsalt": "deeprke"}),
    ):
        figure.savefig(partial, dpi=150, format=form, metadata=metadata)
