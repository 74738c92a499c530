"""Preprocessing as a Beam pipeline: what `local_runner` does, on any number of workers.

    files -> sites -> groups of one sequence -> folds -> records -> shards

All sites of one sequence come together once, under
its digest: there duplicates are counted, the split is settled, and the sequence is
folded. The order of records is that of (digest, input, row), as in the local runner.

What a user must mend does not end a worker, which a cluster would only start again: it
becomes the *fault* of the facts, nothing is folded, and the launcher raises it.
"""

import collections
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsDict, AsList, AsSingleton, TaggedOutput

from deeprke_tf.data.plan import Plan
from deeprke_tf.data.stages import SKIPPED_COLUMNS, SkippedTable, sequence_digest
from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Reason, Site, SkippedSite, refuse_long
from deeprke_tf.system.files import sha256
from pipelines.beam import files
from pipelines.beam.folding import NAMESPACE
from pipelines.beam.groups import SiteRow, facts_of
from pipelines.beam.records import (
    GROUPS_AT_ONCE,
    FoldAndEncode,
    skipped_site,
    split_group,
    write_shards,
)

SUMMARY = "summary.json"


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
    facts, smallest = facts_of(pipeline, plan, sites, groups, inputs)
    encoded = (
        groups
        | "Split" >> beam.ParDo(split_group, plan, AsDict(smallest), AsSingleton(facts))
        | "SomeGroups" >> beam.BatchElements(max_batch_size=GROUPS_AT_ONCE)
        | "FoldAndEncode" >> beam.ParDo(FoldAndEncode(plan)).with_outputs("skipped")
    )
    written, longest, shards = write_shards(pipeline, plan, encoded[None], directory)
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
                    yield skipped_site(self._plan, index, site)
                else:
                    digest = sequence_digest(site.sequence, self._plan.seed)
                    yield digest, _to_row(index, row, site)
            facts["format"] = file.format
            facts["sha256"] = sha256(source.path)
        except UserError as error:
            facts["fault"] = str(error)
        facts |= {"n_sites": n_sites, "skipped": dict(counts)}
        yield TaggedOutput("inputs", facts)


def _to_row(index: int, row: int, site: Site) -> SiteRow:
    if site.label is None:
        raise ValueError(f"{site.name}: a record needs a label.")
    return index, row, site.name, site.sequence, site.label, site.dot_bracket


def _write_skipped(
    group: tuple[int, Iterable[tuple[int, list]]], directory: str
) -> dict[str, Any]:
    index, rows = group
    ordered = [cells for _row, cells in sorted(rows)]
    table = io.StringIO()
    csv.writer(table, SkippedTable).writerows(ordered)
    contents = table.getvalue().encode("utf-8", "backslashreplace")
    attempt = files.write_attempt(directory, f"skipped-{index}", contents)
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
    files.write_attempt(directory, SUMMARY, json.dumps(summary).encode())
