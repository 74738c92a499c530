"""The datasets of a cross-validation: the same sites, split otherwise in each.

The test split of a dataset is one part of the groups, a cv fold; a tenth of the others,
again by group, is its validation split. Records are copied as they are.
"""

import contextlib
import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.crossvalidation import dealing, groups
from deeprke_tf.crossvalidation.groups import GroupedSites
from deeprke_tf.data import description, partition
from deeprke_tf.data.description import Dataset, Split
from deeprke_tf.data.records import SPLITS
from deeprke_tf.data.split_writer import SplitWriter
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, files
from deeprke_tf.system.directories import Kind
from deeprke_tf.system.progress import Bar, Progress

VALIDATION_FRACTION = 0.1  # of the sites that are not in the cv fold
SITES_PER_SHARD = 10_000

DATASETS = Kind("cross-validation", "crossvalidation.json", r"cv-fold-\d+")

_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))

_LARGEST_HASH = 2**partition.BITS - 1

# What a description says of the splits that were there before.
_OF_OLD_SPLITS = {
    *("skipped", "duplicates"),
    *("validation_fraction", "validation_groups", "validation_rule"),
}


def name_of(cv_fold: int) -> str:
    """Returns the name of a cv fold, which count from 1."""
    return f"cv-fold-{cv_fold}"


def all_sites(info: Dataset) -> Dataset:
    """Returns the dataset with its training and validation sites as one train split.

    Raises:
      UserError: It has no train split.
    """
    info.split("train")
    parts = [info.split(name) for name in groups.SPLITS if name in info.splits]
    train = Split(
        n_sites=sum(part.n_sites for part in parts),
        n_positive=sum(part.n_positive for part in parts),
        longest_site=max(part.longest_site for part in parts),
        shards=[shard for part in parts for shard in part.shards],
    )
    tests = {"test": info.splits["test"]} if "test" in info.splits else {}
    splits = {"train": train, **tests}
    described = {name: dataclasses.asdict(split) for name, split in splits.items()}
    contents = info.contents | {"splits": described}
    return dataclasses.replace(info, splits=splits, contents=contents)


def deal_splits(sites: GroupedSites, n_folds: int, seed: int, data: Path) -> np.ndarray:
    """Deals all sites to the splits of each cv fold.

    Args:
      sites: The sites.
      n_folds: Number of cv folds.
      seed: Fixes which groups go where.
      data: The dataset, for the error.

    Returns:
      The place in `SPLITS` of each site in each cv fold, uint8 [n_folds, n_sites].

    Raises:
      UserError: There are too few groups, or a split lacks a class.
    """
    if sites.n_groups < n_folds:
        raise UserError(
            f"The sites of {data} are in {sites.n_groups} groups (by {sites.kind}), "
            f"too few for {n_folds} `folds`: give fewer `folds`, or other `groups`."
        )
    of_site = dealing.deal(sites.groups, sites.labels, [1 / n_folds] * n_folds, seed)
    splits = np.full((n_folds, len(of_site)), _TRAIN, np.uint8)
    for number, of_fold in enumerate(splits):
        of_fold[of_site == number] = _TEST
        others = np.flatnonzero(of_site != number)
        require = functools.partial(_require_both_classes, data, sites, number + 1)
        require("held-out", of_site == number)
        require("other", others)
        chosen = dealing.split_off(
            sites.groups[others], sites.labels[others], VALIDATION_FRACTION, seed
        )
        of_fold[others[chosen]] = _VALIDATION
        require("training", others[~chosen])
        require("validation", others[chosen])
    return splits


def _require_both_classes(
    data: Path, sites: GroupedSites, cv_fold: int, use: str, some: np.ndarray
) -> None:
    """Refuses some sites of a cv fold that are all of one class."""
    labels = sites.labels[some]
    n_bound = int(labels.sum())
    if not 0 < n_bound < len(labels):
        raise UserError(
            f"With the {sites.n_groups} groups of {data} (by {sites.kind}), cv fold "
            f"{cv_fold} has {n_bound} bound and {len(labels) - n_bound} background "
            f"{use} sites, and needs both: give fewer `folds`, other `groups`, or more "
            "sites."
        )


def write_datasets(
    info: Dataset,
    sites: GroupedSites,
    splits: np.ndarray,
    out: Path,
    settings: dict[str, Any],
    progress: Progress,
) -> None:
    """Writes the datasets of all cv folds; they appear together, when they are whole.

    Args:
      info: The dataset that they are made of.
      sites: Its sites.
      splits: Result of `deal_splits`.
      out: The directory to make; the datasets lie in it.
      settings: Those of the cross-validation, which its other calls must have, too.
      progress: Shows the sites.

    Raises:
      UserError: The directory cannot be written, or a shard is missing.
    """
    about = {
        "of_dataset_sha256": info.sha256,
        "folds": len(splits),
        "groups": sites.kind,
        "n_groups": sites.n_groups,
    }
    n_groups = [len(np.unique(sites.groups[part == _TEST])) for part in splits]
    with (
        directories.directory_aside(out, overwrite=False, kind=DATASETS) as aside,
        progress(splits.size, "site", "dealing sites") as bar,
    ):
        for number, of_fold in enumerate(splits, start=1):
            directory = aside / name_of(number)
            directory.mkdir()
            written = _write_shards(info, of_fold, directory, bar)
            described = {
                split: _describe(info, sites, of_fold == place) | {"shards": shards}
                for place, (split, shards) in enumerate(written.items())
            }
            kept = {k: v for k, v in info.contents.items() if k not in _OF_OLD_SPLITS}
            own = {"splits": described, "crossvalidation": about | {"cv_fold": number}}
            description.write(directory, kept | own)
        of_all = about | {"n_groups_of_cv_folds": n_groups, "settings": settings}
        files.write_json(aside / DATASETS.marker, of_all)


def _describe(info: Dataset, sites: GroupedSites, inside: np.ndarray) -> dict[str, Any]:
    return {
        "n_sites": int(inside.sum()),
        "n_positive": int(sites.labels[inside].sum()),
        "longest_site": int(sites.n_kmers[inside].max()) + info.encoding.k - 1,
    }


def _write_shards(
    info: Dataset, of_fold: np.ndarray, directory: Path, bar: Bar
) -> dict[str, list[dict[str, Any]]]:
    """Copies the records of a cv fold; returns the shards of each split."""
    orders = np.zeros(len(of_fold), np.int64)
    with contextlib.ExitStack() as closing:
        writers = {}
        for place, split in enumerate(SPLITS):
            inside = of_fold == place
            n_sites = int(inside.sum())
            # Stand for order hashes: evenly spread, they fill the shards equally.
            orders[inside] = np.arange(n_sites) * (_LARGEST_HASH // n_sites)
            n_shards = partition.shard_count(n_sites, SITES_PER_SHARD)
            writer = SplitWriter(directory, split, n_shards)
            writers[split] = closing.enter_context(writer)
        start = 0
        for tensor in groups.read_records(info):
            records = tensor.numpy()
            some = slice(start, start + len(records))
            for place, writer in enumerate(writers.values()):
                here = of_fold[some] == place
                if here.any():
                    writer.write(orders[some][here], records[here].tolist())
            start += len(records)
            bar.update(len(records))
    return {split: writer.shards for split, writer in writers.items()}
