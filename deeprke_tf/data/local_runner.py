"""Runs preprocessing in processes of this machine.

Sites are read once into a scratch store, with the structures that the cache knows; what
it lacks is folded into it on all cores; then shards are written from both. A killed run
starts reading again but folds only what the cache lacks.
"""

import collections
import concurrent.futures
import contextlib
import csv
import functools
import gc
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from deeprke_tf.data import checks, description, records, validation_split
from deeprke_tf.data.plan import Plan, Source
from deeprke_tf.data.site_store import SiteStore
from deeprke_tf.data.stages import (
    SKIPPED_COLUMNS,
    SkippedTable,
    sites_to_records,
    skipped_cells,
)
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.system import files
from deeprke_tf.system.directories import directory_aside
from deeprke_tf.system.progress import progress_bar

_SITES_AT_ONCE = 1_000
_SITES_TO_READ = 2_048


def run(plan: Plan) -> dict[str, Any]:
    """Makes a dataset; its directory appears when it is whole.

    Args:
      plan: What to read, how to fold and split it, where to write.

    Returns:
      The contents of `dataset.json`.

    Raises:
      UserError: Input that cannot be read or used, or a directory that is in the way.
    """
    with (
        directory_aside(
            Path(plan.out), plan.overwrite, description.DATASET
        ) as directory,
        FoldingPool(plan.encoding.fold, plan.fold_cache, plan.workers)
        if plan.structure
        else contextlib.nullcontext() as pool,
    ):
        return _write_dataset(plan, directory, pool)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keeps Python from looking for cycles among many new tuples that are in none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_dataset(
    plan: Plan, directory: Path, pool: FoldingPool | None
) -> dict[str, Any]:
    scratch = directory / "sites.sqlite"
    cache = pool.cache if pool else None
    store = SiteStore(scratch, plan.seed)
    skipped_path = directory / description.SKIPPED
    inputs, skipped = _read_sources(plan, store, cache, skipped_path)
    store.index()
    n_usable = {split: sum(store.counts(split).values()) for split in records.SPLITS}
    example = functools.partial(_first_skipped, skipped_path)
    checks.require_usable_sites(plan, n_usable, skipped, example)
    duplicates = store.duplicates()
    if plan.has_training_sites:
        train_counts = store.counts("train")
        checks.require_both_classes(
            "train", train_counts, checks.GIVE_THE_OTHER_CLASS, example
        )
        _split_off_validation(plan, store)
        for split in ("train", "validation"):
            counts = store.counts(split)
            checks.require_both_classes(split, counts, checks.GIVE_MORE_SITES)
    splits = [split for split in records.SPLITS if any(store.counts(split).values())]
    n_folded = _fold(store, pool) if pool else 0
    contents = plan.describe() | {
        "inputs": inputs,
        "splits": {
            split: _write_split(split, plan, store, cache, directory)
            for split in splits
        },
        "skipped": skipped,
        "duplicates": duplicates,
    }
    store.close()
    scratch.unlink()
    description.write(directory, contents)
    return contents | {"n_folded": n_folded}


def _split_off_validation(plan: Plan, store: SiteStore) -> None:
    if plan.validation_groups == "sequence":
        validation_split.by_sequence(store, plan.validation_fraction)
    else:
        validation_split.by_overlap(store, plan.validation_fraction)


@_without_garbage_collection()
def _read_sources(
    plan: Plan, store: SiteStore, cache: FoldCache | None, skipped_path: Path
) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Reads every input into the store and lists what cannot be used."""
    inputs: list[dict[str, Any]] = []
    reasons: dict[str, collections.Counter[str]] = collections.defaultdict(
        collections.Counter
    )
    with open(
        skipped_path, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as table:
        csv.writer(table, SkippedTable).writerow(SKIPPED_COLUMNS)
        # All are opened before one is read: a wrong name is not found after an hour.
        sites_files = [
            SitesFile(source.path, k=plan.encoding.k, label=source.label)
            for source in plan.sources
        ]
        with progress_bar(None, "site", "reading") as bar:
            for source, sites_file in zip(plan.sources, sites_files, strict=True):
                counts: collections.Counter[str] = collections.Counter()
                batches = _usable(plan, source, sites_file, table, counts)
                for sites, dot_brackets in _looked_up(batches, cache):
                    store.add(source.split, sites, dot_brackets)
                    bar.update(len(sites))
                inputs.append(_describe_input(source, sites_file, counts))
                del counts["sites"]
                reasons[source.split].update(counts)
    example = functools.partial(_first_skipped, skipped_path)
    checks.refuse_skips_if_strict(plan, reasons, example)
    return inputs, {split: dict(counts) for split, counts in reasons.items()}


def _usable(
    plan: Plan,
    source: Source,
    sites_file: SitesFile,
    skipped_table: TextIO,
    counts: collections.Counter[str],
) -> Iterator[list[Site]]:
    """Yields the usable sites of a file, some at once; lists and counts the others."""
    writer = csv.writer(skipped_table, SkippedTable)
    numbered = enumerate(sites_file, start=1)
    while some := list(itertools.islice(numbered, _SITES_TO_READ)):
        sites = [refuse_long(site, row, plan.max_length) for row, site in some]
        skipped = [site for site in sites if isinstance(site, SkippedSite)]
        counts["sites"] += len(sites)
        counts.update(site.reason for site in skipped)
        writer.writerows(skipped_cells(source, site) for site in skipped)
        yield [site for site in sites if isinstance(site, Site)]


def _looked_up(
    batches: Iterator[list[Site]], cache: FoldCache | None
) -> Iterator[tuple[list[Site], Sequence[str | None]]]:
    """Yields sites and what is known of their structures, reading on meanwhile."""
    if not cache:
        yield from ((sites, [""] * len(sites)) for sites in batches)
        return
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        last = None
        for sites in batches:
            known = thread.submit(_known_structures, sites, cache)
            if last is not None:
                yield last[0], last[1].result()
            last = sites, known
        if last is not None:
            yield last[0], last[1].result()


def _known_structures(sites: Sequence[Site], cache: FoldCache) -> list[str | None]:
    """Returns the dot-bracket of each site: its own, or that of the cache, or None."""
    folds = cache.get([site.sequence for site in sites if site.dot_bracket is None])
    return [site.dot_bracket or folds.get(site.sequence) for site in sites]


def _describe_input(
    source: Source, sites_file: SitesFile, counts: collections.Counter[str]
) -> dict[str, Any]:
    # Standard input and pipes are gone once they are read.
    is_regular = str(source.path) != "-" and source.path.is_file()
    return {
        "split": source.split,
        "file": source.path.name,
        "format": sites_file.format,
        "label": source.label,
        "sha256": files.sha256(source.path) if is_regular else None,
        "n_sites": counts["sites"],
        "n_skipped": counts.total() - counts["sites"],
    }


def _first_skipped(skipped_path: Path, split: str | None = None) -> str:
    """Returns an example in words: where a run fails, the list goes with it.

    Args:
      skipped_path: The list.
      split: Of the input to look at; all if None.
    """
    with open(skipped_path, newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table, dialect="excel-tab"):
            if split in (None, row["split"]):
                detail = f" ({row['detail']})" if row["detail"] else ""
                return (
                    f" The first skipped is site {row['row']} of {row['file']}, "
                    f"{row['name']!r}: {row['reason']}{detail}."
                )
    return ""


def _fold(store: SiteStore, pool: FoldingPool) -> int:
    """Folds what the cache lacks; returns how many sequences that were."""
    n_missing = store.n_to_fold()
    if not n_missing:
        return 0
    with progress_bar(n_missing, "fold", f"folding on {pool.workers} cores") as bar:
        # Asked again: another run may have folded some meanwhile.
        pool.fill(_unknown(store.sequences_to_fold(), pool.cache), bar.update)
    return n_missing


def _unknown(sequences: Iterator[str], cache: FoldCache) -> Iterator[str]:
    """Yields the sequences that the cache lacks, looking up many at once."""
    while some := list(itertools.islice(sequences, _SITES_AT_ONCE)):
        known = cache.known(some)
        yield from (sequence for sequence in some if sequence not in known)


@_without_garbage_collection()
def _write_split(
    split: str, plan: Plan, store: SiteStore, cache: FoldCache | None, directory: Path
) -> dict[str, Any]:
    """Writes the shards of one split; returns its part of `dataset.json`."""
    counts = store.counts(split)
    n_sites = sum(counts.values())
    ends = plan.shard_ends(n_sites)
    n_shards = len(ends) - 1
    written = []
    longest = 0

    def measured() -> Iterator[list[Site]]:
        nonlocal longest
        for sites in store.sites(split):
            longest = max(longest, *(len(site.sequence) for site in sites))
            yield sites

    with progress_bar(n_sites, "site", f"writing {split}") as bar:
        split_records = _records(measured(), plan, cache)
        for index in range(n_shards):
            size = ends[index + 1] - ends[index]
            path = directory / records.shard_name(split, index, n_shards)
            with records.ShardWriter(path) as shard:
                while some := list(
                    itertools.islice(
                        split_records, min(_SITES_AT_ONCE, size - shard.n_records)
                    )
                ):
                    shard.write(some)
                    bar.update(len(some))
            written.append({"file": path.name, "n_sites": size, "sha256": shard.sha256})
    return {
        "n_sites": n_sites,
        "n_positive": counts[1],
        "longest_site": longest,
        "shards": written,
    }


def _records(
    batches: Iterator[list[Site]], plan: Plan, cache: FoldCache | None
) -> Iterator[bytes]:
    for sites in batches:
        if not cache:
            yield from sites_to_records(sites, None, plan.encoding)
            continue
        folds = cache.get([site.sequence for site in sites if site.dot_bracket is None])
        dot_brackets = [site.dot_bracket or folds[site.sequence] for site in sites]
        yield from sites_to_records(sites, dot_brackets, plan.encoding)
