"""The page of a panel, which needs nothing else."""

from typing import TYPE_CHECKING, Any

from deeprke_tf.explaining import web_page
from deeprke_tf.explaining.report_quality import Figure
from deeprke_tf.explaining.report_tables import Cell, Table, interval, number, table
from deeprke_tf.panels import figures
from deeprke_tf.panels.clustering import Heatmap
from deeprke_tf.system import plotting
from deeprke_tf.system.messages import counted

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 5  # RBPs that a sentence names


def render(
    contents: dict[str, Any], heatmap: Heatmap, enrichment: "pd.DataFrame | None"
) -> str:
    """Returns the page.

    Args:
      contents: Of `panel.json`.
      heatmap: What to draw.
      enrichment: Of `enrichment.enrichment_table`; None: there is no background.
    """
    return web_page.render(
        "panel.html.jinja",
        {
            **contents,
            "verdict": _verdict(contents, enrichment),
            "heatmap": _heatmap_figure(heatmap, contents["counts"]["sites"]),
            "odds_ratios": None if enrichment is None else _odds_figure(enrichment),
            "table": _calls_table(contents)
            if enrichment is None
            else _enrichment_table(contents, enrichment),
            "skipped": _skipped_table(contents["counts"]),
        },
        "deeprke_tf.panels",
    )


def _verdict(contents: dict[str, Any], enrichment: "pd.DataFrame | None") -> list[str]:
    """Returns what was found, in sentences."""
    counts, fdr = contents["counts"], contents["settings"]["fdr"]
    most = sorted(contents["rbps"], key=lambda row: -row["n_called"])
    names = [
        f"{row['rbp']} ({row['n_called']:,})"
        for row in most[:_NAMED]
        if row["n_called"]
    ]
    first = (
        f"{counted(counts['sites'], 'site')} and {counted(len(most), 'RBP')}: "
        f"{counted(counts['called'], 'call')} at an FDR of {fdr:g}"
    )
    sentences = [f"{first}, most of {', '.join(names)}." if names else f"{first}."]
    if enrichment is not None:
        found = enrichment[(enrichment.q_value <= 0.05) & (enrichment.odds_ratio > 1)]
        best = [
            f"{row.rbp} (odds ratio {row.odds_ratio:.1f})"
            for row in found.head(_NAMED).itertuples()
        ]
        what = ", ".join(best) or "none"
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        sentences.append(
            f"Bound more often than the background (q ≤ 0.05): {what}{more}."
        )
        n_less = int(((enrichment.q_value <= 0.05) & (enrichment.odds_ratio < 1)).sum())
        if n_less:
            sentences.append(
                f"Bound less often: {n_less:,} of {len(enrichment):,} RBPs."
            )
    return sentences


def _heatmap_figure(heatmap: Heatmap, n_sites: int) -> Figure:
    svg = plotting.inline_svg(lambda path: figures.draw_heatmap(heatmap, path), "map")
    if heatmap.called is not None:
        rows = "Each row is a site, each column an RBP; white dots are calls."
    else:
        of = f"a random {heatmap.n_sites:,} of " if heatmap.n_sites < n_sites else ""
        rows = (
            f"Each row is the mean of a cluster of sites, of {of}{n_sites:,}, each "
            "column an RBP."
        )
    return Figure(
        svg,
        f"Heatmap of calibrated probabilities, {len(heatmap.rows)} rows and "
        f"{len(heatmap.columns)} RBPs; the tables have the numbers.",
        f"Calibrated probabilities. {rows} Rows and columns that are alike lie side by "
        "side (average linkage).",
    )


def _odds_figure(enrichment: "pd.DataFrame") -> Figure:
    svg = plotting.inline_svg(
        lambda path: figures.draw_odds_ratios(enrichment, path), "odds"
    )
    return Figure(
        svg,
        f"Odds ratios of {len(enrichment)} RBPs with 95 % intervals; the table has the "
        "numbers.",
        "Odds of a site to be bound over those of a background site, with 95 % "
        "intervals. In color where the q-value is at most 0.05.",
    )


def _calls_table(contents: dict[str, Any]) -> Table:
    return table(
        "RBPs and their calls",
        ("RBP", "called", "above threshold", "mean calibrated probability"),
        [
            [
                *(row["rbp"], number(row["n_called"], ",d")),
                *(number(row["n_bound"], ",d"), number(row["mean_probability"])),
            ]
            for row in sorted(contents["rbps"], key=lambda row: -row["n_called"])
        ],
    )


def _enrichment_table(contents: dict[str, Any], enrichment: "pd.DataFrame") -> Table:
    called = {row["rbp"]: row["n_called"] for row in contents["rbps"]}
    rows: list[list[Cell | str]] = [
        [
            *(row.rbp, number(called[row.rbp], ",d")),
            *(number(row.fraction_bound, ".1%"),),
            number(row.fraction_background_bound, ".1%"),
            number(row.odds_ratio, ".2f"),
            interval([row.odds_ratio_low, row.odds_ratio_high], ".2f"),
            *(number(row.q_value, ".2g"), number(row.mean_probability)),
        ]
        for row in enrichment.itertuples()
    ]
    columns = ("RBP", "called", "bound", "background bound", "odds ratio")
    more = ("95 % interval", "q-value", "mean calibrated probability")
    return table("RBPs, their calls and their enrichment", (*columns, *more), rows)


def _skipped_table(counts: dict[str, Any]) -> Table | None:
    rows = [
        [of, reason, number(n, ",d")]
        for of, key in (("sites", "skipped"), ("background", "background_skipped"))
        for reason, n in counts[key].items()
    ]
    return (
        table("Sites that were not scored", ("of", "why", "sites"), rows)
        if rows
        else None
    )
