"""Prediction as a Beam job, for more sites than one machine can score.

    files -> pieces of some hundred sites -> folds -> scores of each model -> tables

A piece is some consecutive sites of one file. It is folded once for all models, and not
at all for models that do not read structure. The tables of a model, one after another,
are the table of `deeprke predict`: the same rows in the order of the input.
"""

import collections
import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, TaggedOutput

from deeprke_tf import __version__
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.runs.predictions import refused_site
from deeprke_tf.system.directories import Kind
from pipelines.beam import files
from pipelines.beam.folding import NAMESPACE
from pipelines.beam.job import BeamJob
from pipelines.beam.models import Model, find
from pipelines.beam.scoring import Plan, Row, Score, write_shard

SCORES = Kind("set of scores", "scores.json", r".*-\d+-of-\d+\.(tsv|parquet)")

_NT_PER_PIECE = 60_000  # some seconds of folding and scoring


def predict(
    model: Sequence[str],
    sites: str,
    out: str,
    job: BeamJob,
    *,
    format: Literal["tsv", "parquet"] = "tsv",
    sites_per_shard: int = 100_000,
    sites_per_piece: int = 512,
    max_length: int = 5000,
    batch_size: int = 256,
    fold_cache: Path | None = None,
    strict: bool = False,
    overwrite: bool = False,
    rbps: Sequence[str] = (),
    wide: bool = False,
    **calling: Any,
) -> dict[str, Any]:
    """Scores sites with each model; the directory appears when it is complete.

    It holds the tables `MODEL-00000-of-00012.tsv` and so on, and `scores.json`.

    Args:
      model: Exported models, runs or ensembles, each with tables of its own. They must
        agree in k, fold settings and views.
      sites: FASTA or table, plain or gzip, or a pattern of such files.
      out: Directory to make.
      job: The runner and its options.
      format: Of the tables.
      sites_per_shard: Most sites in one table.
      sites_per_piece: Most sites that a worker takes at once.
      max_length: Longest site to score, in nucleotides; longer ones are skipped.
      batch_size: Sites that a network scores at once.
      fold_cache: File of known folds on each worker; None: that of its user.
      strict: Refuse sites that would be skipped.
      overwrite: Whether predictions at `out` are replaced.
      rbps: Of joint models: the RBPs to predict; all by default.
      wide: Of joint models: tables with a row for each site and a column for each RBP.
      **calling: `threshold`, `target`, `prior` and `calibrate`, as for `models.find`.

    Returns:
      The contents of `scores.json`: inputs, models and their tables, in order.

    Raises:
      UserError: A model or the sites cannot be read, a site is skipped in spite of
        `strict`, something else lies at `out`, or the job failed.
    """
    as_one = len(rbps) == 1 and not wide
    plan = Plan(
        tuple(find(path, rbps, as_one, **calling) for path in model),
        tuple(files.matching(sites)),
        *(format, sites_per_shard, sites_per_piece, max_length, batch_size, fold_cache),
        strict=strict,
        wide=wide,
    )
    _check(plan)
    with files.directory_aside(out, overwrite, SCORES) as directory:
        for path in plan.inputs:
            # A wrong name is found here, before the job starts.
            file = SitesFile(path, k=plan.models[0].encoding.k, labelled=False)
            # All tables of a job have the same columns.
            if file.has_places:
                plan = dataclasses.replace(plan, with_places=True)
        job.run(lambda pipeline: _build(pipeline, plan, directory))
        contents = _described(plan, files.take_summary(directory))
        text = json.dumps(contents, indent=2) + "\n"
        files.write(directory, SCORES.marker, text.encode())
    return contents


def _check(plan: Plan) -> None:
    require_positive(
        sites_per_shard=plan.sites_per_shard,
        sites_per_piece=plan.sites_per_piece,
        max_length=plan.max_length,
        batch_size=plan.batch_size,
    )
    first, names = plan.models[0], [model.name for model in plan.models]
    for model in plan.models:
        if plan.wide and not model.rbps:
            raise UserError(f"`wide` is for joint models, and {model.name} is none.")
        if names.count(model.name) > 1:
            raise UserError(f"Two models are called {model.name}; give one of them.")
        if (model.encoding, model.views) != (first.encoding, first.views):
            raise UserError(
                f"{model.name} and {first.name} differ in k, fold settings or views; "
                "give one of them."
            )


def _build(pipeline: beam.Pipeline, plan: Plan, directory: str) -> None:
    """Adds all steps: they write the tables and the summary."""
    read = (
        pipeline
        | "Inputs" >> beam.Create(range(len(plan.inputs)))
        | "OneWorkerPerFile" >> beam.Reshuffle()
        | "ReadSites" >> beam.ParDo(_ReadPieces(plan)).with_outputs("inputs")
    )
    inputs = AsList(read.inputs)
    shards = (
        read[None]
        | "SpreadPieces" >> beam.Reshuffle()
        | "Score" >> beam.ParDo(Score(plan), inputs)
        | "GroupByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(write_shard, plan, directory, inputs)
    )
    files.add_summary(pipeline, directory, inputs=inputs, tables=AsList(shards))


class _ReadPieces(beam.DoFn):
    """Reads one file: its sites in pieces, and its facts as "inputs"."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._n_read = Metrics.counter(NAMESPACE, "sites_read")

    def process(self, index: int) -> Iterator[Any]:
        """Yields ((input, shard), (piece, rows))."""
        plan = self._plan
        facts: dict[str, Any] = {"input": index, "fault": None, "n_sites": 0}
        rows: list[Row] = []
        nt = n_pieces = shard = 0
        try:
            k = plan.models[0].encoding.k
            file = SitesFile(plan.inputs[index], k=k, labelled=False)
            facts["format"] = file.format
            for n_sites, read in enumerate(file, start=1):
                facts["n_sites"] = n_sites
                site = refuse_long(read, n_sites, plan.max_length)
                rows.append(_to_row(site))
                name, *_, skipped = rows[-1][:4]
                if plan.strict and skipped:
                    raise refused_site(plan.inputs[index].name, n_sites, name, skipped)
                nt += len(rows[-1][1])
                self._n_read.inc()
                ends_shard = n_sites % plan.sites_per_shard == 0
                is_full = len(rows) >= plan.sites_per_piece or nt >= _NT_PER_PIECE
                if ends_shard or is_full:
                    yield (index, shard), (n_pieces, rows)
                    rows, nt, n_pieces = [], 0, n_pieces + 1
                    shard += ends_shard
            if rows:
                yield (index, shard), (n_pieces, rows)
        except UserError as error:
            facts["fault"] = str(error)
        yield TaggedOutput("inputs", facts)


def _to_row(site: Site | SkippedSite) -> Row:
    if isinstance(site, Site):
        place = site.locus, site.gene
        return site.name, site.sequence, site.dot_bracket, "", *place
    reason = f"{site.reason}: {site.detail}" if site.detail else site.reason
    return site.name, "", None, reason, None, ""


# === On the launcher, when the job has ended ===


def _described(plan: Plan, summary: dict[str, Any]) -> dict[str, Any]:
    """Returns the contents of `scores.json`."""
    inputs = sorted(summary["inputs"], key=lambda facts: facts["input"])
    for facts in inputs:
        if facts["fault"]:
            raise UserError(facts["fault"])
    tables = sorted(summary["tables"], key=lambda table: table["file"])
    return {
        "deeprke_tf": __version__,
        "format": plan.format,
        "inputs": [
            {
                "file": plan.inputs[facts["input"]].name,
                "format": facts["format"],
                "n_sites": facts["n_sites"],
            }
            for facts in inputs
        ],
        "models": [
            _described_model(model, [t for t in tables if t["model"] == index])
            for index, model in enumerate(plan.models)
        ],
    }


def _described_model(model: Model, tables: list[dict[str, Any]]) -> dict[str, Any]:
    skipped: collections.Counter[str] = collections.Counter()
    for table in tables:
        skipped.update(table["skipped"])
    return {
        "name": model.name,
        "path": model.path,
        "model_sha256": model.sha256,
        **_thresholds(model),
        "n_bound": sum(table["n_bound"] for table in tables),
        "skipped": dict(skipped),
        "shards": [
            {key: table[key] for key in ("file", "n_sites", "sha256")}
            for table in tables
        ],
    }


def _thresholds(model: Model) -> dict[str, Any]:
    if model.rbps:
        return {"thresholds": dict(zip(model.rbps, model.thresholds, strict=True))}
    return {"threshold": model.thresholds[0]}
