"""On a worker of a Beam prediction job: from pieces of sites to tables."""

import collections
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.utils.shared import Shared

from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import Reason
from deeprke_tf.runs.table import Prediction
from pipelines.beam import files, tables
from pipelines.beam.folding import NAMESPACE, WorkerFolds
from pipelines.beam.models import Model

# Name, sequence, dot-bracket, and why the site is skipped: then it has no sequence; its
# locus and gene.
Row: TypeAlias = tuple[str, str, str | None, str, Locus | None, str]
# The fields of a `Prediction`.
Scored: TypeAlias = tuple[Any, ...]
# Input and its shard.
Shard: TypeAlias = tuple[int, int]

# Of a skipped site: calibrated probability, its standard deviation, locus and gene.
_UNKNOWN = (None, None, None, "")


@dataclasses.dataclass(frozen=True)
class Plan:
    """The checked arguments of `predict.predict`, which describes them."""

    models: tuple[Model, ...]
    inputs: tuple[files.BeamFile, ...]
    format: str
    sites_per_shard: int
    sites_per_piece: int
    max_length: int
    batch_size: int
    fold_cache: Path | None
    strict: bool = False
    with_places: bool = False
    wide: bool = False


class _Scorers:
    """The loaded models of a worker process; unlike a list, it can be shared."""

    def __init__(self, plan: Plan):
        self.all = [model.load(plan.batch_size) for model in plan.models]


class Score(beam.DoFn):
    """Folds and scores pieces; each worker process loads the models once."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._encoding, self._views = plan.models[0].encoding, plan.models[0].views
        self._shared = Shared()
        self._folds: WorkerFolds | None = None
        self._n_scored = Metrics.counter(NAMESPACE, "sites_scored")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def setup(self) -> None:
        """Loads the models, unless another thread of the process has done so."""
        self._scorers = self._shared.acquire(lambda: _Scorers(self._plan))

    def start_bundle(self) -> None:
        """Opens the fold cache, if the models read structure."""
        if len(self._views) > 1:
            self._folds = WorkerFolds(self._encoding.fold, self._plan.fold_cache)

    def finish_bundle(self) -> None:
        """Closes the fold cache."""
        if self._folds:
            self._folds.close()

    def process(
        self, piece: tuple[Shard, tuple[int, list[Row]]], inputs: list[Mapping]
    ) -> Iterator[tuple[tuple[int, Shard], tuple[int, list[Scored]]]]:
        """Yields ((model, shard), (piece, rows)); nothing if an input has a fault."""
        if any(facts["fault"] for facts in inputs):
            return
        shard, (number, rows) = piece
        folds: dict[str, str] = {}
        if self._folds:
            folds, failed = self._folds.structures(
                row[1] for row in rows if not row[3] and row[2] is None
            )
            rows = [_unless_failed(row, failed) for row in rows]
        usable = [row for row in rows if not row[3]]
        encoded = self._encoded(usable, folds)
        self._n_scored.inc(len(usable))
        self._n_skipped.inc(len(rows) - len(usable))
        for index, score in enumerate(self._scorers.all):
            model = self._plan.models[index]
            scores = iter(score(encoded).tolist())
            scored = [one for row in rows for one in _scored(row, scores, model)]
            yield (index, shard), (number, scored)

    def _encoded(self, rows: list[Row], folds: Mapping[str, str]) -> list[dict]:
        if not self._folds:
            (view,) = self._views
            return [{view: self._encoding.encode_sequence(row[1])} for row in rows]
        views = self._encoding.encode_all(
            [row[1] for row in rows], [row[2] or folds[row[1]] for row in rows]
        )
        return [
            dict(zip(self._views, ids, strict=True)) for ids in zip(*views, strict=True)
        ]


def _unless_failed(row: Row, failed: Mapping[str, str]) -> Row:
    name, sequence, dot_bracket, reason, *_place = row
    if reason or dot_bracket or sequence not in failed:
        return row
    return name, "", None, f"{Reason.NOT_FOLDED}: {failed[sequence]}", None, ""


def _scored(
    row: Row, scores: Iterator[list[list[float]]], model: Model
) -> Iterator[Scored]:
    """Yields the prediction of a site for each RBP of a model."""
    name, _sequence, _dot_bracket, reason, locus, gene = row
    rbps = model.rbps or ("",)
    if reason:
        yield from ((name, None, None, reason, *_UNKNOWN, rbp) for rbp in rbps)
        return
    for rbp, threshold, (probability, calibrated, *sd) in zip(
        rbps, model.thresholds, next(scores), strict=True
    ):
        others = calibrated, sd[0] if sd else None, locus, gene, rbp
        yield name, probability, probability >= threshold, "", *others


def write_shard(
    group: tuple[tuple[int, Shard], Iterable[tuple[int, list[Scored]]]],
    plan: Plan,
    directory: str,
    inputs: list[Mapping[str, Any]],
) -> dict[str, Any]:
    """Writes one table; returns its name, digest and counts."""
    (index, (source, shard)), pieces = group
    model = plan.models[index]
    rows = [Prediction(*row) for _number, piece in sorted(pieces) for row in piece]
    if plan.wide:
        write_wide = tables.WIDE_WRITERS[plan.format]
        contents = write_wide(rows, model.comments, model.rbps)
    else:
        write = tables.WRITERS[plan.format]
        columns = (model.has_sd, plan.with_places, bool(model.rbps))
        contents = write(rows, model.comments, *columns)
    n_shards = {
        facts["input"]: -(-facts["n_sites"] // plan.sites_per_shard) for facts in inputs
    }
    number = shard + sum(n for other, n in n_shards.items() if other < source)
    name = f"{model.name}-{number:05d}-of-{sum(n_shards.values()):05d}.{plan.format}"
    files.write(directory, name, contents)
    n_rbps = len(model.rbps) or 1
    of_sites = rows[::n_rbps]
    skipped = (row.skipped.partition(":")[0] for row in of_sites if row.skipped)
    return {
        "model": index,
        "file": name,
        "n_sites": len(of_sites),
        "sha256": hashlib.sha256(contents).hexdigest(),
        "n_bound": sum(bool(row.bound) for row in rows),
        "skipped": collections.Counter(skipped),
    }
