"""Holds the records of a Beam job against those of the local runner, and both times.

    python benchmarks/beam_equality.py --sites TRAIN.fa.gz [--test-sites TEST.fa.gz]
        [--fold-cache folds.sqlite] [--beam "--direct_num_workers 2 ..."]

Each runs `deeprke preprocess` in a process of its own, start-up included, each with a
fold cache of its own: a copy of --fold-cache, or an empty one. Of each split, records
are read from the shards, sorted and hashed: equal hashes are equal sets, repetitions
counted. What else the directories hold is compared as it is.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deeprke_tf.data import description


def main():
    """Prints what each wrote, and ends with 1 where they differ."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sites", type=Path, required=True)
    parser.add_argument("--test-sites", type=Path)
    parser.add_argument("--fold-cache", type=Path, help="copied; none: both fold all")
    parser.add_argument("--runner", default="DirectRunner")
    parser.add_argument("--beam", default="", help="pipeline options, as one string")
    flags = parser.parse_args()
    inputs = ["--sites", flags.sites]
    if flags.test_sites:
        inputs += ["--test-sites", flags.test_sites]
    beam = ["--runner", flags.runner, *flags.beam.split()]
    with tempfile.TemporaryDirectory() as scratch:
        seconds = {
            name: _preprocess(Path(scratch) / name, flags.fold_cache, inputs + options)
            for name, options in {"local": [], "beam": beam}.items()
        }
        equal = _report(Path(scratch), seconds, " ".join(beam))
    sys.exit(0 if equal else 1)


def _preprocess(directory: Path, fold_cache: Path | None, arguments: list) -> float:
    """Makes a dataset in `directory/data`; returns the seconds it took."""
    directory.mkdir()
    cache = directory / "folds.sqlite"
    if fold_cache:
        shutil.copy(fold_cache, cache)
    flags = ["--out", directory / "data", "--fold-cache", cache, *arguments]
    command = [sys.executable, "-m", "pipelines.preprocess", *map(str, flags)]
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def _report(scratch: Path, seconds: dict[str, float], beam: str) -> bool:
    local, other = (scratch / name / "data" for name in ("local", "beam"))
    equal = True
    for split, info in description.read(local).splits.items():
        for name, directory in {"local": local, "beam": other}.items():
            n_records, n_bytes, digest = _digest(directory, split)
            print(f"{split:10} {name:5} {n_records:7,} records {n_bytes:11,} bytes")
            print(f"{'':10} {'':5} sha256 of the sorted records {digest}")
        equal &= _digest(local, split) == _digest(other, split)
        equal &= info.n_sites == _digest(local, split)[0]
    names = sorted(path.name for path in local.iterdir())
    same_names = names == sorted(path.name for path in other.iterdir())
    differing = [
        name
        for name in names
        if same_names and (local / name).read_bytes() != (other / name).read_bytes()
    ]
    print(f"records equal as sets: {equal}")
    print(f"files: {len(names)}, same names: {same_names}, differing: {differing}")
    ratio = seconds["beam"] / seconds["local"]
    print(f"local        {seconds['local']:8.1f} s")
    print(f"beam         {seconds['beam']:8.1f} s  {beam}")
    print(f"beam / local {ratio:8.2f}")
    return equal and same_names


def _digest(directory: Path, split: str) -> tuple[int, int, str]:
    """Returns the number, the size and the hash of the sorted records of a split."""
    records = sorted(_records(directory, split))
    digest = hashlib.sha256()
    for record in records:
        digest.update(len(record).to_bytes(8, "little") + record)
    return len(records), sum(map(len, records)), digest.hexdigest()


def _records(directory: Path, split: str) -> list[bytes]:
    import tensorflow as tf

    shards = [str(p) for p in sorted(directory.glob(f"{split}-*.tfrecord.gz"))]
    return list(tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator())


if __name__ == "__main__":
    main()
