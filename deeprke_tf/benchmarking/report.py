"""The report of a benchmark: Markdown, a self-contained HTML page, and figures."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import markdown_it
import pandas as pd

from deeprke_tf.benchmarking import figures as benchmark_figures
from deeprke_tf.benchmarking import tables
from deeprke_tf.benchmarking.experiments import PROTOCOLS, Benchmark, Experiment
from deeprke_tf.benchmarking.results import mean_aurocs, published_of, read
from deeprke_tf.system.files import written_aside

_MASKED = {"3prime-edge": "debiased", "both-edges": "both edges masked"}

_PROTOCOLS = {
    "frozen": (
        "Validation is split off the training sites and all is chosen on it; the test "
        "sites are scored once. AUROCs are means over seeds."
    ),
    "grouped": (
        "As frozen, and validation sites have no 38 letters in a row in common with "
        "training sites, directly or through others. The test sites are the same: "
        "pairs and figures also show the methods of frozen."
    ),
}
# The protocol that each protocol is compared with: its test sites are the same.
_SAME_TEST = {"grouped": "frozen"}
_STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "td,th{border:1px solid #ccc;padding:.2em .6em}img{max-width:100%}"
)


def report(
    benchmark: Benchmark,
    out: Path,
    experiments: Sequence[Experiment],
    published: pd.DataFrame,
    only: Sequence[str] | None = None,
) -> list[Path]:
    """Writes the report of all results.

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
    printed = published_of(published, experiments)
    drawn: list[Path] = []
    lines = [f"# {benchmark.upper().replace('RBP', 'RBP-')} benchmark", ""]
    if not results:
        lines += ["There are no results yet.", ""]
    for protocol in PROTOCOLS:
        if any(result["protocol"] == protocol for result in results):
            lines += _section(results, protocol, experiments, printed, directory, drawn)
    lines += [*_notes(results), *_missing(results, experiments), *_provenance(results)]
    markdown = directory / "report.md"
    _write(markdown, "\n".join(lines) + "\n")
    html = directory / "report.html"
    _write(html, _to_html("\n".join(lines), directory))
    return [markdown, html, *drawn]


def _section(
    results: Sequence[Mapping[str, Any]],
    protocol: str,
    experiments: Sequence[Experiment],
    published: pd.DataFrame,
    directory: Path,
    drawn: list[Path],
) -> list[str]:
    """Returns the lines of one protocol, its figures drawn."""
    plain = tables.in_order(mean_aurocs(results, protocol, "none"), experiments)
    lines = [f"## Protocol {protocol}", "", _PROTOCOLS[protocol], ""]
    masked = {
        name: mean_aurocs(results, protocol, mask) for mask, name in _MASKED.items()
    }
    masked = {name: table for name, table in masked.items() if not table.empty}
    if masked:
        lines += [
            "Debiased: the last base of each site and three bases on each side of it "
            "are N in training and test. Both edges masked: the base before the first "
            "one of the site, too. A dash: not run, or not possible because letter "
            "case does not mark the site in all files.",
            "",
        ]
    lines += tables.auroc_table({"": plain, **masked}, published, experiments)
    if plain.empty:
        return lines
    elsewhere = mean_aurocs(results, _SAME_TEST.get(protocol, ""), "none")
    elsewhere = elsewhere.rename(columns=lambda name: f"{name}, frozen")
    lines += tables.pairs(plain, elsewhere, published)
    lines += tables.parts(results, directory, list(plain.index), protocol)
    figures = _figures(plain.join(elsewhere), published, directory, protocol)
    for path, title in figures.items():
        lines += [f"![{title}]({path.name})", ""]
    drawn += figures
    return lines


def _figures(
    aurocs: pd.DataFrame, published: pd.DataFrame, directory: Path, protocol: str
) -> dict[Path, str]:
    """Draws the figures of one protocol; returns their titles by file."""
    printed = published.reindex(aurocs.index)
    bars = directory / f"bars_{protocol}.png"
    benchmark_figures.bars(aurocs, printed, bars)
    drawn = {bars: "AUROC by experiment and method"}
    pairs = directory / f"pairs_{protocol}.png"
    if benchmark_figures.pairs(aurocs, printed, pairs):
        drawn[pairs] = "Two methods on each experiment"
    return drawn


def _notes(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the notes of experiments with too few sites for intervals."""
    noted = {(one["experiment"], one["note"]): None for one in results if "note" in one}
    lines = [f"- `{experiment}`: {note}" for experiment, note in noted]
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


def _provenance(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns seeds, dates, commands and versions of the results."""
    if not results:
        return []
    seeds = sorted({result["seed"] for result in results})
    times = sorted(result.get("finished", "") for result in results)
    commands = dict.fromkeys(str(result.get("command") or "") for result in results)
    versions = dict.fromkeys(
        ", ".join(f"{name} {version}" for name, version in (found or {}).items())
        for found in (result.get("versions") for result in results)
    )
    return [
        "## How",
        "",
        f"- seeds: {', '.join(map(str, seeds))}",
        f"- {len(results)} results, from {times[0]} to {times[-1]}",
        *(f"- command: `{text}`" for text in commands if text),
        *(f"- versions: `{text}`" for text in versions if text),
        "",
    ]


def _to_html(markdown: str, directory: Path) -> str:
    """Returns the report as a page that needs no other file."""
    body = markdown_it.MarkdownIt("commonmark").enable("table").render(markdown)
    for path in directory.glob("*.png"):
        data = base64.b64encode(path.read_bytes()).decode()
        body = body.replace(f'src="{path.name}"', f'src="data:image/png;base64,{data}"')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Benchmark</title>'
        f"<style>{_STYLE}</style>\n{body}</html>\n"
    )


def _write(path: Path, text: str) -> None:
    with written_aside(path) as file:
        file.write(text)
