"""Two motifs at varying distance, for the report of a model."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.explaining.report_quality import Figure
from deeprke_tf.system import plotting

_CAPTION = (
    "Two motifs in one shuffled site: what they add to the log odds beyond what each "
    "adds alone, by the nucleotides between them, the 5′ motif named first. Where this "
    "is 0 neither changes what the other does. Bars are 95 % intervals."
)


def spacing_figure(spacings: list[dict[str, Any]]) -> Figure | None:
    """Draws what pairs of motifs add together; None: no pair could be set.

    Args:
      spacings: Of `explain.json`.
    """
    drawn = [spacing for spacing in spacings if spacing["distances"]]
    if not drawn:
        return None
    return Figure(
        plotting.inline_svg(lambda path: _draw(drawn, path), "spacing", 12),
        f"Interaction of two motifs by distance: {'; '.join(map(_in_words, drawn))}.",
        _CAPTION,
    )


def _draw(spacings: list[dict[str, Any]], path: Path) -> None:
    figure = plotting.new_figure(5.0, 4.2)
    axes = figure.subplots()
    plotting.style(axes)
    axes.axhline(0, color=plotting.GRAY, linewidth=1)
    looks = itertools.cycle(zip(plotting.COLORS, plotting.MARKERS, strict=False))
    for place, (spacing, (color, marker)) in enumerate(
        zip(spacings, looks, strict=False)
    ):
        mean, low, high = (_values(spacing, part) for part in ("mean", "low", "high"))
        # Beside each other, so that no interval hides another one.
        x = np.array(spacing["distances"]) + 0.25 * (place - (len(spacings) - 1) / 2)
        axes.vlines(x, low, high, color=color, linewidth=1.5)
        axes.plot(
            x, mean, marker + "-", color=color, markersize=4, label=_pair(spacing)
        )
    # Nothing is not made to look like something.
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, -0.1), max(top, 0.1))
    axes.set(xlabel="Nucleotides between the motifs", ylabel="Log odds")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    plotting.write(figure, path)


def _values(spacing: dict[str, Any], part: str) -> np.ndarray:
    """Returns means or ends of intervals; a mean where there is no interval."""
    found = spacing["interactions"]
    return np.array(
        [one["mean"] if one[part] is None else one[part] for one in found], float
    )


def _pair(spacing: dict[str, Any]) -> str:
    return " and ".join(name.removeprefix("motif_") for name in spacing["names"])


def _in_words(spacing: dict[str, Any]) -> str:
    means = _values(spacing, "mean")
    most = int(np.abs(means).argmax())
    return (
        f"motifs {_pair(spacing)} at most {means[most]:+.2f} log odds, "
        f"{spacing['distances'][most]} nucleotides apart"
    )
