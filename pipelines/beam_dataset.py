"""Preprocessing as a Beam pipeline: what `local_runner` does, on any number of workers.

    files -> sites -> groups of one sequence -> folds -> records -> shards

A site travels as the tuple (input, row, name, sequence, label, dot-bracket); input is
the place of its file in the plan. All sites of one sequence come together once, under
its digest: there duplicates are counted, the split is settled, and the sequence is
folded. The order of records is that of (digest, input, row), as in the local runner.

What a user must mend does not end a worker, which a cluster would only start again: it
becomes the *fault* of the facts, nothing is folded, and the launcher raises it.
"""

import bisect
import collections
import csv
import hashlib
import io
import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsDict, AsList, AsSingleton, TaggedOutput

from deeprke_tf import records
from deeprke_tf.errors import UserError
from deeprke_tf.readers import SitesFile
from deeprke_tf.sites import Reason, Site, SkippedSite, refuse_long, skip_site
from pipelines import beam_files
from pipelines.beam_facts import check, label_counts
from pipelines.beam_folding import NAMESPACE, WorkerFolds
from pipelines.beam_ranks import Key, KeysAtRanks
from pipelines.plan import Plan
from pipelines.stages import (
    SKIPPED_COLUMNS,
    SkippedTable,
    sequence_digest,
    sites_to_records,
    skipped_cells,
)

SUMMARY = "summary.json"

_GROUPS_AT_ONCE = 200
_SITES_AT_ONCE = 1_000

SiteRow: TypeAlias = tuple[int, int, str, str, int, str | None]


def build(pipeline: beam.Pipeline, plan: Plan, directory: str) -> None:
    """Adds all steps of a run to a pipeline.

    The last one writes attempts at `SUMMARY`: the facts, and which attempts at shards
    and lists of skipped sites count.

    Args:
      pipeline: An empty one.
      plan: What to read, how to fold and split it.
      directory: Where to write; all workers must reach it.
    """
    read = (
        pipeline
        | "Inputs" >> beam.Create(range(len(plan.sources)))
        | "OneWorkerAFile" >> beam.Reshuffle()
        | "ReadSites" >> beam.ParDo(_ReadSites(plan)).with_outputs("skipped", "inputs")
    )
    sites, inputs = read[None], read.inputs
    groups = sites | "GroupBySequence" >> beam.GroupByKey()
    facts, smallest = _facts(pipeline, plan, sites, groups, inputs)
    encoded = (
        groups
        | "Split" >> beam.ParDo(_split, plan, AsDict(smallest), AsSingleton(facts))
        | "SomeGroups" >> beam.BatchElements(max_batch_size=_GROUPS_AT_ONCE)
        | "FoldAndEncode" >> beam.ParDo(_FoldAndEncode(plan)).with_outputs("skipped")
    )
    written, longest, shards = _write_shards(pipeline, plan, encoded[None], directory)
    skipped = (
        (read.skipped, encoded.skipped)
        | "AllSkipped" >> beam.Flatten()
        | "SkippedOfInput" >> beam.GroupByKey()
        | "WriteSkipped" >> beam.Map(_write_skipped, directory)
    )
    _ = (
        pipeline
        | "Once" >> beam.Create([None])
        | "WriteSummary"
        >> beam.Map(
            _write_summary,
            directory,
            facts=AsSingleton(facts),
            written=AsDict(written),
            longest=AsDict(longest),
            shards=AsList(shards),
            skipped=AsList(skipped),
        )
    )


class _ReadSites(beam.DoFn):
    """Reads one input: its sites, those that cannot be used, and what it was."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._n_read = Metrics.counter(NAMESPACE, "sites_read")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def process(self, index: int) -> Iterator[Any]:
        """Yields the sites of an input by their digests."""
        source = self._plan.sources[index]
        facts: dict[str, Any] = {"input": index, "fault": None}
        counts: collections.Counter[str] = collections.Counter()
        n_sites = 0
        try:
            file = SitesFile(source.path, k=self._plan.encoding.k, label=source.label)
            for row, read in enumerate(file, start=1):
                n_sites = row
                self._n_read.inc()
                site = refuse_long(read, row, self._plan.max_length)
                if isinstance(site, SkippedSite):
                    counts[site.reason] += 1
                    self._n_skipped.inc()
                    yield _skipped(self._plan, index, site)
                else:
                    digest = sequence_digest(site.sequence, self._plan.seed)
                    yield digest, _to_row(index, row, site)
            facts["format"] = file.format
            facts["sha256"] = records.file_sha256(source.path)
        except UserError as error:
            facts["fault"] = str(error)
        facts |= {"n_sites": n_sites, "skipped": dict(counts)}
        yield TaggedOutput("inputs", facts)


def _to_row(index: int, row: int, site: Site) -> SiteRow:
    if site.label is None:
        raise ValueError(f"{site.name}: a record needs a label.")
    return index, row, site.name, site.sequence, site.label, site.dot_bracket


def _skipped(plan: Plan, index: int, site: SkippedSite) -> TaggedOutput:
    cells = skipped_cells(plan.sources[index], site)
    return TaggedOutput("skipped", (index, (site.row, cells)))


# === What is known before folding ===


def _facts(pipeline, plan: Plan, sites, groups, inputs):
    """Returns the checked facts, and the largest validation digest of each class."""
    described = groups | "DescribeGroups" >> beam.ParDo(_describe, plan).with_outputs(
        "distinct"
    )
    n_distinct = described.distinct | "CountDistinct" >> beam.combiners.Count.PerKey()
    ranks = (
        pipeline
        | "OnceForRanks" >> beam.Create([None])
        | "LastOfValidation" >> beam.Map(_last_of_validation, plan, AsDict(n_distinct))
    )
    smallest = described.distinct | "Validation" >> KeysAtRanks(AsSingleton(ranks))
    names = (
        sites
        | "Names" >> beam.Map(_split_and_name, plan)
        | "CountNames" >> beam.combiners.Count.PerElement()
        | "RepeatedNames" >> beam.FlatMap(_repeated)
    )
    split_counts = groups | "CountSplits" >> beam.ParDo(
        _count_splits, plan, AsDict(smallest)
    )
    # Not one flattened collection: Beam's local runners would wait for each other's
    # readers of the groups for ever.
    of_groups = described[None] | "SumOfGroups" >> beam.CombinePerKey(sum)
    of_names = names | "SumOfNames" >> beam.CombinePerKey(sum)
    of_splits = split_counts | "SumOfSplits" >> beam.CombinePerKey(sum)
    facts = (
        pipeline
        | "OnceForFacts" >> beam.Create([None])
        | "Check"
        >> beam.Map(
            lambda _, inputs, *counts: check(plan, dict(ChainMap(*counts)), inputs),
            AsList(inputs),
            AsDict(of_groups),
            AsDict(of_names),
            AsDict(of_splits),
        )
    )
    return facts, smallest


def _describe(group: tuple[int, Iterable[SiteRow]], plan: Plan) -> Iterator[Any]:
    """Yields counts of the sites of one sequence, and its class if it is trained on."""
    digest, rows = group
    labels = _labels(rows, plan)
    for split, of_split in labels.items():
        n_sites = of_split.total()
        for label, n in of_split.items():
            yield ("sites", split, label), n
        yield (f"{split}_sites_with_duplicate_sequences",), n_sites - 1
        yield (f"{split}_sequences_in_both_classes",), int(len(of_split) == 2)
    yield ("sequences_in_train_and_test",), int(len(labels) == 2)
    if "train" in labels:
        yield TaggedOutput("distinct", (max(labels["train"]), (digest,)))


def _labels(rows: Iterable[SiteRow], plan: Plan) -> dict[str, collections.Counter[int]]:
    labels: dict[str, collections.Counter[int]] = {}
    for index, _row, _name, _sequence, label, _dot_bracket in rows:
        split = plan.sources[index].split
        labels.setdefault(split, collections.Counter())[label] += 1
    return labels


def _last_of_validation(
    _once: None, plan: Plan, n_distinct: Mapping[int, int]
) -> dict[int, list[int]]:
    """Returns, by class, the rank of the last sequence that goes to validation."""
    sizes = {c: round(plan.validation_fraction * n) for c, n in n_distinct.items()}
    return {label: [size - 1] for label, size in sizes.items() if size}


def _split_and_name(site: tuple[int, SiteRow], plan: Plan) -> tuple[str, str]:
    _digest, row = site
    return plan.sources[row[0]].split, row[2]


def _repeated(
    counted: tuple[tuple[str, str], int],
) -> Iterator[tuple[tuple[str, ...], int]]:
    (split, _name), n = counted
    if n > 1:
        yield (f"{split}_sites_with_duplicate_names",), n - 1


def _training_split(
    digest: int,
    labels: Mapping[str, Mapping[int, int]],
    smallest: Mapping[int, list[Key]],
) -> str:
    """Returns where the training sites of a sequence go: all of them together."""
    largest = smallest.get(max(labels.get("train", [0])))
    return "validation" if largest and (digest,) <= largest[0] else "train"


def _count_splits(
    group: tuple[int, Iterable[SiteRow]], plan: Plan, smallest: Mapping[int, list[Key]]
) -> Iterator[tuple[tuple[str, str, int], int]]:
    digest, rows = group
    labels = _labels(rows, plan)
    split = _training_split(digest, labels, smallest)
    for label, n in labels.get("train", {}).items():
        yield ("split", split, label), n


# === Records ===


def _split(
    group: tuple[int, Iterable[SiteRow]],
    plan: Plan,
    smallest: Mapping[int, list[Key]],
    facts: Mapping[str, Any],
) -> Iterator[tuple[int, str, list[SiteRow]]]:
    """Yields a group with the split of its training sites; nothing after a fault."""
    if facts["fault"] is not None:
        return
    digest, rows = group[0], list(group[1])
    yield digest, _training_split(digest, _labels(rows, plan), smallest), rows


class _FoldAndEncode(beam.DoFn):
    """Folds the sequences of some groups, and makes records of their sites."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._n_records = Metrics.counter(NAMESPACE, "records")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def start_bundle(self) -> None:
        """Opens the fold cache: a bundle is of one thread, this object need not be."""
        self._folds = WorkerFolds(self._plan.encoding.fold, self._plan.fold_cache)

    def finish_bundle(self) -> None:
        """Closes the fold cache."""
        self._folds.close()

    def process(self, groups: list[tuple[int, str, list[SiteRow]]]) -> Iterator[Any]:
        """Yields (split, (key, label, n_letters, record)), and skipped sites."""
        folds, failed = self._folds.structures(
            row[3] for _, _, rows in groups for row in rows if row[5] is None
        )
        keyed = [
            (split, (digest, *row[:2]), Site(*row[2:]))
            for digest, training_split, rows in groups
            for row in rows
            for split in [self._split_of(row, training_split)]
        ]
        for _split, key, site in keyed:
            if site.dot_bracket is None and site.sequence in failed:
                cause = failed[site.sequence]
                gone = skip_site(site.name, key[2], Reason.NOT_FOLDED, cause)
                self._n_skipped.inc()
                yield _skipped(self._plan, key[1], gone)
        usable = [k for k in keyed if k[2].dot_bracket or k[2].sequence in folds]
        for start in range(0, len(usable), _SITES_AT_ONCE):
            yield from self._encoded(usable[start : start + _SITES_AT_ONCE], folds)

    def _split_of(self, row: SiteRow, training_split: str) -> str:
        split = self._plan.sources[row[0]].split
        return training_split if split == "train" else split

    def _encoded(self, keyed: list[tuple], folds: Mapping[str, str]) -> Iterator[tuple]:
        sites = [site for _split, _key, site in keyed]
        dot_brackets = [site.dot_bracket or folds[site.sequence] for site in sites]
        encoded = sites_to_records(sites, dot_brackets, self._plan.encoding)
        self._n_records.inc(len(encoded))
        for (split, key, site), record in zip(keyed, encoded, strict=True):
            yield split, (key, site.label, len(site.sequence), record)


# === Shards ===


def _write_shards(pipeline, plan: Plan, encoded, directory: str):
    """Returns what is written: its labels counted, its longest site, the shards."""
    counted = (
        encoded
        | "CountRecords" >> beam.MapTuple(lambda split, site: ((split, site[1]), 1))
        | "SumRecords" >> beam.CombinePerKey(sum)
    )
    longest = (
        encoded
        | "Lengths" >> beam.MapTuple(lambda split, site: (split, site[2]))
        | "Longest" >> beam.CombinePerKey(max)
    )
    starts = (
        pipeline
        | "OnceForShards" >> beam.Create([None])
        | "ShardStarts" >> beam.Map(_shard_starts, plan, AsDict(counted))
    )
    firsts = (
        encoded
        | "Keys" >> beam.MapTuple(lambda split, site: (split, site[0]))
        | "FirstOfShards" >> KeysAtRanks(AsSingleton(starts))
    )
    shards = (
        encoded
        | "ShardOf" >> beam.Map(_shard_of, AsDict(firsts))
        | "GroupByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(_write_shard, directory)
    )
    return counted, longest, shards


def _shard_starts(
    _once: None, plan: Plan, counted: Mapping[tuple[str, int], int]
) -> dict[str, list[int]]:
    """Returns, by split, the rank of the first record of each shard but the first."""
    return {
        split: plan.shard_ends(sum(counts.values()))[1:-1]
        for split, counts in label_counts(counted).items()
    }


def _shard_of(
    encoded: tuple[str, tuple], firsts: Mapping[str, list[Key]]
) -> tuple[tuple[str, int], tuple[Key, bytes]]:
    split, (key, _label, _n_letters, record) = encoded
    return (split, bisect.bisect_right(firsts.get(split, []), key)), (key, record)


def _write_shard(
    group: tuple[tuple[str, int], Iterable[tuple[Key, bytes]]], directory: str
) -> dict[str, Any]:
    (split, index), keyed = group
    ordered = sorted(keyed)
    buffer = io.BytesIO()
    with records.compressed(buffer) as shard:
        for _key, record in ordered:
            shard.write(records.framed(record))
    contents = buffer.getvalue()
    return {
        "split": split,
        "index": index,
        "attempt": beam_files.write_attempt(directory, f"{split}-{index}", contents),
        "n_sites": len(ordered),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }


def _write_skipped(
    group: tuple[int, Iterable[tuple[int, list]]], directory: str
) -> dict[str, Any]:
    index, rows = group
    ordered = [cells for _row, cells in sorted(rows)]
    table = io.StringIO()
    csv.writer(table, SkippedTable).writerows(ordered)
    contents = table.getvalue().encode("utf-8", "backslashreplace")
    attempt = beam_files.write_attempt(directory, f"skipped-{index}", contents)
    reason = SKIPPED_COLUMNS.index("reason")
    n_not_folded = sum(cells[reason] == Reason.NOT_FOLDED for cells in ordered)
    return {"input": index, "attempt": attempt, "n_not_folded": n_not_folded}


def _write_summary(
    _once: None,
    directory: str,
    facts: dict[str, Any],
    written: Mapping[tuple, int],
    longest: Mapping[str, int],
    shards: list[dict[str, Any]],
    skipped: list[dict[str, Any]],
) -> None:
    summary = {
        "facts": facts,
        "written": [[*key, n] for key, n in written.items()],
        "longest": dict(longest),
        "shards": shards,
        "skipped": skipped,
    }
    beam_files.write_attempt(directory, SUMMARY, json.dumps(summary).encode())
