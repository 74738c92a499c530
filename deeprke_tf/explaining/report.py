"""The report of a model: one HTML page that needs nothing else.

Sections whose input is not there are left out, and the page says how to get them.
"""

from pathlib import Path
from typing import Any

import jinja2

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import in_words
from deeprke_tf.explaining import (
    report_doubts,
    report_examples,
    report_model,
    report_motifs,
    report_quality,
    report_sites,
)
from deeprke_tf.explaining.report_sources import (
    Sources,
    find_sources,
    read_measured,
)
from deeprke_tf.runs import layout
from deeprke_tf.system import directories, files, plotting


def write_report(
    model: Path,
    out: Path,
    *,
    explain: Path | None = None,
    audit: Path | None = None,
    evaluation: Path | None = None,
    extraction: Path | None = None,
) -> Path:
    """Writes the report of a model.

    Args:
      model: The run or ensemble.
      out: HTML file to write or replace.
      explain: Directory of `deeprke explain`.
      audit: Directory of `deeprke audit`.
      evaluation: Directory of `deeprke evaluate`.
      extraction: Directory of `deeprke extract`.

    Returns:
      The file.

    Raises:
      UserError: A directory is not what it should be, a file cannot be read, or `out`
        cannot be written.
    """
    sources = find_sources(
        *(model,),
        explain=explain,
        audit=audit,
        evaluation=evaluation,
        extraction=extraction,
    )
    if out.is_dir():
        raise UserError(f"`out` {out} is a directory; name a file.")
    directories.make_directory(out.parent)
    page = render(contents_of(sources))
    with files.written_aside(out) as file:
        file.write(page)
    return out


def contents_of(sources: Sources) -> dict[str, Any]:
    """Returns everything that the page shows, as its template names it."""
    manifest = layout.read_manifest(sources.model)
    measured = read_measured(sources, manifest)
    threshold = measured.measures["threshold"]
    reading, explained = None, []
    if sources.explain:
        reading = report_motifs.read_motifs(sources.explain, manifest)
        explained = report_examples.read_examples(
            sources.explain, measured.sites, threshold
        )
    doubts = report_doubts.read_doubts(sources, manifest, measured)
    return {
        "title": sources.title,
        "version": __version__,
        "measured": measured,
        "verdict": list(in_words.quality(measured.measures)),
        "measures": report_quality.measure_table(measured),
        "confusion": measured.measures["confusion"],
        "curves": report_quality.curves(measured),
        "calls": report_quality.calls_table(measured.sites, threshold),
        "doubts": doubts,
        "facts": report_model.facts_of(sources.model, manifest),
        "data": report_model.data_table(manifest),
        "inputs": report_model.input_table(manifest),
        "learning": report_model.learning_figure(sources.model, manifest),
        "versions": report_model.versions_of(manifest),
        "commands": report_model.commands_of(manifest, sources.explain),
        "reading": reading,
        "sites": [report_sites.picture_of(site) for site in explained],
        "letters": report_sites.letter_outlines(),
        "letter_colors": report_sites.LETTER_COLORS,
        "raises": plotting.VERMILION,
        "lowers": plotting.BLUE,
    }


def render(contents: dict[str, Any]) -> str:
    """Returns the page with these contents."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("deeprke_tf.explaining"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(contents)
