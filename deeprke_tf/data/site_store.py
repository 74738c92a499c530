"""Sites on disk while they are preprocessed, so that memory stays flat.

Counting duplicates, splitting and ordering need to see all sites at once. They lie in
a scratch SQLite file, in buckets: each holds a range of sequence hashes, and so all
sites of a sequence. NumPy looks at bucket after bucket, so that only some thousand
sites are ever in memory; SQLite takes and gives hundreds at once, never one.
"""

import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from deeprke_tf.data.stages import sequence_digests
from deeprke_tf.rna.sites import Site

_N_BUCKETS = 128
_SITES_AT_ONCE = 4_096  # Buckets that hold fewer are looked at together.
_SITES_TO_YIELD = 1_000

# A scratch file need not survive a crash; a cache of 1 MiB is full soon, and memory
# flat from then on.
_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
PRAGMA page_size=16384; PRAGMA cache_size=-1024;
CREATE TABLE sites (split TEXT, bucket INTEGER, digests BLOB, labels BLOB,
 names TEXT, sequences TEXT, dot_brackets TEXT);
CREATE TABLE names (split TEXT, bucket INTEGER, hashes BLOB);
CREATE TABLE to_fold (digest INTEGER PRIMARY KEY, sequence TEXT);
"""

# Buckets looked at together: the first one, and the one behind the last.
_Group: TypeAlias = tuple[int, int]

# Tells of digests and classes of sequences which of them are for validation.
Moved: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]


class _Sequences(NamedTuple):
    """Some sites by their sequence, in the order of digests.

    Attributes:
      places: Where the sites stand in the group, int64 [n_sites].
      labels: Of the sites, uint8 [n_sites].
      n_sites: Sites of each distinct sequence, int64 [n_sequences].
      digests: Of the sequences, int64 [n_sequences].
      lowest: The lowest label of each sequence, uint8 [n_sequences].
      highest: The highest, which is its class, uint8 [n_sequences].
    """

    places: np.ndarray
    labels: np.ndarray
    n_sites: np.ndarray
    digests: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray


class SiteStore:
    """The usable sites of one dataset, by split.

    Args:
      path: Scratch file; the caller deletes it.
      seed: Settles which sequences go to validation, and the order of sites.
    """

    def __init__(self, path: Path, seed: int):
        self._seed = seed
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)
        self._counts = {
            split: np.zeros(2, int) for split in ("train", "validation", "test")
        }
        self._bucket_sizes = {
            split: np.zeros(_N_BUCKETS, int) for split in ("train", "test")
        }
        self._is_validation: Moved = lambda digests, _classes: np.zeros(
            len(digests), bool
        )

    def close(self) -> None:
        """Closes the scratch file."""
        self._database.close()

    # === Filling ===

    def add(
        self, split: str, sites: Sequence[Site], dot_brackets: Sequence[str | None]
    ) -> None:
        """Adds sites to "train" or "test"; thousands at once take least time.

        Args:
          split: Where they go.
          sites: Labelled sites.
          dot_brackets: The structure of each; None: to be folded.
        """
        if not sites:
            return
        names, sequences, of_sites, *_ = zip(*sites, strict=True)
        digests = sequence_digests(sequences, self._seed)
        labels = np.array(of_sites, np.uint8)
        self._counts[split] += np.bincount(labels, minlength=2)
        order = np.argsort(digests, kind="stable")
        for bucket, part in _buckets(digests[order]):
            places = order[part]
            some = places.tolist()
            # No text has a line end in it.
            texts = (
                "\n".join([names[place] for place in some]),
                "\n".join([sequences[place] for place in some]),
                "\n".join([dot_brackets[place] or "" for place in some]),
            )
            numbers = digests[places].tobytes(), labels[places].tobytes()
            self._insert("sites", split, bucket, *numbers, *texts)
            self._bucket_sizes[split][bucket] += len(some)
        # Of a random key: only whether names are equal matters.
        hashes = np.sort(np.array(list(map(hash, names)), np.int64))
        for bucket, part in _buckets(hashes):
            self._insert("names", split, bucket, hashes[part].tobytes())
        for place, known in enumerate(dot_brackets):
            if known is None:
                self._insert("to_fold", int(digests[place]), sequences[place])

    def _insert(self, table: str, *row: str | int | bytes) -> None:
        marks = ",".join("?" * len(row))
        self._database.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)

    def index(self) -> None:
        """Makes what follows fast; called once, when all sites are in."""
        for table in ("sites", "names"):
            self._database.execute(
                f"CREATE INDEX {table}_by_bucket ON {table} (split, bucket)"
            )

    # === Splitting and counting ===

    def training_classes(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields digests and classes of distinct training sequences.

        In the order of digests, some thousand at once. A sequence of both classes is
        bound.
        """
        for group in self._groups("train"):
            found = self._sequences("train", group)
            yield found.digests, found.highest

    def training_sequences(
        self,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, list[str]]]:
        """Yields digests, classes and letters of distinct training sequences.

        In the order of digests, some thousand at once.
        """
        for group in self._groups("train"):
            found = self._sequences("train", group)
            if len(found.digests):
                rows = list(self._parts("sequences", "sites", "train", group))
                letters = "\n".join(text for (text,) in rows).split("\n")
                first = found.places[np.cumsum(found.n_sites) - found.n_sites]
                yield (
                    found.digests,
                    found.highest,
                    [letters[place] for place in first.tolist()],
                )

    def move_to_validation(self, is_moved: Moved) -> None:
        """Moves training sequences into "validation", each with all its sites.

        Args:
          is_moved: Tells of digests and classes which sequences they are, bool.
        """
        self._is_validation = is_moved
        for group in self._groups("train"):
            found = self._sequences("train", group)
            moved = np.bincount(
                found.labels[self._is_of("validation", found)], minlength=2
            )
            self._counts["validation"] += moved
            self._counts["train"] -= moved

    def _is_of(self, split: str, found: _Sequences) -> np.ndarray:
        """Tells which sites are of a split, now that validation is, bool [n_sites]."""
        if split == "test":
            return np.ones(len(found.labels), bool)
        is_moved = self._is_validation(found.digests, found.highest)
        return np.repeat(is_moved == (split == "validation"), found.n_sites)

    def counts(self, split: str) -> dict[int, int]:
        """Returns the number of sites of each label, 0 and 1, in a split."""
        return dict(enumerate(self._counts[split].tolist()))

    def duplicates(self) -> dict[str, int]:
        """Counts what stands more than once; asked before validation is split off.

        Returns:
          For each of "train" and "test": sites whose name or whose sequence an earlier
          one has, and distinct sequences that both classes have; and the distinct
          sequences that "train" and "test" share.
        """
        n_same_name, n_same_sequence, n_in_both_classes = np.zeros((3, 2), int)
        n_shared = 0
        for group in self._groups("train", "test"):
            shared = []
            for i, split in enumerate(("train", "test")):
                names = self._numbers("hashes", np.int64, "names", split, group)
                n_same_name[i] += len(names) - len(np.unique(names))
                found = self._sequences(split, group)
                n_same_sequence[i] += len(found.places) - len(found.digests)
                n_in_both_classes[i] += np.count_nonzero(found.lowest < found.highest)
                shared.append(found.digests)
            n_shared += len(np.intersect1d(shared[0], shared[1], assume_unique=True))
        counted: dict[str, int] = {}
        for i, split in enumerate(("train", "test")):
            counted |= {
                f"{split}_sites_with_duplicate_names": int(n_same_name[i]),
                f"{split}_sites_with_duplicate_sequences": int(n_same_sequence[i]),
                f"{split}_sequences_in_both_classes": int(n_in_both_classes[i]),
            }
        return counted | {"sequences_in_train_and_test": n_shared}

    # === Reading ===

    def n_to_fold(self) -> int:
        """Returns the number of distinct sequences that have no structure."""
        query = "SELECT COUNT(*) FROM to_fold"
        return self._database.execute(query).fetchone()[0]

    def sequences_to_fold(self) -> Iterator[str]:
        """Yields each distinct sequence that has no structure, longest first.

        The longest take the longest to fold: at the end no worker waits for one.
        """
        rows = self._database.execute(
            "SELECT sequence FROM to_fold ORDER BY LENGTH(sequence) DESC, digest"
        )
        for (sequence,) in rows:
            yield sequence

    def sites(self, split: str) -> Iterator[list[Site]]:
        """Yields the sites of a split, some at once, in an order the seed settles.

        The order is that of the sequences' hashes: classes and files are mixed.
        """
        stored = "test" if split == "test" else "train"
        for group in self._groups(stored):
            found = self._sequences(stored, group)
            chosen = self._is_of(split, found)
            if not chosen.any():
                continue
            columns = "names, sequences, dot_brackets"
            rows = list(self._parts(columns, "sites", stored, group))
            names, sequences, dot_brackets = (
                "\n".join(texts).split("\n") for texts in zip(*rows, strict=True)
            )
            sites = [
                Site(names[place], sequences[place], label, dot_brackets[place] or None)
                for place, label in zip(
                    found.places[chosen].tolist(),
                    found.labels[chosen].tolist(),
                    strict=True,
                )
            ]
            for start in range(0, len(sites), _SITES_TO_YIELD):
                yield sites[start : start + _SITES_TO_YIELD]

    def _groups(self, *splits: str) -> Iterator[_Group]:
        """Yields neighboring buckets that hold some thousand sites together."""
        sizes = sum(self._bucket_sizes[split] for split in splits)
        ends = np.append(0, np.cumsum(sizes))
        first = 0
        while first < _N_BUCKETS:
            enough = np.searchsorted(ends, ends[first] + _SITES_AT_ONCE)
            end = min(max(int(enough), first + 1), _N_BUCKETS)
            yield first, end
            first = end

    def _sequences(self, split: str, group: _Group) -> _Sequences:
        digests = self._numbers("digests", np.int64, "sites", split, group)
        labels = self._numbers("labels", np.uint8, "sites", split, group)
        places = np.argsort(digests, kind="stable")
        digests, labels = digests[places], labels[places]
        is_first = np.append(True, digests[1:] != digests[:-1])[: len(digests)]
        starts = np.flatnonzero(is_first)
        if not len(starts):
            return _Sequences(places, labels, starts, digests, labels, labels)
        return _Sequences(
            places,
            labels,
            np.diff(np.append(starts, len(digests))),
            digests[starts],
            np.minimum.reduceat(labels, starts),
            np.maximum.reduceat(labels, starts),
        )

    def _numbers(self, column: str, dtype: type, *place) -> np.ndarray:
        parts = (part for (part,) in self._parts(column, *place))
        return np.frombuffer(b"".join(parts), dtype)

    def _parts(
        self, columns: str, table: str, split: str, group: _Group
    ) -> Iterator[tuple]:
        """Returns what a group of buckets holds, in the order in which it came."""
        return self._database.execute(
            f"SELECT {columns} FROM {table} WHERE split = ? AND bucket >= ?"
            " AND bucket < ? ORDER BY rowid",
            [split, *group],
        )


def _buckets(numbers: np.ndarray) -> Iterator[tuple[int, slice]]:
    """Yields the buckets of sorted numbers, and where the numbers of each stand."""
    bits = 64 - (_N_BUCKETS - 1).bit_length()
    starts = np.arange(1, _N_BUCKETS) - _N_BUCKETS // 2 << bits
    bounds = [0, *np.searchsorted(numbers, starts).tolist(), len(numbers)]
    for bucket, (start, end) in enumerate(itertools.pairwise(bounds)):
        if start < end:
            yield bucket, slice(start, end)
