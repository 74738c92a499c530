"""Cache of folds on disk, by sequence and settings: no sequence is folded twice.

One SQLite file serves all datasets, values of k and experiments of a user, and several
processes at once. A key covers the sequence, the fold settings and the version of
ViennaRNA: folds of other settings lie in the same file and are never mixed up.

The cache never stops the work. If the file cannot be written it is only read, if it
cannot be read it is left alone, and new folds are kept in memory; a warning says so.
Each row has a checksum; the sequence of a damaged row is folded again.
"""

import hashlib
import itertools
import logging
import operator
import sqlite3
import time
import zlib
from binascii import unhexlify
from collections.abc import Iterable, Sequence
from pathlib import Path

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.structure import VIENNARNA_VERSION, are_balanced
from deeprke_tf.system.cache import cache_directory

# Older versions of SQLite take 999 variables.
KEYS_PER_QUERY = 4_096 if sqlite3.sqlite_version_info >= (3, 32) else 512

_KEY_SIZE = 16  # bytes
_SECONDS_LOCKED = 60  # how long another process may hold the file
_MADE = """
CREATE TABLE IF NOT EXISTS folds
 (key BLOB PRIMARY KEY, dot_bracket TEXT NOT NULL, checksum INTEGER) WITHOUT ROWID
"""
# One row of all folds: SQLite releases the GIL once, not for each of them.
_FIND = """
SELECT group_concat(hex(key), ''), group_concat(dot_bracket, char(10)),
 group_concat({checksum} IS NULL, ''), sum({checksum})
 FROM folds WHERE key IN ({keys})
"""

logger = logging.getLogger(__name__)


def default_path() -> Path | None:
    """Returns the cache file: in `$DEEPRKE_CACHE`, or the user's cache directory.

    None: the user has no home directory.
    """
    directory = cache_directory()
    return directory and directory / "folds.sqlite"


class FoldCache:
    """A store of structures folded with the same `FoldSettings`.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "folds.sqlite"
    >>> with FoldCache(path, FoldSettings()) as cache:
    ...     cache.put({"GGGAAACCC": "(((...)))"})
    ...     cache.get(["GGGAAACCC", "ACGU"])
    {'GGGAAACCC': '(((...)))'}

    Args:
      path: The SQLite file; made, with its directory, if it does not exist. None: the
        user's, `default_path`.
      settings: How all the sequences are folded.
    """

    def __init__(self, path: Path | None, settings: FoldSettings):
        self.path = path or default_path()
        # blake2b takes keys of up to 64 bytes: hash the description to be sure to fit.
        description = f"ViennaRNA {VIENNARNA_VERSION} MFE {settings}"
        hash_key = hashlib.blake2b(description.encode(), digest_size=16).digest()
        self._keyed = hashlib.blake2b(digest_size=_KEY_SIZE, key=hash_key)
        # The last one is written to.
        self._stores: list[_Store] = []
        if self.path is None:
            self._go_on_in_memory("There is no home directory for the fold cache")
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stores.append(_Store(_opened(self.path), self.path))
        except (OSError, sqlite3.Error) as error:
            try:
                self._stores.append(_Store(_opened_to_read(self.path), self.path))
            except sqlite3.Error:
                self._go_on_in_memory(f"Cannot use the fold cache {self.path}", error)
            else:
                self._go_on_in_memory(f"Cannot write the fold cache {self.path}", error)

    def __enter__(self) -> "FoldCache":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        for store in self._stores:
            store.database.close()

    def get(self, sequences: Sequence[str]) -> dict[str, str]:
        """Returns the known structures by sequence, in dot-bracket notation."""
        by_key = {self._key(sequence): sequence for sequence in sequences}
        found: dict[str, str] = {}
        for store in self._stores.copy():
            # Sorted, as they lie in the file: neighbors are often on one page.
            keys = sorted(key for key, text in by_key.items() if text not in found)
            try:
                for start in range(0, len(keys), KEYS_PER_QUERY):
                    some = keys[start : start + KEYS_PER_QUERY]
                    found |= store.find({key: by_key[key] for key in some})
            except sqlite3.Error as error:
                self._stores.remove(store)
                self._go_on_in_memory(f"Cannot read the fold cache {self.path}", error)
        return found

    def known(self, sequences: Sequence[str]) -> set[str]:
        """Returns the sequences whose structure is known."""
        return set(self.get(sequences))

    def put(self, folds: dict[str, str]) -> None:
        """Stores structures by sequence; from then on they survive a kill."""
        rows = [
            (self._key(sequence), dot_bracket, zlib.crc32(dot_bracket.encode()))
            for sequence, dot_bracket in folds.items()
        ]
        try:
            self._stores[-1].put(rows)
        except sqlite3.Error as error:
            self._go_on_in_memory(f"Cannot write the fold cache {self.path}", error)
            self._stores[-1].put(rows)

    def _go_on_in_memory(self, fault: str, error: Exception | None = None) -> None:
        advice = "set the environment variable DEEPRKE_CACHE to another directory"
        # Words of SQLite for a damaged file.
        if error and any(s in str(error) for s in ("malformed", "not a database")):
            advice = "delete the file, which is damaged"
        cause = f": {error}" if error else ""
        logger.warning(
            "%s%s. New folds are not kept; to keep them, %s.", fault, cause, advice
        )
        self._stores.append(
            _Store(sqlite3.connect(":memory:", check_same_thread=False))
        )

    def _key(self, sequence: str) -> bytes:
        # Copied, as the hash of the key takes as long as that of a site.
        hashed = self._keyed.copy()
        hashed.update(sequence.encode("ascii"))
        return hashed.digest()


class _Store:
    """The table of folds in one SQLite database.

    Args:
      database: Closed when it is not usable.
      path: Its file, for messages.

    Raises:
      sqlite3.Error: It cannot be used; also raised by each method.
    """

    def __init__(self, database: sqlite3.Connection, path: Path | None = None):
        self.database = database
        self._path = path
        self._is_damaged = False
        # Damaged text may not be UTF-8.
        database.text_factory = bytes
        try:
            database.execute(_MADE)
            names = {row[1] for row in database.execute("PRAGMA table_info(folds)")}
            if not {b"key", b"dot_bracket"} <= names:
                raise sqlite3.DatabaseError("its table is of another program")
            self._has_checksums = b"checksum" in names or self._add_checksums()
        except sqlite3.Error:
            database.close()
            raise

    def _add_checksums(self) -> bool:
        """Adds the column that files of older versions lack, if they can be written."""
        try:
            self.database.execute("ALTER TABLE folds ADD COLUMN checksum INTEGER")
        except sqlite3.OperationalError as error:
            return "duplicate" in str(error)  # Another process has just added it.
        return True

    def find(self, by_key: dict[bytes, str]) -> dict[str, str]:
        """Returns the structures of known sequences, without damaged ones.

        Args:
          by_key: The sequences by their keys, at most `KEYS_PER_QUERY`.
        """
        query = _FIND.format(
            checksum="checksum" if self._has_checksums else "NULL",
            keys=",".join("?" * len(by_key)),
        )
        found = self.database.execute(query, list(by_key)).fetchone()
        joined, dot_brackets, lacks_checksum, checksum = found
        if joined is None:
            return {}
        joined = unhexlify(joined)
        starts = range(0, len(joined), _KEY_SIZE)
        sequences = [by_key[joined[at : at + _KEY_SIZE]] for at in starts]
        # All folds are checked at once: nearly always they are sound.
        folds = _sound_folds(sequences, dot_brackets, lacks_checksum, checksum or 0)
        if folds is not None:
            return dict(zip(sequences, folds, strict=True))
        if len(by_key) > 1:
            items, half = list(by_key.items()), len(by_key) // 2
            return self.find(dict(items[:half])) | self.find(dict(items[half:]))
        if not self._is_damaged:
            self._is_damaged = True
            logger.warning(
                "The fold cache %s has damaged rows; their sequences are folded again.",
                self._path,
            )
        return {}

    def put(self, rows: Iterable[tuple[bytes, str, int]]) -> None:
        """Writes key, dot-bracket and checksum of folds, in one transaction."""
        with self.database:
            self.database.executemany(
                "INSERT OR REPLACE INTO folds VALUES (?, ?, ?)", rows
            )


def _sound_folds(
    sequences: list[str], lines: bytes, lacks_checksum: bytes, checksum: int
) -> list[str] | None:
    """Returns the folds of sequences, or None if one of them is damaged.

    Args:
      sequences: RNA letters.
      lines: The fold of each sequence, a line each.
      lacks_checksum: "1" for each fold that has no checksum, "0" for the others. Only
        length and notation of such a fold can be checked.
      checksum: Sum of the checksums.
    """
    folds = lines.decode("ascii", "replace").split("\n")
    if len(folds) != len(sequences):
        return None
    checked = lines.split(b"\n")
    if b"1" in lacks_checksum:
        is_checked = [flag == ord("0") for flag in lacks_checksum]
        checked = list(itertools.compress(checked, is_checked))
        is_unchecked = list(map(operator.not_, is_checked))
        unchecked = list(itertools.compress(folds, is_unchecked))
        lengths = map(len, itertools.compress(sequences, is_unchecked))
        if list(map(len, unchecked)) != list(lengths) or not are_balanced(unchecked):
            return None
    return folds if sum(map(zlib.crc32, checked)) == checksum else None


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
            # A power cut may lose the last folds but never damages the file.
            database.execute("PRAGMA synchronous=NORMAL")
            return database
        except sqlite3.Error as error:
            database.close()
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _opened_to_read(path: Path) -> sqlite3.Connection:
    """Opens a file in a directory where SQLite cannot make its own files."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False
    )
