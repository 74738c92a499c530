"""The tables of a benchmark's report, as lines of Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deeprke_tf.benchmarking.comparisons import compare, differences, mean_difference
from deeprke_tf.benchmarking.experiments import Experiment
from deeprke_tf.evaluation.intervals import Difference
from deeprke_tf.system.tables import markdown_table

_PAIRS = ("method", "against", "experiments", "means", "wins", "ties", "losses", "p")
_P = "p is of a two-sided paired Wilcoxon test, not corrected for the number of rows"


def in_order(table: pd.DataFrame, experiments: Sequence[Experiment]) -> pd.DataFrame:
    """Returns the rows in the order of the experiments."""
    names = [one.name for one in experiments if one.name in table.index]
    return table.reindex([*names, *(n for n in table.index if n not in names)])


def means(table: pd.DataFrame, published: pd.DataFrame | None) -> list[str]:
    """Returns the table of mean AUROCs, each compared with the first method.

    Args:
      table: AUROC by experiment (rows) and preset; may be empty.
      published: AUROC by experiment and method.
    """
    columns = _with_published(table, published)
    first, *others = columns
    rows = [[f"**{first}**", *_mean(columns[first]), "", "", ""]]
    for name in others:
        found = compare(columns[first], columns[name])
        cells = ["-", "-", "-"]
        if found is not None:
            p = "too few" if found.p is None else f"{found.p:.2g}"
            cells = [
                # Of like methods, three digits would hide it.
                _difference(mean_difference(columns[first], columns[name]), 4),
                f"{found.wins} of {found.n}"
                + (f", {found.ties} equal" if found.ties else ""),
                p,
            ]
        rows.append([name, *_mean(columns[name]), *cells])
    header = ["method", "experiments", "mean AUROC (95 % interval)"]
    header += [f"{first} is better by", "on", "p"]
    note = (
        "Intervals are of a t-test over the experiments. Differences are over the "
        f"experiments that both have, equal is to three decimals; {_P}. *Published* "
        "numbers are as printed, the others were trained here."
    )
    return [markdown_table(header, rows), "", note, ""]


def _mean(column: pd.Series) -> tuple[str, str]:
    """Returns the number of experiments, and the mean with its interval."""
    known = column.dropna()
    interval = mean_difference(known, known * 0)
    text = f"{known.mean():.3f}"
    if interval is not None:
        text += f" ({max(interval.low, 0):.3f} to {min(interval.high, 1):.3f})"
    return str(len(known)), text


def _with_published(
    table: pd.DataFrame, published: pd.DataFrame | None
) -> pd.DataFrame:
    """Returns all methods, those in print last and marked."""
    if published is None or published.empty:
        return table
    printed = published.reindex(table.index)
    return table.join(printed.rename(columns=lambda name: f"{name}, published"))


def auroc_table(
    table: pd.DataFrame, published: pd.DataFrame | None, names: Mapping[str, str]
) -> list[str]:
    """Returns the table of the AUROC of each experiment.

    Args:
      table: AUROC by experiment (rows) and preset.
      published: AUROC by experiment and method.
      names: Short names of the experiments.
    """
    columns = _with_published(table, published)
    rows = [
        [names.get(str(experiment), str(experiment)), *map(_number, row)]
        for experiment, row in zip(columns.index, columns.to_numpy(), strict=True)
    ]
    return [markdown_table(["experiment", *map(str, columns)], rows), ""]


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"


def pairs(table: pd.DataFrame, published: pd.DataFrame | None) -> list[str]:
    """Returns the table of other pairs than those with the first method.

    Args:
      table: AUROC by experiment and preset.
      published: AUROC by experiment and method; ours are compared with DeepRKE.
    """
    columns = _with_published(table, published)
    ours = [str(name) for name in table]
    printed = [name for name in columns if name == "DeepRKE, published"]
    rows = []
    for i, one in enumerate(ours[1:], start=1):
        for other in (*ours[i + 1 :], *printed):
            if (found := compare(columns[one], columns[other])) is not None:
                both = " / ".join(f"{mean:.3f}" for mean in found.means)
                counts = map(str, (found.wins, found.ties, found.losses))
                p = "too few" if found.p is None else f"{found.p:.2g}"
                rows.append([one, other, str(found.n), both, *counts, p])
    if not rows:
        return []
    note = (
        f"Over the experiments that both have; ties are equal to three decimals; {_P}."
    )
    return ["## Other pairs", "", note, "", markdown_table(_PAIRS, rows), ""]


def parts(
    results: Sequence[Mapping[str, Any]], directory: Path, names: Mapping[str, str]
) -> list[str]:
    """Returns the table of what each component adds to the AUROC; see `differences`."""
    table = differences(results, directory, list(names))
    rows = [
        [names.get(name, f"**{name}**"), *map(_difference, row)]
        for name, row in zip(table.index, table.to_numpy(), strict=True)
        if any(cell is not None for cell in row)
    ]
    if not rows:
        return []
    note = (
        "Differences of AUROC on the same test sites, means over the seeds that both "
        "have, with 95 % intervals: of an experiment by DeLong et al. (sites, not "
        "seeds), of the mean by a t-test over experiments."
    )
    table_text = markdown_table(["experiment", *table], rows)
    return ["## Effect of each component", "", note, "", table_text, ""]


def _difference(cell: Difference | None, digits: int = 3) -> str:
    if cell is None:
        return "-"
    mean, low, high = (f"{x:+.{digits}f}" for x in (cell.mean, cell.low, cell.high))
    return f"{mean} ({low} to {high})"
