"""From the groups of a Beam job to records, and to the shards that hold them.

The shards are those of the local runner: exact ranks tell where each begins. See
`beam_dataset` for the whole job.
"""

import bisect
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import AsDict, AsSingleton, TaggedOutput

from deeprke_tf.data import records
from deeprke_tf.data.plan import Plan
from deeprke_tf.data.stages import sites_to_records, skipped_cells
from deeprke_tf.rna.sites import Reason, Site, SkippedSite, skip_site
from pipelines.beam import files
from pipelines.beam.facts import label_counts
from pipelines.beam.folding import NAMESPACE, WorkerFolds
from pipelines.beam.groups import SiteRow, labels_of, training_split
from pipelines.beam.ranks import Key, KeysAtRanks

GROUPS_AT_ONCE = 200
_SITES_AT_ONCE = 1_000


def split_group(
    group: tuple[int, Iterable[SiteRow]],
    plan: Plan,
    smallest: Mapping[int, list[Key]],
    facts: Mapping[str, Any],
) -> Iterator[tuple[int, str, list[SiteRow]]]:
    """Yields a group with the split of its training sites; nothing after a fault."""
    if facts["fault"] is not None:
        return
    digest, rows = group[0], list(group[1])
    yield digest, training_split(digest, labels_of(rows, plan), smallest), rows


class FoldAndEncode(beam.DoFn):
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
                yield skipped_site(self._plan, key[1], gone)
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


def skipped_site(plan: Plan, index: int, site: SkippedSite) -> TaggedOutput:
    """Returns a site to be listed as skipped: its input, its row, and its cells."""
    cells = skipped_cells(plan.sources[index], site)
    return TaggedOutput("skipped", (index, (site.row, cells)))


def write_shards(pipeline, plan: Plan, encoded, directory: str):
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
        "attempt": files.write_attempt(directory, f"{split}-{index}", contents),
        "n_sites": len(ordered),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
