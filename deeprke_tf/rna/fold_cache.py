"""Folds kept on disk by sequence and settings, so that no sequence is folded twice.

One SQLite file serves every dataset, k and experiment of a user, and several processes
at once. A key covers the sequence, the fold settings and the ViennaRNA version: folds
of other settings live beside each other and never answer for one another.
"""

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import platformdirs

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna.structure import VIENNARNA_VERSION

_KEY_SIZE = 16  # bytes
_SECONDS_LOCKED = 60  # How long another process may hold the file.

# Older versions of SQLite take 999 variables.
_KEYS_PER_QUERY = 4_096 if sqlite3.sqlite_version_info >= (3, 32) else 512

# One row of all that is found: while SQLite looks, other threads can run; for each row
# they would have to stop.
_FIND = """
SELECT group_concat(hex(key), ''), group_concat(dot_bracket, char(10))
 FROM folds WHERE key IN ({})
"""


def default_path() -> Path:
    """Returns the cache file: in `$DEEPRKE_CACHE`, or the user's cache directory."""
    directory = os.environ.get("DEEPRKE_CACHE") or platformdirs.user_cache_dir(
        "deeprke"
    )
    return Path(directory) / "folds.sqlite"


def _opened(path: Path) -> sqlite3.Connection:
    """Opens a file that other processes may be making or writing."""
    deadline = time.monotonic() + _SECONDS_LOCKED
    while True:
        database = sqlite3.connect(
            path,
            timeout=_SECONDS_LOCKED,
            check_same_thread=False,  # Threads take turns.
        )
        try:
            # Does not heed the timeout where two turn the log on at once.
            database.execute("PRAGMA journal_mode=WAL")
            return database
        except sqlite3.OperationalError as error:
            database.close()
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


class FoldCache:
    """A store of structures under one `FoldSettings`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "folds.sqlite"
    >>> with FoldCache(path, FoldSettings()) as cache:
    ...     cache.put({"GGGAAACCC": "(((...)))"})
    ...     cache.get(["GGGAAACCC", "ACGU"])
    {'GGGAAACCC': '(((...)))'}

    Args:
      path: The SQLite file; made, with its directory, when it does not exist.
      settings: The settings that all folds put and asked for have in common.

    Raises:
      UserError: The file cannot be written or is not a fold cache.
    """

    def __init__(self, path: Path, settings: FoldSettings):
        self.path = Path(path)
        # blake2b takes keys of up to 64 bytes: hash the description to be sure to fit.
        description = f"ViennaRNA {VIENNARNA_VERSION} MFE {settings}"
        hash_key = hashlib.blake2b(description.encode(), digest_size=16).digest()
        self._keyed = hashlib.blake2b(digest_size=_KEY_SIZE, key=hash_key)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._database = _opened(self.path)
            # A power cut may lose the last folds but never damages the file.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS folds"
                " (key BLOB PRIMARY KEY, dot_bracket TEXT NOT NULL) WITHOUT ROWID"
            )
            # Asks for the columns: the table may be another program's.
            self._database.execute("SELECT key, dot_bracket FROM folds LIMIT 1")
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error

    def __enter__(self) -> "FoldCache":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def get(self, sequences: Sequence[str]) -> dict[str, str]:
        """Returns the structures that are known, by sequence, in dot-bracket.

        Raises:
          UserError: The file is damaged.
        """
        return dict(self._found(sequences))

    def known(self, sequences: Sequence[str]) -> set[str]:
        """Returns those of the sequences whose structure is known.

        Raises:
          UserError: The file is damaged.
        """
        return {sequence for sequence, _dot_bracket in self._found(sequences)}

    def _found(self, sequences: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yields each sequence whose structure is known, and that."""
        by_key = {self._key(sequence): sequence for sequence in sequences}
        # Sorted, as they lie in the file: neighbors are often on one page.
        keys = sorted(by_key)
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            query = _FIND.format(",".join("?" * len(some)))
            try:
                found, dot_brackets = self._database.execute(query, some).fetchone()
            except sqlite3.Error as error:
                raise self._unusable(error) from error
            if found:
                found = bytes.fromhex(found)
                for place, dot_bracket in enumerate(dot_brackets.split("\n")):
                    key = found[place * _KEY_SIZE : (place + 1) * _KEY_SIZE]
                    yield by_key[key], dot_bracket

    def put(self, folds: dict[str, str]) -> None:
        """Keeps structures by their sequences; they survive a kill from here on.

        Raises:
          UserError: The file is damaged, or the disk is full.
        """
        rows = ((self._key(sequence), fold) for sequence, fold in folds.items())
        try:
            with self._database:
                self._database.executemany(
                    "INSERT OR IGNORE INTO folds VALUES (?, ?)", rows
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UserError:
        return UserError(
            f"Cannot use the fold cache {self.path}: {error}. Delete the file if it is "
            "damaged, or set the environment variable DEEPRKE_CACHE to another "
            "directory."
        )

    def _key(self, sequence: str) -> bytes:
        # Copied, as the hash of the key takes as long as that of a site.
        hashed = self._keyed.copy()
        hashed.update(sequence.encode("ascii"))
        return hashed.digest()
