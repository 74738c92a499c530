"""Figures of a training run and of an evaluation, as PNG files."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from sklearn import metrics as sklearn_metrics

from deeprke_tf.evaluation import metrics
from deeprke_tf.evaluation.intervals import wilson_interval
from deeprke_tf.system import plotting
from deeprke_tf.system.messages import counted

HISTORY_COLUMNS = ("epoch", "loss", "val_loss", "val_auroc")

# Curves are thinned to one point per cell of this grid, which is finer than a pixel.
_CELLS = 1000


def evaluation_figures(
    directory: Path,
    split: str,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    measured: Mapping[str, Any],
) -> list[Path]:
    """Draws ROC curve, precision-recall curve and reliability diagram of a split.

    Args:
      directory: Directory of the figures; made if missing.
      split: Part of their names and titles.
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      measured: Measures of these sites, as in `metrics.json`. Curves are left out if a
        class is missing, the reliability diagram without `calibration`.

    Returns:
      The paths written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    title = f"{measured['data']}, {split} ({counted(measured['n_sites'], 'site')})"
    drawn = []
    if measured["auroc"] is not None:
        for name, draw, interval in (
            ("roc", roc_curve, measured["auroc_ci"]),
            ("precision_recall", precision_recall_curve, measured["auprc_ci"]),
        ):
            drawn.append(directory / f"{name}_{split}.png")
            draw(labels, probabilities, drawn[-1], title=title, interval=interval)
    if "calibration" in measured:
        before, after = (measured["calibration"][when] for when in ("before", "after"))
        drawn.append(directory / f"reliability_{split}.png")
        reliability_diagram(before, after, drawn[-1], title=title)
    return drawn


def learning_curves(
    history: pd.DataFrame | Sequence[Mapping[str, Any]],
    best_epoch: int,
    path: Path,
) -> None:
    """Draws training and validation loss, and validation AUROC, by epoch.

    Args:
      history: One row for each epoch, with `HISTORY_COLUMNS`.
      best_epoch: The epoch whose weights were kept; marked.
      path: PNG file to write or replace.

    Raises:
      ValueError: A column is missing, or `best_epoch` is not in the history.
    """
    history = pd.DataFrame(history)
    missing = [column for column in HISTORY_COLUMNS if column not in history]
    if missing:
        raise ValueError(f"History has no {missing}, only {list(history)}.")
    epochs = history["epoch"]
    if best_epoch not in set(epochs):
        raise ValueError(
            f"best_epoch {best_epoch} is not in the history, which has epochs "
            f"{epochs.min()} to {epochs.max()}."
        )
    figure = plotting.new_figure(9.0, 4.0)
    losses, aurocs = figure.subplots(1, 2)
    losses.plot(epochs, history["loss"], ".-", color=plotting.BLUE, label="Training")
    losses.plot(
        epochs, history["val_loss"], ".-", color=plotting.VERMILION, label="Validation"
    )
    losses.set_ylabel("Loss")
    aurocs.plot(epochs, history["val_auroc"], ".-", color=plotting.VERMILION)
    aurocs.set_ylabel("Validation AUROC")
    for axes in (losses, aurocs):
        plotting.style(axes)
        axes.set_xlabel("Epoch")
        axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
        axes.xaxis.set_major_locator(
            ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
        )
        _mark_epoch(axes, best_epoch)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    plotting.write(figure, path)


def roc_curve(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    path: Path,
    *,
    title: str,
    interval: Sequence[float] | None = None,
) -> None:
    """Draws the receiver operating characteristic, with the AUROC in the legend.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      path: PNG file to write or replace.
      title: Above the axes.
      interval: 95 % confidence interval of the AUROC, low and high.

    Raises:
      UserError: Only one class is present.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    label = _area_label("AUROC", metrics.auroc(labels, probabilities), interval)
    x, y, _ = sklearn_metrics.roc_curve(labels, probabilities)
    with _unit_square(path, title, "False positive rate", "True positive rate") as axes:
        chance = "Chance: AUROC 0.500"
        axes.plot([0, 1], [0, 1], "--", color=plotting.GRAY, label=chance)
        axes.plot(*_thinned(x, y), color=plotting.BLUE, label=label)


def roc_curves(
    sites: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]], path: Path, *, title: str
) -> None:
    """Draws several ROC curves, and in black that of all their sites together.

    Args:
      sites: Labels and probabilities of each curve, by its name.
      path: PNG file to write or replace.
      title: Above the axes.
    """
    pooled = [np.concatenate(values) for values in zip(*sites.values(), strict=True)]
    # The legend is upside down.
    curves = [*list(sites.items())[::-1], ("Pooled", pooled)]
    colors = itertools.cycle(plotting.COLORS)
    with _unit_square(path, title, "False positive rate", "True positive rate") as axes:
        axes.plot([0, 1], [0, 1], "--", color=plotting.GRAY, label="Chance")
        for name, (labels, probabilities) in curves:
            is_pooled = name == "Pooled"
            axes.plot(
                *_thinned(*sklearn_metrics.roc_curve(labels, probabilities)[:2]),
                color="black" if is_pooled else next(colors),
                linewidth=2 if is_pooled else 1,
                zorder=3 if is_pooled else 2,
                label=f"{name}: AUROC {metrics.auroc(labels, probabilities):.3f}",
            )


def precision_recall_curve(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    path: Path,
    *,
    title: str,
    interval: Sequence[float] | None = None,
) -> None:
    """Draws precision against recall, with the AUPRC in the legend.

    Arguments and errors are the same as for `roc_curve`; the interval is of the AUPRC.
    """
    label = _area_label("AUPRC", metrics.auprc(labels, probabilities), interval)
    x, y = _precision_steps(labels, probabilities)
    base_rate = np.asarray(labels, np.float64).mean()
    chance = f"Chance (fraction of bound sites): AUPRC {base_rate:.3f}"
    with _unit_square(path, title, "Recall", "Precision") as axes:
        axes.axhline(base_rate, linestyle="--", color=plotting.GRAY, label=chance)
        axes.step(*_thinned(x, y), where="post", color=plotting.BLUE, label=label)


def reliability_diagram(
    measures_before: Mapping[str, Any],
    measures_after: Mapping[str, Any],
    path: Path,
    *,
    title: str,
) -> None:
    """Draws the fraction of bound sites against the probability, and a histogram.

    Each point is a bin, with the 95 % interval of its fraction (Wilson); calibrated
    probabilities lie on the diagonal.

    Args:
      measures_before: `calibration_measures` of the raw probabilities.
      measures_after: `calibration_measures` of the calibrated probabilities.
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
        low, high = wilson_interval(y, [b["n_sites"] for b in measures["bins"]])
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


@contextmanager
def _unit_square(path: Path, title: str, x_label: str, y_label: str) -> Iterator[Axes]:
    """Yields axes from 0 to 1; writes the figure, with a legend, at the end."""
    figure = plotting.new_figure(5.0, 5.5)
    axes = figure.subplots()
    plotting.style(axes)
    axes.set(title=title, xlabel=x_label, ylabel=y_label, aspect="equal")
    # Slightly more than [0, 1], or lines along the border would be cut in half.
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    yield axes
    figure.legend(loc="outside lower center", frameon=False, reverse=True)
    plotting.write(figure, path)


def _mark_epoch(axes: Axes, epoch: int) -> None:
    axes.axvline(epoch, linestyle=":", color=plotting.GRAY)
    axes.annotate(
        f"Best epoch: {epoch}",
        xy=(epoch, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        color=plotting.GRAY,
    )


def _area_label(measure: str, area: float, interval: Sequence[float] | None) -> str:
    if interval is None:
        return f"{measure} {area:.3f}"
    low, high = interval
    confidence = f"{metrics.CONFIDENCE:.0%} CI"
    return f"{measure} {area:.3f} ({confidence} {low:.3f} to {high:.3f})"


def _precision_steps(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns recall, from 1 to 0, and precision: steps with the AUPRC as their area.

    Average precision sums the precision at which each recall is first reached; lower
    precisions at the same recall would draw spikes.
    """
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, probabilities)
    first_reached = np.append(recall[:-1] != recall[1:], True)
    recall, precision = recall[first_reached], precision[first_reached]
    # scikit-learn adds precision 1 at recall 0, where no site is called.
    precision[-1] = precision[-2]
    return recall, precision


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drops points that follow another one in the same cell of a fine grid."""
    cells = np.round(_CELLS * np.column_stack([x, y]))
    keep = np.append(True, np.any(np.diff(cells, axis=0) != 0, axis=1))
    keep[-1] = True
    return x[keep], y[keep]
