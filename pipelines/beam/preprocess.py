"""Preprocessing as a Beam job: writes the files of the local runner, on many workers.

    files -> sites -> groups of equal sequences -> folds -> records -> shards

Split, shard and order of a site follow from its sequence, the seed and the number of
sites (`deeprke_tf.data.partition`). All sites of one sequence come together once: there
duplicates are counted, and the sequence is folded.

An error that the user must correct does not end a worker, which a cluster would only
restart. It is reported as the *fault* of the facts, nothing is folded, and the launcher
raises it.
"""

import collections
import csv
import io
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsList, AsSingleton, TaggedOutput

from deeprke_tf.data import checks, description, partition, records
from deeprke_tf.data.plan import Plan
from deeprke_tf.data.stages import (
    SKIPPED_COLUMNS,
    InputFacts,
    SkippedTable,
    checked_site,
)
from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Reason, SkippedSite
from deeprke_tf.system.files import sha256
from pipelines.beam import files
from pipelines.beam.facts import facts_of
from pipelines.beam.folding import NAMESPACE
from pipelines.beam.job import BeamJob
from pipelines.beam.records import FoldAndEncode, shard_of, skipped_site, write_shard

_GROUPS_AT_ONCE = 200


def run(plan: Plan, job: BeamJob) -> dict[str, Any]:
    """Makes a dataset; its directory appears when it is complete.

    `local_runner.run` writes the same files, byte for byte, unless a sequence cannot be
    folded: this runner lists it in `skipped.tsv`, the local one raises an error.

    Args:
      plan: What to read, how to fold and split it, where to write.
      job: The runner and its options.

    Returns:
      The contents of `dataset.json`, and `n_folded`, the number of folded sequences.

    Raises:
      UserError: Input that cannot be read or used, something else at `plan.out`, or a
        job that failed.
    """
    with files.directory_aside(
        plan.out, plan.overwrite, description.DATASET
    ) as directory:
        for source in plan.sources:
            # A wrong name is found here, before the job starts.
            SitesFile(source.path, k=plan.encoding.k, label=source.label)
        counts = job.run(lambda pipeline: build(pipeline, plan, directory))
        completed = _completed(plan, directory)
        by_column = checks.is_split_by_column(completed["inputs"])
        contents = plan.describe(by_column) | completed
        text = description.as_text(contents)
        files.write(directory, description.FILE_NAME, text.encode())
    return contents | {"n_folded": counts.get("sequences_folded", 0)}


def build(pipeline: beam.Pipeline, plan: Plan, directory: str) -> None:
    """Adds all steps of a run to a pipeline.

    They write the shards, `skipped.tsv` and `summary.json`.

    Args:
      pipeline: An empty pipeline.
      plan: What to read, how to fold and split it.
      directory: Where to write; all workers must reach it.
    """
    read = (
        pipeline
        | "Inputs" >> beam.Create(range(len(plan.sources)))
        | "OneWorkerPerFile" >> beam.Reshuffle()
        | "ReadSites" >> beam.ParDo(_ReadSites(plan)).with_outputs("skipped", "inputs")
    )
    groups = read[None] | "GroupBySequence" >> beam.GroupByKey()
    facts = facts_of(pipeline, plan, read[None], groups, read.inputs)
    encoded = (
        groups
        | "UnlessFault"
        >> beam.FlatMap(
            lambda group, facts: [] if facts["fault"] else [(group[0], list(group[1]))],
            AsSingleton(facts),
        )
        | "SomeGroups" >> beam.BatchElements(max_batch_size=_GROUPS_AT_ONCE)
        | "FoldAndEncode" >> beam.ParDo(FoldAndEncode(plan)).with_outputs("skipped")
    )
    shards = (
        encoded[None]
        | "ShardOf" >> beam.Map(shard_of, plan, AsSingleton(facts))
        | "GroupByShard" >> beam.GroupByKey()
        | "WriteShard" >> beam.Map(write_shard, directory)
    )
    not_folded = (
        (read.skipped, encoded.skipped)
        | "AllSkipped" >> beam.Flatten()
        | "ListSkipped" >> beam.combiners.ToList()
        | "WriteSkipped" >> beam.Map(_write_skipped, directory)
    )
    files.add_summary(
        pipeline,
        directory,
        facts=AsSingleton(facts),
        shards=AsList(shards),
        not_folded=AsSingleton(not_folded),
    )


class _ReadSites(beam.DoFn):
    """Reads one input: usable sites, "skipped" sites, and its facts as "inputs"."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._n_read = Metrics.counter(NAMESPACE, "sites_read")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def process(self, index: int) -> Iterator[Any]:
        """Yields pairs of order hash and site."""
        plan, source = self._plan, self._plan.sources[index]
        fault, file, digest, facts = None, None, None, InputFacts()
        try:
            file = SitesFile(source.path, k=plan.encoding.k, label=source.label)
            for facts.n_sites, read in enumerate(file, start=1):
                self._n_read.inc()
                site = checked_site(read, facts.n_sites, source, plan)
                if isinstance(site, SkippedSite):
                    facts.reasons[site.reason] += 1
                    self._n_skipped.inc()
                    yield skipped_site(plan, index, site)
                    continue
                hashes = partition.sequence_hashes([site.sequence], plan.seed)
                facts.n_stated += site.split != ""
                split = site.split or source.split
                is_hashed = split == "train" and not site.split
                if is_hashed and partition.is_validation(
                    hashes.validation[0], plan.validation_fraction
                ):
                    split = "validation"
                cells = (site.name, site.sequence, site.label, site.dot_bracket)
                row = (index, facts.n_sites, split, *cells, site.locus, site.gene)
                yield int(hashes.order[0]), row
            facts.n_without_coordinates = file.coordinates.n_dropped
            digest = sha256(source.path)
        except UserError as error:
            fault = str(error)
        described = facts.described(source, file.format if file else None, digest)
        counted = {"input": index, "fault": fault, "skipped": dict(facts.reasons)}
        yield TaggedOutput("inputs", counted | {"described": described})


def _write_skipped(
    skipped: list[tuple[int, int, list]], directory: str
) -> dict[int, int]:
    """Writes `skipped.tsv`; returns how many sites of each input did not fold."""
    skipped = sorted(skipped)
    table = io.StringIO()
    rows = [SKIPPED_COLUMNS, *(cells for _input, _row, cells in skipped)]
    csv.writer(table, SkippedTable).writerows(rows)
    contents = table.getvalue().encode("utf-8", "backslashreplace")
    files.write(directory, description.SKIPPED, contents)
    reason = SKIPPED_COLUMNS.index("reason")
    return collections.Counter(
        source for source, _row, cells in skipped if cells[reason] == Reason.NOT_FOLDED
    )


# === On the launcher, when the job has ended ===


def _completed(plan: Plan, directory: str) -> dict[str, Any]:
    """Checks the results of a job and returns their description."""
    summary = files.take_summary(directory)
    facts = summary["facts"]
    if facts["fault"]:
        raise UserError(facts["fault"])
    for index, n in summary["not_folded"].items():
        source = int(index)
        facts["inputs"][source]["n_skipped"] += n
        reasons = facts["skipped"][plan.sources[source].split]
        reasons[Reason.NOT_FOLDED] = reasons.get(Reason.NOT_FOLDED, 0) + n
    checks.refuse_skips_if_strict(plan, facts["skipped"])
    written = {shard["file"]: shard for shard in summary["shards"]}
    splits = {
        split: _described(plan, split, n_sites, written, directory)
        for split, n_sites in facts["n_sites"].items()
        if n_sites
    }
    checks.require_usable_sites(plan, facts["inputs"], facts["skipped"])
    return {
        "inputs": facts["inputs"],
        "splits": splits,
        "skipped": facts["skipped"],
        "duplicates": facts["duplicates"],
    }


def _described(
    plan: Plan,
    split: str,
    n_sites: int,
    written: dict[str, dict[str, Any]],
    directory: str,
) -> dict[str, Any]:
    """Describes a split; writes the shards that no site belongs to."""
    n_shards = partition.shard_count(n_sites, plan.sites_per_shard)
    names = [records.shard_name(split, i, n_shards) for i in range(n_shards)]
    shards = [
        written[name] if name in written else write_shard((name, []), directory)
        for name in names
    ]
    return {
        "n_sites": sum(shard["n_sites"] for shard in shards),
        "n_positive": sum(shard["n_positive"] for shard in shards),
        "longest_site": max(shard["longest_site"] for shard in shards),
        "shards": [
            {key: shard[key] for key in ("file", "n_sites", "sha256")}
            for shard in shards
        ],
    }
