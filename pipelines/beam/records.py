"""From the sites of a Beam preprocessing job to records and shards."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from deeprke_tf.data import partition, records
from deeprke_tf.data.plan import Plan
from deeprke_tf.data.stages import sites_to_records, skipped_cells
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import Reason, Site, SkippedSite, skip_site
from pipelines.beam import files
from pipelines.beam.folding import NAMESPACE, WorkerFolds

# Input (its index in the plan), row, split, name, sequence, label, dot-bracket, locus,
# gene.
SiteRow: TypeAlias = tuple[int, int, str, str, str, int, str | None, Locus | None, str]
# Order hash, input, row: the order of the sites of a split.
Key: TypeAlias = tuple[int, int, int]
# Key, label, length, serialized record.
Record: TypeAlias = tuple[Key, int | None, int, bytes]

_SITES_AT_ONCE = 1_000


class FoldAndEncode(beam.DoFn):
    """Folds some groups of equal sequences and serializes their sites."""

    def __init__(self, plan: Plan):
        self._plan = plan
        self._folds: WorkerFolds | None = None
        self._n_records = Metrics.counter(NAMESPACE, "records")
        self._n_skipped = Metrics.counter(NAMESPACE, "sites_skipped")

    def start_bundle(self) -> None:
        """Opens the fold cache."""
        if self._plan.structure:
            self._folds = WorkerFolds(self._plan.encoding.fold, self._plan.fold_cache)

    def finish_bundle(self) -> None:
        """Closes the fold cache."""
        if self._folds:
            self._folds.close()

    def process(self, groups: list[tuple[int, list[SiteRow]]]) -> Iterator[Any]:
        """Yields (split, record); the sites that do not fold as "skipped"."""
        folds: dict[str, str] = {}
        failed: dict[str, str] = {}
        if self._folds:
            folds, failed = self._folds.structures(
                row[4] for _, rows in groups for row in rows if row[6] is None
            )
        usable: list[tuple[str, Key, Site]] = []
        for order, rows in groups:
            for row in rows:
                source, number, split = row[:3]
                site = Site(*row[3:7], locus=row[7], gene=row[8])
                if site.dot_bracket is None and (cause := failed.get(site.sequence)):
                    gone = skip_site(site.name, number, Reason.NOT_FOLDED, cause)
                    self._n_skipped.inc()
                    yield skipped_site(self._plan, source, gone)
                else:
                    usable.append((split, (order, source, number), site))
        for start in range(0, len(usable), _SITES_AT_ONCE):
            yield from self._encoded(usable[start : start + _SITES_AT_ONCE], folds)

    def _encoded(
        self, some: list[tuple[str, Key, Site]], folds: Mapping[str, str]
    ) -> Iterator[tuple[str, Record]]:
        sites = [site for _split, _key, site in some]
        dot_brackets = None
        if self._plan.structure:
            dot_brackets = [site.dot_bracket or folds[site.sequence] for site in sites]
        encoded = sites_to_records(sites, dot_brackets, self._plan.encoding)
        self._n_records.inc(len(encoded))
        for (split, key, site), record in zip(some, encoded, strict=True):
            yield split, (key, site.label, len(site.sequence), record)


def skipped_site(plan: Plan, source: int, site: SkippedSite) -> TaggedOutput:
    """Returns a site to list as skipped: its input, its row, and its cells."""
    cells = skipped_cells(plan.sources[source], site)
    return TaggedOutput("skipped", (source, site.row, cells))


def shard_of(
    encoded: tuple[str, Record], plan: Plan, facts: Mapping[str, Any]
) -> tuple[str, Record]:
    """Returns a record with the name of its shard.

    Args:
      encoded: Split and record.
      plan: The run.
      facts: Of `n_sites`, the number of usable sites of each split.
    """
    split, record = encoded
    n_shards = partition.shard_count(facts["n_sites"][split], plan.sites_per_shard)
    index = partition.shard_index(record[0][0], n_shards)
    return records.shard_name(split, index, n_shards), record


def write_shard(shard: tuple[str, Iterable[Record]], directory: str) -> dict[str, Any]:
    """Writes one shard; returns its name, digest and counts."""
    name, unordered = shard
    ordered = sorted(unordered)
    buffer = io.BytesIO()
    with records.compressed(buffer) as file:
        for *_, record in ordered:
            file.write(records.framed(record))
    contents = buffer.getvalue()
    files.write(directory, name, contents)
    return {
        "file": name,
        "n_sites": len(ordered),
        "sha256": hashlib.sha256(contents).hexdigest(),
        "n_positive": sum(record[1] == 1 for record in ordered),
        "longest_site": max((length for *_, length, _record in ordered), default=0),
    }
