"""Times preprocessing with an empty fold cache and again with the filled one.

    python benchmarks/warm_cache.py SITES.fa.gz [SITES.fa.gz ...]

Prints, for each file of labelled sites, both times, the ratio and the rates.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main():
    """Prints one row for each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sites", type=Path, nargs="+")
    flags = parser.parse_args()
    print("sites     cold s   warm s   cold/warm   warm sites/s   file")
    for path in flags.sites:
        with tempfile.TemporaryDirectory() as directory:
            cold = preprocess(path, Path(directory))
            warm = min(preprocess(path, Path(directory)) for _ in range(3))
            n_sites = count(Path(directory))
        print(
            f"{n_sites:>6}  {cold:>8.1f}  {warm:>7.2f}  {cold / warm:>10.1f}  "
            f"{n_sites / warm:>13,.0f}   {path.name}",
            flush=True,
        )


def preprocess(path, directory):
    """Runs the command as a user would; returns its seconds, start-up included."""
    started = time.monotonic()
    subprocess.run(
        [
            *(sys.executable, "-m", "pipelines.preprocess", "--overwrite"),
            *("--sites", str(path), "--out", str(directory / "data")),
        ],
        env=os.environ | {"DEEPRKE_CACHE": str(directory)},
        check=True,
        capture_output=True,
    )
    return time.monotonic() - started


def count(directory):
    """Returns the number of sites in the dataset."""
    contents = json.loads((directory / "data" / "dataset.json").read_text())
    return sum(split["n_sites"] for split in contents["splits"].values())


if __name__ == "__main__":
    main()
