"""Prediction as a Beam pipeline, for more sites than one machine should score.

    files -> pieces of some hundred sites -> folds -> scores of each model -> shards

A piece is some consecutive sites of one file; it is folded once, whatever the number of
models. Shards are cut while a file is read, so that those of a model, one after the
other, are the table of `deeprke predict`, in the order of the input.
"""

import collections
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, TaggedOutput
from apache_beam.utils.shared import Shared

from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Reason, Site, SkippedSite, refuse_long
from deeprke_tf.runs.table import Prediction
from pipelines.beam import files, score_tables
from pipelines.beam.exported_model import ExportedModel, LoadedModel
from pipelines.beam.folding import NAMESPACE, WorkerFolds
from pipelines.beam.score_plan import ScorePlan

SUMMARY = "summary.json"

# Some seconds of folding and scoring.
_SITES_PER_PIECE = 512
_NT_PER_PIECE = 60_000

# Name, sequence, dot-bracket, and why it is skipped: if it is, there is no sequence.
Row: TypeAlias = tuple[str, str, str | None, str]
# Name, the outputs of the model (`ExportedModel.outputs`), and why there are none.
Scored: TypeAlias = tuple[str, list[float], str]


def build(pipeline: beam.Pipeline, plan: ScorePlan, directory: str) -> None:
    """Adds all steps of a run to a pipeline.

    The last one writes attempts at `SUMMARY`: what was read, and which attempts at
    shards count.

    Args:
      pipeline: An empty one.
      plan: What to read and how to score it.
      directory: Where to write; all workers must reach it.
    """
    read = (
        pipeline
        | "Inputs" >> beam.Create(range(len(plan.files)))
        | "OneWorkerAFile" >> beam.Reshuffle()
        | "ReadSites" >> beam.ParDo(_ReadPieces(plan)).with_outputs("inputs")
    )
    faults = read.inputs | "Faults" >> beam.Filter(lambda facts: facts["fault"])
    shards = (
        read[None]
        | "SpreadPieces" >> beam.Reshuffle()
        | "Score" >> beam.ParDo(_Score(plan), AsList(faults))
        | "GroupByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(_write_shard, plan, directory)
    )
    _ = (
        pipeline
        | "Once" >> beam.Create([None])
        | "WriteSummary"
        >> beam.Map(
            _write_summary,
            directory,
            inputs=AsList(read.inputs),
            shards=AsList(shards),
        )
    )


class _ReadPieces(beam.DoFn):
    """Reads one file: its sites in pieces, and what it was."""

    def __init__(self, plan: ScorePlan):
        self._plan = plan
        self._n_read = Metrics.counter(NAMESPACE, "sites_read")

    def process(self, index: int) -> Iterator[Any]:
        """Yields ((input, shard, piece), rows)."""
        facts: dict[str, Any] = {"input": index, "fault": None, "n_sites": 0}
        rows: list[Row] = []
        nt = n_pieces = 0
        try:
            path = self._plan.files[index]
            file = SitesFile(path, k=self._plan.encoding.k, labelled=False)
            facts["format"] = file.format
            for n_sites, read in enumerate(file, start=1):
                rows.append(_to_row(refuse_long(read, n_sites, self._plan.max_length)))
                nt += len(rows[-1][1])
                self._n_read.inc()
                shard, place = divmod(n_sites - 1, self._plan.sites_per_shard)
                ends_shard = place == self._plan.sites_per_shard - 1
                if ends_shard or len(rows) >= _SITES_PER_PIECE or nt >= _NT_PER_PIECE:
                    yield (index, shard, n_pieces), rows
                    rows, nt, n_pieces = [], 0, n_pieces + 1
                facts["n_sites"] = n_sites
            if rows:
                yield (index, shard, n_pieces), rows
        except UserError as error:
            facts["fault"] = str(error)
        yield TaggedOutput("inputs", facts)


def _to_row(site: Site | SkippedSite) -> Row:
    if isinstance(site, Site):
        return site.name, site.sequence, site.dot_bracket, ""
    reason = f"{site.reason}: {site.detail}" if site.detail else site.reason
    return site.name, "", None, reason


class _Score(beam.DoFn):
    """Folds and scores pieces; the models are loaded once for each worker process."""

    def __init__(self, plan: ScorePlan):
        self._plan = plan
        self._shared = Shared()
        self._n_scored = Metrics.counter(NAMESPACE, "sites_scored")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def setup(self) -> None:
        """Loads the models, unless another thread of the process has."""
        self._models = self._shared.acquire(lambda: _Models(self._plan.models))

    def start_bundle(self) -> None:
        """Opens the fold cache: a bundle is of one thread, this object need not be."""
        self._folds = WorkerFolds(self._plan.encoding.fold, self._plan.fold_cache)

    def finish_bundle(self) -> None:
        """Closes the fold cache."""
        self._folds.close()

    def process(
        self, piece: tuple[tuple[int, int, int], list[Row]], faults: list[Any]
    ) -> Iterator[tuple[tuple[int, int, int], tuple[int, list[Scored]]]]:
        """Yields ((model, input, shard), (piece, scored rows))."""
        if faults:
            return
        (index, shard, number), rows = piece
        rows, sites = self._encoded(rows)
        self._n_scored.inc(len(sites))
        self._n_skipped.inc(len(rows) - len(sites))
        for place, model in enumerate(self._models.loaded):
            scores = iter(model.score(sites, self._plan.batch_size).tolist())
            scored = [
                (name, [] if reason else next(scores), reason)
                for name, _sequence, _dot_bracket, reason in rows
            ]
            yield (place, index, shard), (number, scored)

    def _encoded(self, rows: list[Row]) -> tuple[list[Row], list[dict]]:
        """Returns the rows, and the views of those that are not skipped."""
        encoding, views = self._plan.encoding, self._plan.views
        usable = [row for row in rows if not row[3]]
        if len(views) == 1:
            encoded = [encoding.encode_sequence(row[1]) for row in usable]
            return rows, [{views[0]: ids} for ids in encoded]
        folds, failed = self._folds.structures(
            sequence for _, sequence, dot_bracket, _ in usable if dot_bracket is None
        )
        rows = [_without_fold(row, failed) for row in rows]
        usable = [row for row in rows if not row[3]]
        both = encoding.encode_all(
            [row[1] for row in usable], [row[2] or folds[row[1]] for row in usable]
        )
        return rows, [
            dict(zip(views, ids, strict=True)) for ids in zip(*both, strict=True)
        ]


class _Models:
    """The loaded models of a worker process; unlike a list it can be shared."""

    def __init__(self, models: Iterable[ExportedModel]):
        self.loaded = [LoadedModel(model) for model in models]


def _without_fold(row: Row, failed: dict[str, str]) -> Row:
    name, sequence, dot_bracket, reason = row
    if reason or dot_bracket or sequence not in failed:
        return row
    return name, "", None, f"{Reason.NOT_FOLDED}: {failed[sequence]}"


# === Shards ===


def _write_shard(
    group: tuple[tuple[int, int, int], Iterable[tuple[int, list[Scored]]]],
    plan: ScorePlan,
    directory: str,
) -> dict[str, Any]:
    (index, of_input, shard), pieces = group
    model = plan.models[index]
    rows = [
        _prediction(row, model.threshold)
        for _number, scored in sorted(pieces)
        for row in scored
    ]
    write = score_tables.WRITERS[plan.format]
    contents = write(rows, plan.comments(model), model.has_sd)
    skipped = collections.Counter(
        row.skipped.partition(":")[0] for row in rows if row.skipped
    )
    return {
        "model": index,
        "input": of_input,
        "index": shard,
        "attempt": files.write_attempt(directory, f"{index}-scores", contents),
        "n_sites": len(rows),
        "n_bound": sum(bool(row.bound) for row in rows),
        "skipped": dict(skipped),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }


def _prediction(row: Scored, threshold: float) -> Prediction:
    name, outputs, reason = row
    if reason:
        return Prediction(name, None, None, reason)
    probability, *others = outputs
    return Prediction(name, probability, probability >= threshold, "", *others)


def _write_summary(
    _once: None,
    directory: str,
    inputs: list[dict[str, Any]],
    shards: list[dict[str, Any]],
) -> None:
    summary = {"inputs": inputs, "shards": shards}
    files.write_attempt(directory, SUMMARY, json.dumps(summary).encode())
