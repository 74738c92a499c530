"""Sites on disk while they are preprocessed, so that memory stays flat.

Ordering sites and counting duplicates need to see all sites at once. They lie in a
scratch SQLite file in buckets: each is a range of order hashes, and so holds all sites
of a sequence. They are read back a few buckets at a time, some thousand sites.
"""

import itertools
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.data import partition
from deeprke_tf.data.records import SPLITS
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import Site

SITES_AT_ONCE = 4_096  # Sites that are read back together, about.
_BUCKET_BITS = 7
_NAMES_BUCKET_BITS = 4
_TRAIN, _VALIDATION, _TEST = range(len(SPLITS))

# A scratch file need not survive a crash; a cache of 1 MiB is full soon, and memory
# flat from then on.
_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
PRAGMA page_size=16384; PRAGMA cache_size=-1024;
CREATE TABLE sites
 (bucket INTEGER, rows BLOB, names TEXT, sequences TEXT, dot_brackets TEXT,
  coordinates TEXT);
CREATE TABLE names (bucket INTEGER, split TEXT, hashes BLOB);
CREATE TABLE to_fold (order_hash INTEGER PRIMARY KEY, sequence TEXT);
"""

# Order hash, split (its place in `SPLITS`) and label of a site.
_ROW = np.dtype([("order", np.int64), ("split", np.uint8), ("label", np.uint8)])


class SomeSites(NamedTuple):
    """Neighboring sites of all splits, ordered by order hash, then as they were added.

    Attributes:
      rows: `order`, `split` (its place in `SPLITS`) and `label` of each site.
      sites: The sites, without a dot-bracket where it is not known.
    """

    rows: np.ndarray
    sites: list[Site]

    def of(self, split: str) -> "SomeSites":
        """Returns the sites of one split."""
        places = np.flatnonzero(self.rows["split"] == SPLITS.index(split))
        return SomeSites(
            self.rows[places], [self.sites[place] for place in places.tolist()]
        )

    def cut(self, n_sites: int) -> "Iterator[SomeSites]":
        """Yields the sites in parts of at most `n_sites`."""
        for start in range(0, len(self.sites), n_sites):
            part = slice(start, start + n_sites)
            yield SomeSites(self.rows[part], self.sites[part])

    @property
    def longest(self) -> int:
        """Length of the longest site, nucleotides."""
        return max(len(site.sequence) for site in self.sites)


class SiteStore:
    """The usable sites of one dataset.

    Args:
      path: Scratch file; the caller deletes it.
      seed: Fixes the order of sites, and which sequences are for validation.
      validation_fraction: Fraction of the training sequences for validation; 0: they
        are chosen later, by `move_to_validation`.
    """

    def __init__(self, path: Path, seed: int, validation_fraction: float):
        self._seed = seed
        self._validation_fraction = validation_fraction
        self._counts = np.zeros((len(SPLITS), 2), int)
        self._moved = np.zeros(0, np.int64)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the scratch file."""
        self._database.close()

    def add(
        self, split: str, sites: Sequence[Site], dot_brackets: Sequence[str | None]
    ) -> None:
        """Adds labelled sites; thousands at once take least time.

        Args:
          split: "train" or "test", for sites that do not say it themselves; of those
            for training, validation is split off.
          sites: Their own structures are ignored.
          dot_brackets: The structure of each site; None: to be folded.
        """
        if not sites:
            return
        names, sequences, labels, *_ = zip(*sites, strict=True)
        hashes = partition.sequence_hashes(sequences, self._seed)
        rows = np.empty(len(sites), _ROW)
        rows["order"], rows["label"] = hashes.order, labels
        rows["split"] = SPLITS.index(split)
        if split == "train":
            rows["split"] += partition.is_validation(
                hashes.validation, self._validation_fraction
            )
        if any(site.split for site in sites):
            rows["split"] = [SPLITS.index(site.split or split) for site in sites]
        np.add.at(self._counts, (rows["split"], rows["label"]), 1)
        places = np.argsort(hashes.order, kind="stable")
        self._add_names(names, rows["split"])
        rows = rows[places]
        texts = [
            [column[place] or "" for place in places.tolist()]
            for column in (names, sequences, dot_brackets, *_coordinates(sites))
        ]
        # Most inputs have no coordinates: their column is empty then.
        texts += [[]] * (4 - len(texts))
        parts = (
            (bucket, rows[part].tobytes(), *("\n".join(text[part]) for text in texts))
            for bucket, part in _buckets(rows["order"], _BUCKET_BITS)
        )
        self._database.executemany("INSERT INTO sites VALUES (?, ?, ?, ?, ?, ?)", parts)
        to_fold = [
            (order, sequence)
            for order, sequence, known in zip(
                hashes.order.tolist(), sequences, dot_brackets, strict=True
            )
            if known is None
        ]
        insert = "INSERT OR IGNORE INTO to_fold VALUES (?, ?)"
        self._database.executemany(insert, to_fold)

    def _add_names(self, names: Sequence[str], splits: np.ndarray) -> None:
        # Of a random key: only whether names are equal matters.
        hashes = np.array(
            [hash(name) >> 1 & (1 << partition.BITS) - 1 for name in names]
        )
        is_test = splits == _TEST
        for split, some in (("train", ~is_test), ("test", is_test)):
            hashed = np.sort(hashes[some])
            parts = (
                (bucket, split, hashed[part].tobytes())
                for bucket, part in _buckets(hashed, _NAMES_BUCKET_BITS)
            )
            self._database.executemany("INSERT INTO names VALUES (?, ?, ?)", parts)

    def index(self) -> None:
        """Makes reading fast; called once, when all sites are in."""
        for table in ("sites", "names"):
            self._database.execute(
                f"CREATE INDEX {table}_by_bucket ON {table} (bucket)"
            )

    def counts(self, split: str) -> dict[int, int]:
        """Returns the number of sites of each label, 0 and 1, in a split."""
        return dict(enumerate(self._counts[SPLITS.index(split)].tolist()))

    def move_to_validation(self, order_hashes: np.ndarray, n_sites: np.ndarray) -> None:
        """Moves training sequences to validation, each with all its sites.

        Args:
          order_hashes: Of the sequences, int64 [n_sequences].
          n_sites: How many sites of each label they have, int64 [2].
        """
        self._moved = np.sort(order_hashes)
        self._counts[_VALIDATION] += n_sites
        self._counts[_TRAIN] -= n_sites

    # === Folding ===

    def n_to_fold(self) -> int:
        """Returns the number of distinct sequences that have no structure."""
        query = "SELECT COUNT(*) FROM to_fold"
        return self._database.execute(query).fetchone()[0]

    def sequences_to_fold(self) -> Iterator[str]:
        """Yields each distinct sequence that has no structure, longest first.

        The longest take the longest to fold: at the end no worker waits for one.
        """
        rows = self._database.execute(
            "SELECT sequence FROM to_fold ORDER BY LENGTH(sequence) DESC, order_hash"
        )
        for (sequence,) in rows:
            yield sequence

    # === Reading ===

    def read(self) -> Iterator[SomeSites]:
        """Yields all sites by order hash, some thousand at once."""
        for first, end in self._ranges():
            found = self._database.execute(
                "SELECT rows, coordinates, names, sequences, dot_brackets FROM sites"
                " WHERE bucket >= ? AND bucket < ? ORDER BY bucket, rowid",
                [first, end],
            )
            parts = found.fetchall()
            if not parts:
                continue
            blobs, coordinates, *texts = zip(*parts, strict=True)
            # No text has a line end in it.
            names, sequences, dot_brackets = (
                "\n".join(text).split("\n") for text in texts
            )
            rows = np.frombuffer(b"".join(blobs), _ROW)
            places = np.argsort(rows["order"], kind="stable")
            rows = rows[places]
            is_moved = np.isin(rows["order"], self._moved, kind="sort")
            rows["split"][is_moved & (rows["split"] == _TRAIN)] = _VALIDATION
            labels = rows["label"].tolist()
            sites = [
                Site(names[place], sequences[place], label, dot_brackets[place] or None)
                for place, label in zip(places.tolist(), labels, strict=True)
            ]
            if any(coordinates):
                lines = _lines(blobs, coordinates)
                sites = [
                    _with_coordinates(site, lines[place])
                    for place, site in zip(places.tolist(), sites, strict=True)
                ]
            yield SomeSites(rows, sites)

    def name_hashes(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yields "train" or "test" and hashes of names; equal hashes come together."""
        for bucket, split in itertools.product(
            range(1 << _NAMES_BUCKET_BITS), ("train", "test")
        ):
            found = self._database.execute(
                "SELECT hashes FROM names WHERE bucket = ? AND split = ?",
                [bucket, split],
            )
            joined = b"".join(hashes for (hashes,) in found)
            yield split, np.frombuffer(joined, np.int64)

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Yields ranges of buckets that hold about `SITES_AT_ONCE` sites each."""
        n_buckets = 1 << _BUCKET_BITS
        n_ranges = int(self._counts.sum()) // SITES_AT_ONCE
        n_ranges = min(max(n_ranges, 1), n_buckets)
        return itertools.pairwise(
            n_buckets * i // n_ranges for i in range(n_ranges + 1)
        )


def _coordinates(sites: Sequence[Site]) -> list[list[str]]:
    """Returns locus and gene of each site as one text; nothing if none has any."""
    if not any(site.locus or site.gene for site in sites):
        return []
    return [
        [
            f"{site.locus or ''}\t{site.gene}" if site.locus or site.gene else ""
            for site in sites
        ]
    ]


def _lines(blobs: Sequence[bytes], coordinates: Sequence[str]) -> list[str]:
    """Returns the texts of `_coordinates` for each site that is read."""
    n_sites = [len(blob) // _ROW.itemsize for blob in blobs]
    texts = (
        text or "\n" * (n - 1) for text, n in zip(coordinates, n_sites, strict=True)
    )
    return "\n".join(texts).split("\n")


def _with_coordinates(site: Site, line: str) -> Site:
    locus, _, gene = line.partition("\t")
    return site._replace(locus=Locus.parse(locus) if locus else None, gene=gene)


def _buckets(hashes: np.ndarray, bits: int) -> Iterator[tuple[int, slice]]:
    """Yields the buckets of sorted hashes, and where the hashes of each lie."""
    starts = np.arange(1, 1 << bits) << partition.BITS - bits
    bounds = [0, *np.searchsorted(hashes, starts).tolist(), len(hashes)]
    for bucket, (start, end) in enumerate(itertools.pairwise(bounds)):
        if start < end:
            yield bucket, slice(start, end)
