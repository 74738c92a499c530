"""The scores of a scan on disk, from which an interrupted scan is resumed.

One SQLite file holds the probabilities of the scanned RNAs and, with a target FDR, of
the background. A batch of RNAs is stored whole or not at all. The file stays when the
scan is finished: another threshold, annotation or plot needs no new scoring.
"""

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import SkippedSite

Origin: TypeAlias = Literal["scanned", "background"]


@dataclasses.dataclass(frozen=True, slots=True)
class ScoredRna:
    """The probabilities of the windows of one RNA.

    Attributes:
      name: The RNA's name.
      row: Its number in its file, from 1.
      length: In nucleotides.
      probabilities: Of its windows from 5' to 3', float32 [n_windows]; NaN where a
        window has none.
      reasons: Why a window has none, by its index.
      probability_sds: Sample standard deviations over the members of an ensemble,
        float32 [n_windows]; NaN for a single run.
    """

    name: str
    row: int
    length: int
    probabilities: np.ndarray
    reasons: dict[int, str]
    probability_sds: np.ndarray


class ScoreStore:
    """A file of scored and of skipped RNAs.

    Args:
      path: The SQLite file; made when it does not exist.

    Raises:
      UserError: The file is damaged or not of a scan; this holds for all methods.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            self._database = sqlite3.connect(path)
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        with self._transaction() as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS origins (origin TEXT PRIMARY KEY,"
                " settings TEXT NOT NULL, finished INTEGER NOT NULL)"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS rnas (origin TEXT, row INTEGER,"
                " name TEXT NOT NULL, length INTEGER, probabilities BLOB,"
                " reasons TEXT NOT NULL, probability_sds BLOB,"
                " PRIMARY KEY (origin, row))"
            )
            # Version 0.1.0 kept no standard deviations.
            columns = database.execute("PRAGMA table_info(rnas)").fetchall()
            if "probability_sds" not in {column[1] for column in columns}:
                database.execute("ALTER TABLE rnas ADD COLUMN probability_sds BLOB")

    def __enter__(self) -> "ScoreStore":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._database.close()

    def settings(self, origin: Origin) -> dict[str, Any] | None:
        """Returns the settings that the RNAs of an origin are scored with, if any.

        Scores under other settings must not be mixed with these.
        """
        found = self._rows("SELECT settings FROM origins WHERE origin = ?", origin)
        if not found:
            return None
        settings = json.loads(found[0][0])
        # Version 0.1.0 could fold RNAs as a whole, and said whether it did.
        if settings.get("local_fold") is False:
            del settings["local_fold"]
        return settings

    def begin(self, origin: Origin, settings: dict[str, Any]) -> None:
        """Deletes the scores of an origin, and begins it under new settings."""
        with self._transaction() as database:
            database.execute("DELETE FROM rnas WHERE origin = ?", (origin,))
            database.execute(
                "INSERT OR REPLACE INTO origins VALUES (?, ?, 0)",
                (origin, json.dumps(settings)),
            )

    def finish(self, origin: Origin) -> None:
        """Marks that all RNAs of an origin are here."""
        with self._transaction() as database:
            database.execute(
                "UPDATE origins SET finished = 1 WHERE origin = ?", (origin,)
            )

    def is_finished(self, origin: Origin) -> bool:
        """Tells whether all RNAs of an origin are here."""
        query = "SELECT 1 FROM origins WHERE origin = ? AND finished"
        return bool(self._rows(query, origin))

    def last_row(self, origin: Origin) -> int:
        """Returns the number of the last RNA stored; 0 if there is none."""
        query = "SELECT coalesce(max(row), 0) FROM rnas WHERE origin = ?"
        return self._rows(query, origin)[0][0]

    def add(self, origin: Origin, rnas: Sequence[ScoredRna | SkippedSite]) -> None:
        """Stores a batch; it survives a kill, whole, from here on."""
        rows = [
            (origin, rna.row, rna.name, None, None, f"{rna.reason}\n{rna.detail}", None)
            if isinstance(rna, SkippedSite)
            else (
                *(origin, rna.row, rna.name, rna.length),
                *(rna.probabilities.tobytes(), json.dumps(rna.reasons)),
                rna.probability_sds.tobytes(),
            )
            for rna in rnas
        ]
        with self._transaction() as database:
            database.executemany("INSERT INTO rnas VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def scored(
        self, origin: Origin, order: Literal["row", "name"] = "row"
    ) -> Iterator[ScoredRna]:
        """Yields the scored RNAs, in file order or by the bytes of their names."""
        query = (
            "SELECT name, row, length, probabilities, reasons, probability_sds"
            f" FROM rnas WHERE origin = ? AND length IS NOT NULL ORDER BY {order}"
        )
        for name, row, length, probabilities, reasons, sds in self._each(query, origin):
            by_index = {int(i): reason for i, reason in json.loads(reasons).items()}
            values = np.frombuffer(probabilities, np.float32)
            deviations = np.full(len(values), np.nan, np.float32)
            if sds is not None:
                deviations = np.frombuffer(sds, np.float32)
            yield ScoredRna(name, row, length, values, by_index, deviations)

    def skipped(self, origin: Origin) -> Iterator[SkippedSite]:
        """Yields the skipped RNAs in file order."""
        query = (
            "SELECT name, row, reasons FROM rnas"
            " WHERE origin = ? AND length IS NULL ORDER BY row"
        )
        for name, row, reason in self._each(query, origin):
            yield SkippedSite(name, row, *reason.split("\n", maxsplit=1))

    def lengths(self, origin: Origin) -> list[tuple[str, int]]:
        """Returns name and length of the scored RNAs, by the bytes of their names."""
        return self._rows(
            "SELECT name, length FROM rnas"
            " WHERE origin = ? AND length IS NOT NULL ORDER BY name",
            origin,
        )

    def _rows(self, query: str, origin: Origin) -> list[tuple]:
        return list(self._each(query, origin))

    def _each(self, query: str, origin: Origin) -> Iterator[tuple]:
        try:
            yield from self._database.execute(query, (origin,))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database as database:
                yield database
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UserError:
        # On a full disk the file stays whole, and the scan can go on later.
        advice = "" if "disk" in str(error) else " Delete the file to scan afresh."
        return UserError(f"Cannot use {self.path}: {error}.{advice}")
