"""The report of a model: one HTML page that needs nothing else.

Sections whose input is not there are left out, and the page says how to get them.
"""

from pathlib import Path
from typing import Any

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import in_words
from deeprke_tf.explaining import (
    report_doubts,
    report_model,
    report_motifs,
    report_quality,
    report_sites,
    web_page,
)
from deeprke_tf.explaining.report_examples import read_examples
from deeprke_tf.explaining.report_sources import (
    Sources,
    find_sources,
    made_by,
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
    model, explain = sources.model, sources.explain
    with made_by("train", model):
        manifest = layout.read_manifest(model)
        contents: dict[str, Any] = {
            "title": sources.title,
            "version": __version__,
            "facts": report_model.facts_of(model, manifest),
            "data": report_model.data_table(model, manifest),
            "inputs": report_model.input_table(manifest),
            "learning": report_model.learning_figure(model, manifest),
            "versions": report_model.versions_of(manifest),
            "letters": report_sites.letter_outlines(),
            "letter_colors": report_sites.LETTER_COLORS,
            "raises": plotting.VERMILION,
            "lowers": plotting.BLUE,
        }
    with made_by("evaluate", sources.evaluation or model):
        measured = read_measured(sources, manifest)
        threshold = measured.measures["threshold"]
        contents |= {
            "measured": measured,
            "init_from": manifest.get("init_from", ""),
            "verdict": list(in_words.quality(measured.measures)),
            "measures": report_quality.measure_table(measured),
            "confusion": measured.measures["confusion"],
            "curves": report_quality.curves(measured),
            "calls": report_quality.calls_table(measured.sites, threshold),
        }
    with made_by("explain", explain):
        read = report_motifs.read_motifs(explain, manifest) if explain else None
        sites = read_examples(explain, measured.sites, threshold) if explain else []
        pictures = [report_sites.picture_of(site) for site in sites]
        commands = report_model.commands_of(manifest, explain)
    doubts = report_doubts.read_doubts(sources, manifest, measured)
    return contents | {
        "reading": read,
        "sites": pictures,
        "commands": commands,
        "doubts": doubts,
    }


def render(contents: dict[str, Any]) -> str:
    """Returns the page with these contents."""
    return web_page.render("report.html.jinja", contents)
