"""Runs preprocessing in processes of this machine.

Sites are read into a scratch store, with the structures that the fold cache knows. The
others are folded into the cache, on all cores. Then the shards of all splits are
written in one pass over the store. A killed run reads again, but folds only what the
cache lacks.
"""

import collections
import concurrent.futures
import contextlib
import csv
import dataclasses
import functools
import gc
import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO

from deeprke_tf.data import checks, description, records
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.duplicates import Duplicates
from deeprke_tf.data.overlap import split_off_validation
from deeprke_tf.data.partition import shard_count
from deeprke_tf.data.plan import Plan, Source
from deeprke_tf.data.site_store import SiteStore
from deeprke_tf.data.split_writer import SplitWriter
from deeprke_tf.data.stages import (
    SKIPPED_COLUMNS,
    InputFacts,
    SkippedTable,
    checked_site,
    sites_to_records,
    skipped_cells,
)
from deeprke_tf.errors import UserError
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.system import files
from deeprke_tf.system.directories import directory_aside
from deeprke_tf.system.messages import counted
from deeprke_tf.system.progress import Progress, no_progress

SITES_AT_ONCE = 1_000
SITES_TO_READ = 2_048


def run(plan: Plan, progress: Progress = no_progress) -> Dataset:
    """Makes a dataset; its directory appears when it is complete.

    Args:
      plan: What to read, how to fold and split it, where to write.
      progress: Shows how far reading, folding and writing are.

    Raises:
      UserError: Input that cannot be read or used, or a directory that is in the way.
    """
    out = Path(plan.out)
    try:
        with (
            directory_aside(out, plan.overwrite, description.DATASET) as directory,
            _folding_pool(plan) as pool,
        ):
            n_folded = _write_dataset(plan, directory, pool, progress)
    except sqlite3.OperationalError as error:  # as of a full disk
        raise UserError(f"Cannot write {out}: {error}.") from error
    return dataclasses.replace(description.read(out), n_folded=n_folded)


def _folding_pool(plan: Plan) -> AbstractContextManager[FoldingPool | None]:
    if not plan.structure:
        return contextlib.nullcontext()
    return FoldingPool(plan.encoding.fold, plan.fold_cache, plan.workers)


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keeps Python from searching many new tuples for reference cycles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _write_dataset(
    plan: Plan, directory: Path, pool: FoldingPool | None, progress: Progress
) -> int:
    """Writes all files of a dataset; returns the number of sequences folded for it."""
    by_overlap = plan.validation_groups == "overlap"
    scratch = directory / "sites.sqlite"
    fraction = 0 if by_overlap else plan.validation_fraction
    store = SiteStore(scratch, plan.seed, fraction)
    cache = pool.cache if pool else None
    skipped_path = directory / description.SKIPPED
    inputs, skipped = _read_sources(plan, store, pool, skipped_path, progress)
    store.index()
    example = functools.partial(_first_skipped, skipped_path)
    by_column = checks.is_split_by_column(inputs)
    checks.require_usable_sites(plan, inputs, skipped, example)
    if plan.has_training_sites:
        checks.require_both_classes(
            "train", _training_counts(store), checks.GIVE_THE_OTHER_CLASS, example
        )
        if by_overlap and not by_column:
            split_off_validation(store, plan.seed, plan.validation_fraction)
        advice = checks.NAME_BOTH_CLASSES if by_column else checks.GIVE_MORE_SITES
        for split in ("train", "validation"):
            checks.require_both_classes(split, store.counts(split), advice)
    n_folded = _fold(store, pool, progress) if pool else 0
    splits, duplicates = _write_splits(plan, store, cache, directory, progress)
    store.close()
    scratch.unlink()
    written = {"splits": splits, "skipped": skipped, "duplicates": duplicates}
    contents = plan.describe(by_column) | {"inputs": inputs} | written
    description.write(directory, contents)
    return n_folded


def _training_counts(store: SiteStore) -> dict[int, int]:
    """Counts sites of each label before validation is split off."""
    train, validation = store.counts("train"), store.counts("validation")
    return {label: train[label] + validation[label] for label in (0, 1)}


@_without_garbage_collection()
def _read_sources(
    plan: Plan,
    store: SiteStore,
    pool: FoldingPool | None,
    skipped_path: Path,
    progress: Progress,
) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Reads every input into the store and lists what cannot be used."""
    inputs: list[dict[str, Any]] = []
    reasons = {source.split: collections.Counter[str]() for source in plan.sources}
    with open(
        skipped_path, "w", newline="", encoding="utf-8", errors="backslashreplace"
    ) as table:
        csv.writer(table, SkippedTable).writerow(SKIPPED_COLUMNS)
        # All are opened before one is read, so that a wrong name fails at once.
        sites_files = [
            SitesFile(source.path, k=plan.encoding.k, label=source.label)
            for source in plan.sources
        ]
        with progress(None, "site", "reading") as bar:
            for source, sites_file in zip(plan.sources, sites_files, strict=True):
                facts = InputFacts()
                batches = _usable(plan, source, sites_file, table, facts)
                cache = pool.cache if pool else None
                for sites, dot_brackets in _looked_up(batches, cache):
                    store.add(source.split, sites, dot_brackets)
                    if pool:
                        pairs = zip(sites, dot_brackets, strict=True)
                        pool.begin(site.sequence for site, known in pairs if not known)
                    bar.update(len(sites))
                inputs.append(_describe_input(source, sites_file, facts))
                reasons[source.split].update(facts.reasons)
    example = functools.partial(_first_skipped, skipped_path)
    checks.refuse_skips_if_strict(plan, reasons, example)
    return inputs, {split: dict(counts) for split, counts in reasons.items()}


def _usable(
    plan: Plan,
    source: Source,
    sites_file: SitesFile,
    skipped_table: TextIO,
    facts: InputFacts,
) -> Iterator[list[Site]]:
    """Yields the usable sites of a file, some at once; lists and counts the others."""
    writer = csv.writer(skipped_table, SkippedTable)
    numbered = enumerate(sites_file, start=1)
    while some := list(itertools.islice(numbered, SITES_TO_READ)):
        sites = [checked_site(site, row, source, plan) for row, site in some]
        skipped = [site for site in sites if isinstance(site, SkippedSite)]
        usable = [site for site in sites if isinstance(site, Site)]
        facts.n_sites += len(sites)
        facts.reasons.update(site.reason for site in skipped)
        facts.n_stated += sum(site.split != "" for site in usable)
        writer.writerows(skipped_cells(source, site) for site in skipped)
        yield usable
    facts.n_without_coordinates = sites_file.coordinates.n_dropped


def _looked_up(
    batches: Iterator[list[Site]], cache: FoldCache | None
) -> Iterator[tuple[list[Site], Sequence[str | None]]]:
    """Yields sites and their known structures; others are looked up meanwhile."""
    if not cache:
        yield from ((sites, [""] * len(sites)) for sites in batches)
        return
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        submitted = (
            (sites, thread.submit(_known_structures, sites, cache)) for sites in batches
        )
        # The next ones are read and submitted before these are waited for.
        for current, _next in itertools.pairwise(itertools.chain(submitted, [None])):
            if current:
                yield current[0], current[1].result()


def _known_structures(sites: Sequence[Site], cache: FoldCache) -> list[str | None]:
    """Returns the structure of each site, its own or from the cache, or None."""
    folds = cache.get([site.sequence for site in sites if site.dot_bracket is None])
    return [site.dot_bracket or folds.get(site.sequence) for site in sites]


def _describe_input(
    source: Source, sites_file: SitesFile, facts: InputFacts
) -> dict[str, Any]:
    # Standard input and pipes cannot be read again.
    is_regular = str(source.path) != "-" and source.path.is_file()
    sha256 = files.sha256(source.path) if is_regular else None
    return facts.described(source, sites_file.format, sha256)


def _first_skipped(skipped_path: Path, split: str | None = None) -> str:
    """Describes the first skipped site (of a split): a failed run keeps no list."""
    with open(skipped_path, newline="", encoding="utf-8") as table:
        for row in csv.DictReader(table, dialect="excel-tab"):
            if split in (None, row["split"]):
                detail = f" ({row['detail']})" if row["detail"] else ""
                return (
                    f" The first skipped is site {row['row']} of {row['file']}, "
                    f"{row['name']!r}: {row['reason']}{detail}."
                )
    return ""


def _fold(store: SiteStore, pool: FoldingPool, progress: Progress) -> int:
    """Folds the sequences that the cache lacks; returns their number."""
    n_missing = store.n_to_fold()
    if not n_missing:
        return 0
    cores = counted(pool.workers, "core")
    with progress(n_missing, "fold", f"folding on {cores}") as bar:
        # Looked up again, as another run may have folded some meanwhile.
        pool.fill(_unknown(store.sequences_to_fold(), pool.cache), bar.update)
    pool.stop()
    return n_missing


def _unknown(sequences: Iterator[str], cache: FoldCache) -> Iterator[str]:
    """Yields the sequences that the cache lacks, looking up many at once."""
    while some := list(itertools.islice(sequences, SITES_AT_ONCE)):
        known = cache.known(some)
        yield from (sequence for sequence in some if sequence not in known)


@_without_garbage_collection()
def _write_splits(
    plan: Plan,
    store: SiteStore,
    cache: FoldCache | None,
    directory: Path,
    progress: Progress,
) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    """Writes all shards; returns `splits` and `duplicates` of `dataset.json`."""
    counts = {split: store.counts(split) for split in records.SPLITS}
    n_sites = {split: sum(labels.values()) for split, labels in counts.items()}
    longest = dict.fromkeys(n_sites, 0)
    duplicates = Duplicates()
    with contextlib.ExitStack() as closing:
        bar = closing.enter_context(progress(sum(n_sites.values()), "site", "writing"))
        writers = {
            split: closing.enter_context(
                SplitWriter(directory, split, shard_count(n, plan.sites_per_shard))
            )
            for split, n in n_sites.items()
            if n
        }
        for read in store.read():
            duplicates.add(read.rows)
            for split, writer in writers.items():
                for some in read.of(split).cut(SITES_AT_ONCE):
                    longest[split] = max(longest[split], some.longest)
                    writer.write(some.rows["order"], _records(some.sites, plan, cache))
                    bar.update(len(some.sites))
    for split, hashes in store.name_hashes():
        duplicates.add_names(split, hashes)
    described = {
        split: {
            "n_sites": n_sites[split],
            "n_positive": counts[split][1],
            "longest_site": longest[split],
            "shards": writer.shards,
        }
        for split, writer in writers.items()
    }
    return described, duplicates.counts


def _records(sites: list[Site], plan: Plan, cache: FoldCache | None) -> list[bytes]:
    if not cache:
        return sites_to_records(sites, None, plan.encoding)
    structures = [known for known in _known_structures(sites, cache) if known]
    return sites_to_records(sites, structures, plan.encoding)
