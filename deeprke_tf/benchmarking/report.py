"""The report of a benchmark: Markdown, a self-contained HTML page, and figures."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import markdown_it
import pandas as pd

from deeprke_tf.benchmarking import figures as benchmark_figures
from deeprke_tf.benchmarking import tables
from deeprke_tf.benchmarking.experiments import MASKS, Benchmark, Experiment
from deeprke_tf.benchmarking.names import short_names
from deeprke_tf.benchmarking.results import aurocs, published_of, read
from deeprke_tf.system.files import written_aside
from deeprke_tf.system.tables import markdown_table

_TITLES = {
    "none": "",
    "3prime-edge": ", with the 3' edge masked",
    "both-edges": ", with both edges masked",
}
_MASKED = {
    "3prime-edge": (
        "The last base of each site and three bases on each side of it are N, in "
        "training and test: where RNase T1 cuts, this base tells bound sites."
    ),
    "both-edges": "As above, and the base before the first one of each site is N, too.",
}
_PROTOCOLS = (
    "About a tenth of the training sites is the validation split, on which all is "
    "chosen; the test sites are scored once, and are the same for all. With protocol "
    "`grouped`, validation sites have no 38 letters in a row in common with training "
    "sites, directly or through others; with `frozen` they are drawn at random. AUROCs "
    "are means over seeds."
)
# The first column stays in sight when a wide table is scrolled.
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "td,th{border:1px solid #ccc;padding:.2em .6em}img{max-width:100%}"
    "td:first-child,th:first-child{position:sticky;left:0;background:#fff;"
    "white-space:nowrap}"
)


def report(
    benchmark: Benchmark,
    out: Path,
    experiments: Sequence[Experiment],
    published: pd.DataFrame,
    only: Sequence[str] | None = None,
) -> list[Path]:
    """Writes the report of all results: means first, then experiments, then the rest.

    Args:
      benchmark: "rbp31" or "rbp24".
      out: The directory of the results.
      experiments: All experiments, also incomplete ones.
      published: Published AUROCs, from `results.read_published`.
      only: Names of the experiments to report on; all if None.

    Returns:
      The files written.

    Raises:
      UserError: A file among the results is not a result.
    """
    results = read(out, benchmark)
    if only is not None:
        results = [result for result in results if result["experiment"] in only]
        experiments = [one for one in experiments if one.name in only]
    directory = out / benchmark
    directory.mkdir(parents=True, exist_ok=True)
    names = short_names([one.name for one in experiments])
    lines = [f"# {benchmark.upper().replace('RBP', 'RBP-')} benchmark", ""]
    drawn: list[Path] = []
    if not results:
        lines += ["There are no results yet.", ""]
    for mask in MASKS:
        table = tables.in_order(aurocs(results, mask), experiments)
        if table.empty:
            continue
        printed = published_of(published, experiments) if mask == "none" else None
        lines += _section(table, printed, names, mask)
        if mask == "none":
            # Of sites as they are.
            figures = _figures(table, printed, names, directory)
            for path, title in figures.items():
                lines += [f"![{title}]({path.name})", ""]
            drawn += figures
            lines += tables.pairs(table, printed)
            lines += tables.parts(results, directory, names)
    lines += [*_notes(results, names), *_missing(results, experiments)]
    lines += [*_how(results), *_files(results, names)]
    markdown = directory / "report.md"
    _write(markdown, "\n".join(lines) + "\n")
    html = directory / "report.html"
    _write(html, _to_html("\n".join(lines), directory))
    return [markdown, html, *drawn]


def _section(
    table: pd.DataFrame,
    published: pd.DataFrame | None,
    names: Mapping[str, str],
    mask: str,
) -> list[str]:
    """Returns the tables of one mask: means, then experiments."""
    lines = [f"## Mean AUROC{_TITLES[mask]}", ""]
    if mask in _MASKED:
        lines += [_MASKED[mask], ""]
    lines += tables.means(table, published)
    lines += [f"### Each experiment{_TITLES[mask]}", ""]
    return lines + tables.auroc_table(table, published, names)


def _figures(
    table: pd.DataFrame,
    published: pd.DataFrame | None,
    names: Mapping[str, str],
    directory: Path,
) -> dict[Path, str]:
    """Draws the figures; returns their titles by file."""
    printed = pd.DataFrame() if published is None else published
    printed = printed.reindex(table.index).rename(index=names)
    table = table.rename(index=names)
    bars = directory / "bars.png"
    benchmark_figures.bars(table, printed, bars)
    drawn = {bars: "AUROC by experiment and method"}
    pairs = directory / "pairs.png"
    if benchmark_figures.pairs(table, printed, pairs):
        drawn[pairs] = "Two methods on each experiment"
    return drawn


def _notes(results: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Returns the notes of experiments with too few sites for intervals."""
    noted = {(one["experiment"], one["note"]): None for one in results if "note" in one}
    lines = [f"- {names.get(name, name)}: {note}" for name, note in noted]
    return ["## Notes", "", *lines, ""] if lines else []


def _missing(
    results: Sequence[Mapping[str, Any]], experiments: Sequence[Experiment]
) -> list[str]:
    """Returns the experiments without results, and why they have none."""
    done = {result["experiment"] for result in results}
    reasons = [
        f"- `{one.name}`: "
        + (f"no {one.missing} among the files" if one.missing else "not run")
        for one in experiments
        if one.name not in done
    ]
    return ["## Missing", "", *(reasons or ["None."]), ""]


def _how(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns protocols, seeds, dates, commands and versions of the results."""
    if not results:
        return []
    times = sorted(result.get("finished", "") for result in results)
    commands = dict.fromkeys(str(result.get("command") or "") for result in results)
    versions = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in (found or {}).items())
        for found in (result.get("versions") for result in results)
    )
    made = pd.DataFrame(results).groupby(["preset", "protocol"])
    rows = [
        [
            *(str(preset), str(protocol), str(of["experiment"].nunique())),
            ", ".join(map(str, sorted(of["seed"].unique()))),
            _precision(of.get("config", [])),
        ]
        for (preset, protocol), of in made
    ]
    return [
        *("## How", "", _PROTOCOLS, ""),
        markdown_table(
            ["method", "protocol", "experiments", "seeds", "precision"], rows
        ),
        "",
        f"- {len(results)} results, from {times[0]} to {times[-1]}",
        *(f"- command: `{text}`" for text in commands if text),
        *(f"- versions: `{text}`" for text in versions if text),
        "",
    ]


def _precision(configs: Iterable[Any]) -> str:
    """Returns that of the networks; other models have NaN in place of settings."""
    networks = [found["train"] for found in configs if isinstance(found, Mapping)]
    names = {False: "float32", True: "mixed bfloat16"}
    found = {names[train["mixed_precision"]] for train in networks}
    return ", ".join(sorted(found)) or "-"


def _files(results: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[str]:
    """Returns the names of the files of each experiment."""
    done = {result["experiment"] for result in results}
    rows = [[name, f"`{file}`"] for file, name in names.items() if file in done]
    if not rows:
        return []
    return ["## Files", "", markdown_table(["experiment", "name of its files"], rows)]


def _to_html(markdown: str, directory: Path) -> str:
    """Returns the report as a page that needs no other file."""
    body = markdown_it.MarkdownIt("commonmark").enable("table").render(markdown)
    for path in directory.glob("*.png"):
        data = base64.b64encode(path.read_bytes()).decode()
        body = body.replace(f'src="{path.name}"', f'src="data:image/png;base64,{data}"')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Benchmark</title>'
        f"<style>{_STYLE}</style>\n{body}</html>\n"
    )


def _write(path: Path, text: str) -> None:
    with written_aside(path) as file:
        file.write(text)
