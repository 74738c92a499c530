"""How good a model is, for its report: measures, confusion and curves."""

from typing import Any, NamedTuple

import numpy as np

from deeprke_tf.evaluation import figures
from deeprke_tf.evaluation.intervals import wilson_interval
from deeprke_tf.explaining.report_sources import Measured
from deeprke_tf.explaining.report_tables import Cell, Table, interval, number, table
from deeprke_tf.system import plotting

_MEASURES = {
    "auroc": ("AUROC", "how often a bound site gets more than a background site"),
    "auprc": ("AUPRC", "precision, averaged over all thresholds by recall"),
    "mcc": ("MCC", "agreement of calls and labels; 0 by chance, 1 at best"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "accuracy": ("accuracy", "fraction of sites called correctly"),
}
_RATES = {
    "recall": ("true_positive", "false_negative", "fraction of bound sites found"),
    "precision": (
        "true_positive",
        "false_positive",
        "fraction of calls that are bound",
    ),
    "specificity": (
        "true_negative",
        "false_positive",
        "fraction of background left out",
    ),
}
_SHOWN_CALLS = 8  # of each sort


class Figure(NamedTuple):
    """A figure of a report.

    Attributes:
      svg: The picture, an element of the page.
      alt: What it shows, for those who do not see it.
      caption: What to see in it.
    """

    svg: str
    alt: str
    caption: str


def measure_table(measured: Measured) -> Table:
    """Returns all measures with their 95 % intervals and meanings."""
    measures = measured.measures
    rows: list[list[Cell | str]] = [
        [
            label,
            number(measures[name]),
            interval(measures.get(f"{name}_ci")),
            meaning,
        ]
        for name, (label, meaning) in _MEASURES.items()
        if measures.get(name) is not None
    ]
    if alone := measures.get("members_auroc"):
        texts = ", ".join(f"{auroc:.3f}" for auroc in alone.values())
        mean = number(sum(alone.values()) / len(alone))
        rows.append(["mean AUROC of the members", mean, "–", f"of each alone: {texts}"])
    for name, (right, wrong, meaning) in _RATES.items():
        n_right, n_wrong = (measures["confusion"][part] for part in (right, wrong))
        if n := n_right + n_wrong:
            ends = wilson_interval(np.array([n_right / n]), [n])
            low_high = [float(end[0]) for end in ends]
            rows.append([name, number(n_right / n), interval(low_high), meaning])
    if calibration := measures.get("calibration"):
        before, after = (calibration[when] for when in ("before", "after"))
        for key, label, meaning in (
            (
                "brier",
                "Brier score",
                "mean squared error of the probability; 0 is best",
            ),
            ("ece", "calibration error", "mean distance to the diagonal; 0 is best"),
        ):
            raw = f"{meaning} ({before[key]:.3f} without calibration)"
            rows.append([label, number(after[key]), "–", raw])
    return table(
        f"Measures on the {measured.split} sites",
        ("measure", "value", "95 % interval", "what it is"),
        rows,
    )


def curves(measured: Measured) -> list[Figure]:
    """Draws ROC curve, precision-recall curve, reliability and probabilities."""
    measures, labels = measured.measures, measured.labels
    drawn: list[Figure] = []
    if labels is not None and measures["auroc"] is not None:
        drawn += _areas(measured)
    if "calibration" in measures:
        before, after = (measures["calibration"][when] for when in ("before", "after"))
        svg = plotting.inline_svg(
            lambda path: figures.reliability_diagram(before, after, path, title=""),
            *("reliability", 12),
        )
        drawn.append(
            Figure(
                svg,
                "Reliability diagram: fraction of bound sites against the predicted "
                f"probability. Calibration error {after['ece']:.3f} with calibration, "
                f"{before['ece']:.3f} without.",
                "Calibration. On the diagonal, 70 of 100 sites with a probability of "
                "0.7 are bound. Bars are 95 % intervals.",
            )
        )
    if labels is not None:
        drawn.append(_probabilities(measured))
    return drawn


def _areas(measured: Measured) -> list[Figure]:
    sites = (measured.labels, measured.probabilities)
    assert sites[0] is not None and sites[1] is not None
    drawn = []
    for draw, name, measure, caption in (
        (
            *(figures.roc_curve, "ROC curve", "auroc"),
            "ROC curve. The closer to the upper left corner the better; a coin lies on "
            "the diagonal.",
        ),
        (
            *(figures.precision_recall_curve, "Precision-recall curve", "auprc"),
            "Precision and recall. To find more bound sites (right) costs precision "
            "(down).",
        ),
    ):
        value, ends = (measured.measures[key] for key in (measure, f"{measure}_ci"))
        svg = plotting.inline_svg(
            lambda path, draw=draw, ends=ends: draw(  # type: ignore[misc]
                *sites, path, title="", interval=ends
            ),
            *(measure, 12),
        )
        alt = f"{name} of the {measured.split} sites: {measure.upper()} {value:.3f}"
        drawn.append(Figure(svg, f"{alt}, 95 % interval {interval(ends)}.", caption))
    return drawn


def _probabilities(measured: Measured) -> Figure:
    """Draws the probabilities of both classes, and the threshold."""
    labels, probabilities = measured.labels, measured.probabilities
    assert labels is not None and probabilities is not None
    threshold = measured.measures["threshold"]

    def draw(path: Any) -> None:
        figure = plotting.new_figure(5.0, 3.6)
        axes = figure.subplots()
        plotting.style(axes)
        edges = np.linspace(0, 1, 41)
        for label, name, color, hatch in (
            (0, "Background", plotting.VERMILION, "///"),
            (1, "Bound", plotting.BLUE, ""),
        ):
            counts, _ = np.histogram(probabilities[labels == label], edges)
            axes.stairs(
                *(counts, edges),
                fill=not hatch,
                color=color,
                alpha=None if hatch else 0.65,
                hatch=hatch,
                label=name,
            )
        axes.axvline(threshold, linestyle="--", color="black", label="Threshold")
        axes.set(xlabel="Probability", ylabel="Sites", xlim=(0, 1))
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        plotting.write(figure, path)

    bound, background = (
        float(np.median(probabilities[labels == label]))
        if (labels == label).any()
        else 0
        for label in (1, 0)
    )
    return Figure(
        plotting.inline_svg(draw, "probabilities", 12),
        f"Histogram of the probabilities: median {bound:.3f} in bound, "
        f"{background:.3f} in background; threshold {threshold:.3f}.",
        "Probabilities of bound and background sites before calibration. Sites right "
        "of the dashed line are called bound.",
    )


def calls_table(sites: Any, threshold: float) -> Table | None:
    """Returns the calls that the model is surest of, right and wrong ones.

    Args:
      sites: The predictions of an evaluation.
      threshold: Probability from which a site is called bound.
    """
    if sites is None:
        return None
    called, bound = sites["probability"] >= threshold, sites["label"] == 1
    kinds = (
        ("bound, found", called & bound, False),
        ("background, called bound", called & ~bound, False),
        ("bound, missed", ~called & bound, True),
    )
    rows = []
    for kind, chosen, ascending in kinds:
        some = sites[chosen].sort_values(
            ["probability", "name"], ascending=[ascending, True]
        )
        for row in some.head(_SHOWN_CALLS).to_dict("records"):
            rows.append(
                [
                    *(kind, row["name"], place(row), str(row.get("gene", ""))),
                    number(row["probability"]),
                    number(row["calibrated_probability"]),
                ]
            )
    head = ("what", "site", "place", "gene", "probability", "calibrated")
    empty = {i for i, name in enumerate(head) if not any(_text(row[i]) for row in rows)}
    return table(
        "The surest calls, and the bound sites missed most clearly",
        [name for i, name in enumerate(head) if i not in empty],
        [[cell for i, cell in enumerate(row) if i not in empty] for row in rows],
    )


def place(row: dict[str, Any]) -> str:
    """Returns coordinates as genome browsers take them, from 1, and the strand.

    >>> place({"chrom": "chr3", "start": 106814, "end": 106915, "strand": "+"})
    'chr3:106,815-106,915 (+)'
    """
    if not row.get("chrom"):
        return ""
    first, last = int(row["start"]) + 1, int(row["end"])
    strand = "−" if row["strand"] == "-" else row["strand"]
    return f"{row['chrom']}:{first:,}-{last:,} ({strand})"


def _text(cell: Cell | str) -> str:
    return cell.text if isinstance(cell, Cell) else cell
