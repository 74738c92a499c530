"""Times the scratch file of preprocessing beside the same in DuckDB.

    pip install duckdb
    python benchmarks/site_store.py [--sites 400000] [--repeats 2]

Each store takes the sites by the thousand and gives them back in the order of their
hashes, and then the distinct sequences, the longest first. Each turn is a process of
its own; printed are its seconds and its largest resident set.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from deeprke_tf.data import partition
from deeprke_tf.data.site_store import SiteStore
from deeprke_tf.rna.sites import Site

_AT_ONCE = 4_096


def main():
    """Runs both in turn, or, called by itself, one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=400_000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--one", choices=STORES, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if not flags.one:
        for _ in range(flags.repeats):
            for name in STORES:
                again = [sys.executable, __file__, "--one", name]
                subprocess.run([*again, "--sites", str(flags.sites)], check=True)
        return
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        n_read = sum(map(len, STORES[flags.one](Path(directory), flags.sites)))
        seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{flags.one}: {n_read:,} rows in {seconds:.2f} s, {memory:.0f} MB")


def _sites(n_sites: int) -> Iterator[list[Site]]:
    rng = random.Random(1)
    halves = ["".join(rng.choices("ACGU", k=51)) for _ in range(20_000)]
    for start in range(0, n_sites, _AT_ONCE):
        yield [
            Site(f"site{i}", halves[i % 20_000] + halves[i * 7 % 20_000], i % 2)
            for i in range(start, min(start + _AT_ONCE, n_sites))
        ]


def in_sqlite(directory: Path, n_sites: int) -> Iterator[list]:
    """Yields the sites, then the sequences, of the store that preprocessing uses."""
    store = SiteStore(directory / "sites", seed=1, validation_fraction=0.1)
    for sites in _sites(n_sites):
        store.add("train", sites, [None] * len(sites))
    store.index()
    for some in store.read():
        yield some.sites
    yield list(store.sequences_to_fold())


def in_duckdb(directory: Path, n_sites: int) -> Iterator[list]:
    """Yields the same from DuckDB, with two threads and a limit of 256 MB."""
    import duckdb
    import pandas as pd

    database = duckdb.connect(str(directory / "sites"))
    database.execute("SET threads=2; SET memory_limit='256MB'")
    database.execute(
        "CREATE TABLE sites (place BIGINT, hash BIGINT, split UTINYINT, label UTINYINT,"
        " name VARCHAR, sequence VARCHAR)"
    )
    n_before = 0
    for sites in _sites(n_sites):
        names, sequences, labels, *_ = zip(*sites, strict=True)
        hashes = partition.sequence_hashes(sequences, 1)
        columns = {
            "place": np.arange(n_before, n_before + len(sites)),
            "hash": hashes.order,
            "split": partition.is_validation(hashes.validation, 0.1).astype(np.uint8),
            "label": np.array(labels, np.uint8),
            "name": names,
            "sequence": sequences,
        }
        database.register("chunk", pd.DataFrame(columns))
        database.execute("INSERT INTO sites SELECT * FROM chunk")
        n_before += len(sites)
    rows = database.execute(
        "SELECT name, sequence, label FROM sites ORDER BY hash, place"
    )
    while some := rows.fetchmany(_AT_ONCE):
        yield [Site(*row) for row in some]
    yield database.execute(
        "SELECT any_value(sequence) AS one FROM sites GROUP BY hash"
        " ORDER BY length(one) DESC, hash"
    ).fetchall()


STORES = {"SQLite": in_sqlite, "DuckDB": in_duckdb}


if __name__ == "__main__":
    main()
