"""The training sites of several datasets as one, for a joint network.

A joint network must not see in training what another dataset holds out. So a training
site that shares a stretch of letters with a validation or test site of any dataset is
left out and counted. A sequence that several datasets hold is written once, with its
label in each.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from deeprke_tf.data import batches, description, partition, records, stored_sites
from deeprke_tf.data.description import Dataset, Split
from deeprke_tf.data.overlap import among, minimizers
from deeprke_tf.data.split_writer import SplitWriter
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories
from deeprke_tf.system.progress import Progress, no_progress

_SITES_AT_ONCE = 16_384
# From each dataset in turn, so that a shard is a sample of all of them.
SITES_PER_TURN = 2_048


class _Site(NamedTuple):
    """Some training sites, each [n_sites]: hashes, labels, and which are left out."""

    hashes: np.ndarray
    labels: np.ndarray
    left_out: np.ndarray


def write_joint_sites(
    datasets: Mapping[str, Dataset],
    out: Path,
    shared_letters: int,
    progress: Progress = no_progress,
    *,
    held_out: Sequence[Dataset] = (),
) -> Dataset:
    """Merges the training sites of several datasets, or reads those merged before.

    Takes some 4 bytes of memory for each letter that is held out.

    Args:
      datasets: By the name of the RBP, with equal encodings.
      out: Directory to make: a dataset with a train split alone. Records have the
        features `rbps`, places in `datasets`, and `rbp_labels`. `contents["joint"]` has
        a row for each RBP: `n_sites`, `n_positive` and `n_left_out`.
      shared_letters: A site that shares so many letters in a row with one that is held
        out is left out, as is one of an equal sequence. Of sites that share up to seven
        letters less, some are left out, too.
      progress: Shows the sites read.
      held_out: Other datasets whose validation and test sites are held out, too.

    Raises:
      UserError: Of the sites of a dataset too few are left, or a shard is damaged.
    """
    if (out / description.FILE_NAME).exists():
        return description.read(out)
    unseen = _held_out([*datasets.values(), *held_out], shared_letters, progress)
    n_train = sum(info.split("train").n_sites for info in datasets.values())
    with progress(n_train, "site", "checking overlap") as bar:
        checked = []
        for info in datasets.values():
            checked.append(_checked(info, unseen, shared_letters, bar))
    of_rbps = _counts(datasets, checked, shared_letters)
    with directories.directory_aside(out, False, description.DATASET) as partial:
        split = _write(list(datasets.values()), checked, partial)
        first = next(iter(datasets.values()))
        contents = {
            "encoding": first.contents["encoding"],
            "structure": all(info.has_structure for info in datasets.values()),
            "splits": {"train": split},
            "joint": of_rbps,
        }
        description.write(partial, contents)
    return description.read(out)


class _HeldOut(NamedTuple):
    """What training must not see: hashes of stretches and of whole sequences."""

    stretches: np.ndarray
    sequences: np.ndarray


def _held_out(datasets: Any, shared_letters: int, progress: Progress) -> _HeldOut:
    stretches, sequences = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    splits = [
        (info, name)
        for info in datasets
        for name in ("validation", "test")
        if name in info.splits
    ]
    n_sites = sum(info.split(name).n_sites for info, name in splits)
    with progress(n_sites, "site", "reading held-out sites") as bar:
        for info, name in splits:
            for letters, _labels in _read(info, name):
                stretches.append(np.unique(minimizers(letters, shared_letters)[0]))
                sequences.append(partition.sequence_hashes(letters, 0).order)
                bar.update(len(letters))
    return _HeldOut(
        np.unique(np.concatenate(stretches)), np.unique(np.concatenate(sequences))
    )


def _checked(info: Dataset, held_out: _HeldOut, shared_letters: int, bar: Any) -> _Site:
    """Finds the training sites of a dataset that overlap with held-out ones."""
    parts = []
    for letters, labels in _read(info, "train"):
        hashes = partition.sequence_hashes(letters, 0).order
        codes, owners = minimizers(letters, shared_letters)
        left_out = among(hashes, held_out.sequences)
        left_out[owners[among(codes, held_out.stretches)]] = True
        parts.append(_Site(hashes, labels, left_out))
        bar.update(len(letters))
    return _Site(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _read(info: Dataset, split: str) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yields letters and labels of some sites of a split, in the order of its shards.

    Raises:
      UserError: The records are not as `dataset.json` describes them.
    """
    vocabulary = info.encoding.sequence_vocabulary
    try:
        for some in _records(info, split).batch(_SITES_AT_ONCE):
            features = stored_sites.parse(some, ["sequence_kmers", "label"])
            kmers = features["sequence_kmers"]
            sites = np.split(kmers.values.numpy(), kmers.row_splits.numpy()[1:-1])
            yield (
                list(map(vocabulary.letters, sites)),
                features["label"].numpy().astype(np.int8),
            )
    except stored_sites.DAMAGED_RECORDS as error:
        raise UserError(f"{info.directory}: {stored_sites.OTHER_RECORDS}") from error


def _records(info: Dataset, split: str) -> tf.data.Dataset:
    return stored_sites.open_records(stored_sites.shard_paths(info, split))


def _counts(
    datasets: Mapping[str, Dataset], checked: Sequence[_Site], shared_letters: int
) -> list[dict[str, Any]]:
    """Counts the sites of each RBP.

    Raises:
      UserError: An RBP has no bound or no background site left.
    """
    rows = []
    for (name, info), sites in zip(datasets.items(), checked, strict=True):
        kept = sites.labels[~sites.left_out]
        n_bound = int(kept.sum())
        if not 0 < n_bound < len(kept):
            raise UserError(
                f"Of the {len(sites.labels):,} training sites of {info.directory}, "
                f"{n_bound} bound and {len(kept) - n_bound} background sites share no "
                f"{shared_letters} letters with validation or test sites of the "
                "datasets, and training needs both: leave this dataset out, or give a "
                "larger `shared_letters`."
            )
        rows.append(
            {
                "name": name,
                "n_sites": len(kept),
                "n_positive": n_bound,
                "n_left_out": int(sites.left_out.sum()),
            }
        )
    return rows


def _write(
    datasets: Sequence[Dataset], checked: Sequence[_Site], out: Path
) -> dict[str, Any]:
    """Writes each sequence once, with all its labels; returns the train split."""
    kept = [np.flatnonzero(~sites.left_out) for sites in checked]
    of_kept = list(zip(checked, kept, strict=True))
    hashes = np.concatenate([sites.hashes[rows] for sites, rows in of_kept])
    labels = np.concatenate([sites.labels[rows] for sites, rows in of_kept])
    rbps = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    rows_of_group = np.split(
        np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1]
    )
    is_first = np.zeros(len(hashes), bool)
    is_first[first] = True
    n_shards = partition.shard_count(len(first), batches.SITES_PER_SHUFFLE)
    # Evenly over the range of a hash: the shards have equally many sites.
    step = 2**partition.BITS // len(first)
    n_written = 0
    with SplitWriter(out, "train", n_shards) as writer:
        for some, rows in _in_turn(datasets, kept, is_first):
            of_sites = [rows_of_group[number] for number in group[rows]]
            places = np.arange(n_written, n_written + len(some)) * step
            n_written += len(some)
            writer.write(
                places,
                records.with_rbp_labels(
                    some, [rbps[i] for i in of_sites], [labels[i] for i in of_sites]
                ),
            )
    split = Split(
        n_sites=len(first),
        n_positive=int((np.bincount(group, weights=labels) > 0).sum()),
        longest_site=max(info.split("train").longest_site for info in datasets),
        shards=writer.shards,
    )
    return dataclasses.asdict(split)


def _in_turn(
    datasets: Sequence[Dataset], kept: Sequence[np.ndarray], is_written: np.ndarray
) -> Iterator[tuple[list[bytes], np.ndarray]]:
    """Yields records, some of each dataset in turn, so that any part is a sample.

    Args:
      datasets: The datasets.
      kept: Places of the training sites of each that are kept, ascending.
      is_written: Which of all kept sites to yield, bool [n_kept].

    Yields:
      Records, and their places among all kept sites, int [n_records].
    """
    n_turns = -(-len(is_written) // (len(datasets) * SITES_PER_TURN))
    ends = np.cumsum([len(rows) for rows in kept])
    readers = [
        itertools.chain.from_iterable(
            some.tolist()
            for some in _records(info, "train").batch(1_024).as_numpy_iterator()
        )
        for info in datasets
    ]
    for turn in range(n_turns):
        for reader, info, rows, end in zip(readers, datasets, kept, ends, strict=True):
            n_sites = info.split("train").n_sites
            low, high = n_sites * turn // n_turns, n_sites * (turn + 1) // n_turns
            some = list(itertools.islice(reader, high - low))
            inside = np.arange(*np.searchsorted(rows, [low, high]))
            inside = inside[is_written[end - len(rows) + inside]]
            if len(inside):  # else others have all of them
                yield (
                    [some[place - low] for place in rows[inside]],
                    end - len(rows) + inside,
                )
