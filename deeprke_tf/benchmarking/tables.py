"""The tables of a benchmark's report, as lines of Markdown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from deeprke_tf.benchmarking.comparisons import compare, differences
from deeprke_tf.benchmarking.experiments import Experiment
from deeprke_tf.evaluation.intervals import Difference
from deeprke_tf.system.tables import markdown_table

_PAIRS = ("method", "against", "experiments", "means", "wins", "ties", "losses", "p")


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
      tables: AUROC by experiment (rows) and preset, for each name of a mask; "" stands
        for no mask.
      published: AUROC by experiment and method.
      experiments: The order of rows.
    """
    union = in_order(pd.concat(tables.values(), axis=1), experiments)
    columns = {
        f"{preset}, {name}" if name else str(preset): table[preset]
        for preset in dict.fromkeys(union)
        for name, table in tables.items()
        if preset in table
    }
    columns |= {f"{name}, published": published[name] for name in published}
    table = pd.DataFrame(columns, index=union.index)
    rows = [
        [f"`{experiment}`", *map(_number, row)]
        for experiment, row in zip(table.index, table.to_numpy(), strict=True)
    ]
    means = [f"{_number(table[name].mean())} ({table[name].count()})" for name in table]
    rows.append(["**mean (experiments)**", *means])
    return [markdown_table(["experiment", *table], rows), ""]


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.3f}"


def pairs(
    plain: pd.DataFrame, elsewhere: pd.DataFrame, published: pd.DataFrame
) -> list[str]:
    """Returns the table of pairs, over the experiments that both have.

    Args:
      plain: AUROC by experiment and preset.
      elsewhere: AUROC by another protocol, to compare with; may be empty.
      published: AUROC by experiment and method.
    """
    others = {str(name): elsewhere[name] for name in elsewhere}
    others |= {f"{name}, published": published[name] for name in published}
    rows = []
    for i, one in enumerate(plain):
        against = {str(name): plain[name] for name in plain.columns[i + 1 :]} | others
        for other, aurocs in against.items():
            if (found := compare(plain[one], aurocs)) is not None:
                means = " / ".join(f"{mean:.3f}" for mean in found.means)
                counts = map(str, (found.wins, found.ties, found.losses))
                p = "too few" if found.p is None else f"{found.p:.2g}"
                rows.append([str(one), other, str(found.n), means, *counts, p])
    if not rows:
        return []
    note = (
        "Over the experiments that both have; ties are equal to three decimals; p is "
        "of a two-sided paired Wilcoxon test, not corrected for the number of rows."
    )
    return ["### Pairs", "", note, "", markdown_table(_PAIRS, rows), ""]


def parts(
    results: Sequence[Mapping[str, Any]],
    directory: Path,
    experiments: Sequence[str],
    protocol: str,
) -> list[str]:
    """Returns the table of what each component adds to the AUROC; see `differences`."""
    table = differences(results, directory, experiments, protocol)
    rows = [
        [f"`{name}`" if name != "mean" else "**mean**", *map(_difference, row)]
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
    return ["### Effect of each component", "", note, "", table_text, ""]


def _difference(cell: Difference | None) -> str:
    if cell is None:
        return "-"
    return f"{cell.mean:+.3f} ({cell.low:+.3f} to {cell.high:+.3f})"
