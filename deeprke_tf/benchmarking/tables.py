"""The tables of a benchmark's report, as lines of Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deeprke_tf.benchmarking.differences import Difference, differences
from deeprke_tf.benchmarking.experiments import Experiment
from deeprke_tf.benchmarking.results import Comparison, compare


def in_order(table: pd.DataFrame, experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Returns the rows in the order of the experiments."""
    names = [one.name for one in experiments if one.name in table.index]
    return table.reindex([*names, *(n for n in table.index if n not in names)])


def auroc_table(
    tables: Mapping[str, pd.DataFrame],
    published: pd.DataFrame,
    experiments: Sequence[Experiment],
) -> list[str]:
    """Returns the table of AUROCs.

    Args:
      tables: By what of the sites is masked, "" for nothing; by experiment (rows) and
        preset.
      published: By experiment and method.
      experiments: Their order.
    """
    union = in_order(pd.concat(tables.values(), axis=1), experiments)
    columns: dict[str, pd.Series] = {}
    for preset in dict.fromkeys(union):
        for name, table in tables.items():
            if preset in table:
                title = f"{preset}, {name}" if name else str(preset)
                columns[title] = table[preset].reindex(union.index)
    for method in published.columns:
        columns[f"{method}, published"] = published[method].reindex(union.index)
    rows = [["experiment", *columns]]
    for experiment in union.index:
        cells = [_number(series.get(experiment)) for series in columns.values()]
        rows.append([f"`{experiment}`", *cells])
    means = [
        f"{_number(series.mean())} ({series.count()})" for series in columns.values()
    ]
    rows.append(["**mean (experiments)**", *means])
    return [*_markdown_table(rows), ""]


def _number(value: Any) -> str:
    return "-" if value is None or pd.isna(value) else f"{value:.3f}"


def _markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def pairs(
    plain: pd.DataFrame, elsewhere: pd.DataFrame, published: pd.DataFrame
) -> list[str]:
    """Returns the table of pairs, over the experiments that both have.

    Args:
      plain: AUROC by experiment and preset.
      elsewhere: The same of another protocol, to compare with; empty for none.
      published: By experiment and method.
    """
    methods = {str(name): plain[name] for name in plain}
    printed = {str(name): elsewhere[name] for name in elsewhere}
    printed |= {f"{name}, published": published[name] for name in published.columns}
    rows = [
        ["method", "against", "experiments", "means", "wins", "ties", "losses", "p"]
    ]
    names = list(methods)
    for i, one in enumerate(names):
        others = {name: methods[name] for name in names[i + 1 :]} | printed
        for other, series in others.items():
            if (comparison := compare(methods[one], series)) is not None:
                rows.append([one, other, *_cells(comparison)])
    if len(rows) == 1:
        return []
    note = (
        "Over the experiments that both have; ties are equal to three decimals; p is "
        "of a two-sided paired Wilcoxon test, not corrected for the number of rows."
    )
    return ["### Pairs", "", note, "", *_markdown_table(rows), ""]


def parts(
    results: Sequence[Mapping[str, Any]],
    directory: Path,
    experiments: Sequence[str],
    protocol: str,
) -> list[str]:
    """Returns the table of what parts of a model are worth."""
    table = differences(results, directory, experiments, protocol)
    if table.empty:
        return []
    rows = [["experiment", *map(str, table)]]
    for name, row in table.iterrows():
        cells = [_difference(cell) for cell in row]
        if any(cell != "-" for cell in cells):
            rows.append([f"`{name}`" if name != "mean" else "**mean**", *cells])
    note = (
        "Differences of AUROC on the same test sites, means over the seeds that both "
        "have, with 95 % intervals: of an experiment by DeLong et al. (sites, not "
        "seeds), of the mean by a t-test over experiments."
    )
    return ["### What a part is worth", "", note, "", *_markdown_table(rows), ""]


def _difference(cell: Difference | None) -> str:
    if cell is None:
        return "-"
    return f"{cell.mean:+.3f} ({cell.low:+.3f} to {cell.high:+.3f})"


def _cells(comparison: Comparison) -> list[str]:
    means = " / ".join(f"{mean:.3f}" for mean in comparison.means)
    counts = (comparison.wins, comparison.ties, comparison.losses)
    p = "too few" if comparison.p is None else f"{comparison.p:.2g}"
    return [str(comparison.n), means, *map(str, counts), p]
