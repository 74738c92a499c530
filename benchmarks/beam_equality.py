"""Compares the files and the time of a Beam job with those of the local runner.

    python benchmarks/beam_equality.py --sites TRAIN.fa.gz [--test-sites TEST.fa.gz]
        [--fold-cache folds.sqlite] [--beam "--direct_num_workers 2 ..."]

Each runs `deeprke preprocess` in a process of its own, start-up included, with a fold
cache of its own: a copy of --fold-cache, or an empty one.
"""

import argparse
import filecmp
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from deeprke_tf.data import description


def main():
    """Prints what each wrote, and ends with 1 if any file differs."""
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
        local, other = Path(scratch) / "local", Path(scratch) / "beam"
        local_seconds = _preprocess(local, flags.fold_cache, inputs)
        beam_seconds = _preprocess(other, flags.fold_cache, inputs + beam)
        for name, split in description.read(local / "data").splits.items():
            print(f"{name:10} {split.n_sites:7,} sites {len(split.shards):3} shards")
        names = {path.name for out in (local, other) for path in out.glob("data/*")}
        equal, differing, missing = filecmp.cmpfiles(
            local / "data", other / "data", sorted(names), shallow=False
        )
    print(f"files equal: {len(equal)}, differing: {differing + missing}")
    print(f"local        {local_seconds:8.1f} s")
    print(f"beam         {beam_seconds:8.1f} s  {' '.join(beam)}")
    print(f"beam / local {beam_seconds / local_seconds:8.2f}")
    sys.exit(1 if differing or missing else 0)


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


if __name__ == "__main__":
    main()
