"""Sites on disk while they are preprocessed, so that memory stays flat.

Counting duplicates, splitting and ordering need to see all sites at once. They lie in
a scratch SQLite file, and SQL looks at them; only a page of it is ever in memory.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from deeprke_tf.sites import Site
from pipelines.stages import sequence_digest

_ROWS_AT_ONCE = 1_000


class SiteStore:
    """The usable sites of one dataset, by split.

    Args:
      path: Scratch file; the caller deletes it.
      seed: Settles which sequences go to validation, and the order of sites.
    """

    def __init__(self, path: Path, seed: int):
        self._seed = seed
        self._database = sqlite3.connect(path)
        # A scratch file need not survive a crash.
        self._database.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE sites (split TEXT, digest INTEGER, name TEXT, sequence TEXT,"
            " label INTEGER, dot_bracket TEXT);"
        )

    def close(self) -> None:
        """Closes the scratch file."""
        self._database.close()

    def add(self, split: str, sites: Iterable[Site]) -> None:
        """Adds sites to a split."""
        rows = (
            (
                split,
                sequence_digest(site.sequence, self._seed),
                site.name,
                site.sequence,
                site.label,
                site.dot_bracket,
            )
            for site in sites
        )
        with self._database:
            self._database.executemany("INSERT INTO sites VALUES (?,?,?,?,?,?)", rows)

    def index(self) -> None:
        """Makes the questions below fast; called once, when all sites are in."""
        self._database.execute("CREATE INDEX by_digest ON sites (split, digest, label)")

    def split_off_validation(self, fraction: float) -> None:
        """Moves a share of the training sites of each class into "validation".

        A sequence goes with all its sites, by its hash alone, so that duplicates never
        straddle the split; a sequence of both classes counts as positive.

        Args:
          fraction: Share of each class's distinct sequences, in (0, 1).
        """
        with self._database:
            self._database.execute(
                "CREATE TEMP TABLE classes AS SELECT digest, MAX(label) AS label"
                " FROM sites WHERE split = 'train' GROUP BY digest"
            )
            for label in (0, 1):
                (n_distinct,) = self._database.execute(
                    "SELECT COUNT(*) FROM classes WHERE label = ?", [label]
                ).fetchone()
                self._database.execute(
                    "UPDATE sites SET split = 'validation' WHERE split = 'train' AND"
                    " digest IN (SELECT digest FROM classes WHERE label = ?"
                    " ORDER BY digest LIMIT ?)",
                    [label, round(fraction * n_distinct)],
                )
            self._database.execute("DROP TABLE classes")

    def counts(self, split: str) -> dict[int, int]:
        """Returns the number of sites of each label, 0 and 1, in a split."""
        rows = self._database.execute(
            "SELECT label, COUNT(*) FROM sites WHERE split = ? GROUP BY label", [split]
        )
        return {0: 0, 1: 0} | dict(rows)

    def longest_site(self, split: str) -> int:
        """Returns the length of the longest site of a split, in nucleotides."""
        (longest,) = self._database.execute(
            "SELECT MAX(LENGTH(sequence)) FROM sites WHERE split = ?", [split]
        ).fetchone()
        return longest or 0

    def duplicates(self) -> dict[str, int]:
        """Counts what stands more than once; asked before validation is split off.

        Returns:
          For each of "train" and "test": sites whose name or whose sequence an earlier
          one has, and distinct sequences that both classes have; and the distinct
          sequences that "train" and "test" share.
        """
        found = {}
        for split in ("train", "test"):
            for key, distinct in (("names", "name"), ("sequences", "digest")):
                found[f"{split}_sites_with_duplicate_{key}"] = self._count(
                    f"SELECT COUNT(*) - COUNT(DISTINCT {distinct}) FROM sites"
                    f" WHERE split = '{split}'"
                )
            found[f"{split}_sequences_in_both_classes"] = self._count(
                "SELECT COUNT(*) FROM (SELECT 1 FROM sites WHERE"
                f" split = '{split}' GROUP BY digest HAVING MIN(label) < MAX(label))"
            )
        found["sequences_in_train_and_test"] = self._count(
            "SELECT COUNT(*) FROM (SELECT digest FROM sites WHERE split = 'train'"
            " INTERSECT SELECT digest FROM sites WHERE split = 'test')"
        )
        return found

    def sequences_without_structure(self) -> Iterator[str]:
        """Yields the sequence of every site without a structure of its own."""
        rows = self._database.execute(
            "SELECT sequence FROM sites WHERE dot_bracket IS NULL"
        )
        for (sequence,) in rows:
            yield sequence

    def sequences_to_fold(self) -> Iterator[str]:
        """Yields each distinct sequence without a structure of its own, longest first.

        The longest take the longest to fold: at the end no worker waits for one.
        """
        rows = self._database.execute(
            "SELECT sequence FROM sites WHERE dot_bracket IS NULL GROUP BY digest"
            " ORDER BY LENGTH(sequence) DESC, digest"
        )
        for (sequence,) in rows:
            yield sequence

    def sites(self, split: str) -> Iterator[list[Site]]:
        """Yields the sites of a split, some at once, in an order the seed settles.

        The order is that of the sequences' hashes: classes and files are mixed.
        """
        rows = self._database.execute(
            "SELECT name, sequence, label, dot_bracket FROM sites WHERE split = ?"
            " ORDER BY digest, rowid",
            [split],
        )
        while some := rows.fetchmany(_ROWS_AT_ONCE):
            yield [Site(*row) for row in some]

    def _count(self, query: str) -> int:
        return self._database.execute(query).fetchone()[0]
