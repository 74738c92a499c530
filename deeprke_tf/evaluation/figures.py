"""Figures of a training run and of its predictions, written as PNG files.

Drawn and written as `deeprke_tf.system.plotting` says.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import metrics as sklearn_metrics

from deeprke_tf.evaluation import metrics
from deeprke_tf.evaluation.reliability_figure import reliability_diagram
from deeprke_tf.system.plotting import BLUE as _BLUE
from deeprke_tf.system.plotting import GRAY as _GRAY
from deeprke_tf.system.plotting import VERMILION as _VERMILION
from deeprke_tf.system.plotting import new_figure as _new_figure
from deeprke_tf.system.plotting import style as _style
from deeprke_tf.system.plotting import write as _write

HISTORY_COLUMNS = ("epoch", "loss", "val_loss", "val_auroc")

# A curve keeps one point in each cell of this grid: smaller than a pixel.
_CELLS = 1000


def evaluation_figures(
    directory: pathlib.Path,
    split: str,
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    measured: Mapping[str, Any],
) -> list[pathlib.Path]:
    """Draws what a split shows of a model: ROC, precision-recall, reliability.

    Args:
      directory: Where they go; made when it does not exist.
      split: Part of their names and titles.
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      measured: What `metrics.json` will hold of them; where it lacks an area, because
        a class is missing, or `calibration`, the figure is left out.

    Returns:
      The paths written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    title = f"{measured['data']}, {split} ({measured['n_sites']:,} sites)"
    drawn = []
    if measured["auroc"] is not None:
        roc = directory / f"roc_{split}.png"
        interval = measured["auroc_ci"]
        roc_curve(labels, probabilities, roc, title=title, auroc_ci=interval)
        precision_recall = directory / f"precision_recall_{split}.png"
        interval = measured["auprc_ci"]
        precision_recall_curve(
            labels, probabilities, precision_recall, title=title, auprc_ci=interval
        )
        drawn += [roc, precision_recall]
    if "calibration" in measured:
        before, after = (measured["calibration"][when] for when in ("before", "after"))
        drawn.append(directory / f"reliability_{split}.png")
        reliability_diagram(before, after, drawn[-1], title=title)
    return drawn


def learning_curves(
    history: pd.DataFrame | Sequence[Mapping[str, Any]],
    best_epoch: int,
    path: pathlib.Path,
) -> None:
    """Draws both losses and the validation AUROC over the epochs.

    Args:
      history: One row for each epoch, with `HISTORY_COLUMNS`.
      best_epoch: The epoch whose model was kept, as in the column `epoch`; marked.
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
    figure = _new_figure(9.0, 4.0)
    losses, aurocs = figure.subplots(1, 2)
    losses.plot(epochs, history["loss"], ".-", color=_BLUE, label="Training")
    losses.plot(epochs, history["val_loss"], ".-", color=_VERMILION, label="Validation")
    losses.set_ylabel("Loss")
    aurocs.plot(epochs, history["val_auroc"], ".-", color=_VERMILION)
    aurocs.set_ylabel("Validation AUROC")
    for axes in (losses, aurocs):
        _style(axes)
        axes.set_xlabel("Epoch")
        axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
        axes.xaxis.set_major_locator(
            ticker.MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
        )
        _mark_epoch(axes, best_epoch)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    _write(figure, path)


def roc_curve(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    path: pathlib.Path,
    *,
    title: str,
    auroc_ci: Sequence[float] | None = None,
    confidence: float = metrics.CONFIDENCE,
) -> None:
    """Draws the receiver operating characteristic, with its area in the legend.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      path: PNG file to write or replace.
      title: Above the axes.
      auroc_ci: Confidence interval of the AUROC, low and high.
      confidence: Of that interval, in (0, 1).

    Raises:
      UserError: Only one class is present.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    auroc = metrics.auroc(labels, probabilities)
    x, y, _ = sklearn_metrics.roc_curve(labels, probabilities)
    figure = _new_figure(5.0, 5.5)
    axes = _unit_square(figure, title)
    axes.plot([0, 1], [0, 1], "--", color=_GRAY, label="Chance: AUROC 0.500")
    axes.plot(
        *_thinned(x, y),
        color=_BLUE,
        label=_area_label("AUROC", auroc, auroc_ci, confidence),
    )
    axes.set_xlabel("False positive rate")
    axes.set_ylabel("True positive rate")
    figure.legend(loc="outside lower center", frameon=False, reverse=True)
    _write(figure, path)


def precision_recall_curve(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    path: pathlib.Path,
    *,
    title: str,
    auprc_ci: Sequence[float] | None = None,
    confidence: float = metrics.CONFIDENCE,
) -> None:
    """Draws precision over recall, with the area below it in the legend.

    Args:
      labels: 1 bound, 0 background, [n_sites].
      probabilities: In [0, 1], [n_sites].
      path: PNG file to write or replace.
      title: Above the axes.
      auprc_ci: Confidence interval of the AUPRC, low and high.
      confidence: Of that interval, in (0, 1).

    Raises:
      UserError: Only one class is present.
      ValueError: The arguments are not labels and probabilities of the same sites.
    """
    auprc = metrics.auprc(labels, probabilities)
    recall, precision = _precision_steps(labels, probabilities)
    base_rate = np.asarray(labels, np.float64).mean()
    figure = _new_figure(5.0, 5.5)
    axes = _unit_square(figure, title)
    axes.axhline(
        base_rate,
        linestyle="--",
        color=_GRAY,
        label=f"Chance (fraction of bound sites): AUPRC {base_rate:.3f}",
    )
    axes.plot(
        *_thinned(recall, precision),
        drawstyle="steps-post",
        color=_BLUE,
        label=_area_label("AUPRC", auprc, auprc_ci, confidence),
    )
    axes.set_xlabel("Recall")
    axes.set_ylabel("Precision")
    figure.legend(loc="outside lower center", frameon=False, reverse=True)
    _write(figure, path)


def _unit_square(figure: Figure, title: str) -> Axes:
    axes = figure.subplots()
    _style(axes)
    axes.set_title(title)
    axes.set_aspect("equal")
    # A little more than [0, 1], or lines along the border would be cut in half.
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    return axes


def _mark_epoch(axes: Axes, epoch: int) -> None:
    axes.axvline(epoch, linestyle=":", color=_GRAY)
    axes.annotate(
        f"Best epoch: {epoch}",
        xy=(epoch, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 4),
        textcoords="offset points",
        ha="center",
        color=_GRAY,
    )


def _area_label(
    measure: str, area: float, interval: Sequence[float] | None, confidence: float
) -> str:
    if interval is None:
        return f"{measure} {area:.3f}"
    low, high = interval
    return f"{measure} {area:.3f} ({confidence:.0%} CI {low:.3f} to {high:.3f})"


def _precision_steps(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Returns recall, from 1 to 0, and precision: steps whose area is the AUPRC.

    Average precision sums the precision at which each recall is first reached; lower
    precisions at the same recall would be spurs of the line.
    """
    precision, recall, _ = sklearn_metrics.precision_recall_curve(labels, probabilities)
    first_reached = np.append(recall[:-1] != recall[1:], True)
    recall, precision = recall[first_reached], precision[first_reached]
    # scikit-learn ends at recall 0 with precision 1, which no site stands for.
    precision[-1] = precision[-2]
    return recall, precision


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out points that follow another one in the same cell of a fine grid."""
    cells = np.round(_CELLS * np.column_stack([x, y]))
    keep = np.append(True, np.any(np.diff(cells, axis=0) != 0, axis=1))
    keep[-1] = True
    return x[keep], y[keep]
