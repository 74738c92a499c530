"""Measures how many sites a second networks train on, one alone and many at once.

    python benchmarks/fleet.py --networks 1 32 --preset deeprke

On whatever device JAX finds, in float32 and in mixed precision; each measurement in a
process of its own. All compile at the same time and are timed one after the other.
Sites are random letters of 101 nt; validation, an eighth as many sites, is part of what
is timed.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_N_KMERS = 99
_EPOCHS = 6


def main() -> None:
    """Measures each combination that the flags name."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--preset", default="deeprke")
    parser.add_argument("--n-sites", type=int, default=8192, help="of each network")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        print(json.dumps(_measured(flags, **json.loads(flags.one))))
        return
    cases = [
        {"networks": n, "mixed": mixed} for n in flags.networks for mixed in (0, 1)
    ]
    started = [_start(flags, case) for case in cases]
    rows = []
    for process in started:
        output, _errors = process.communicate()
        if process.returncode:
            sys.exit(f"a measurement failed: {output[-500:]}")
        rows.append(json.loads(output.splitlines()[-1]))
    for row in rows:
        precision = "mixed bfloat16" if row["mixed"] else "float32"
        print(
            f"{row['networks']:>3} x {flags.preset}, {precision:<14}  "
            f"{row['sites_per_second']:>9,.0f} sites/s on {row['device']}"
        )
    if flags.json:
        flags.json.write_text(json.dumps(rows, indent=2) + "\n")


def _start(flags: argparse.Namespace, case: dict[str, int]) -> subprocess.Popen:
    command = [sys.executable, __file__, "--preset", flags.preset]
    command += ["--n-sites", str(flags.n_sites), "--one", json.dumps(case)]
    environment = {
        "KERAS_BACKEND": "jax",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        **os.environ,
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _measured(flags: argparse.Namespace, networks: int, mixed: int) -> dict[str, Any]:
    import dataclasses
    import tempfile

    import filelock
    import jax

    from deeprke_tf.fleets import fleet
    from deeprke_tf.presets import preset

    config = preset(flags.preset)
    settings = dataclasses.replace(
        config.train,
        epochs=_EPOCHS,
        min_epochs=_EPOCHS,
        min_steps=0,
        mixed_precision=bool(mixed),
    )
    config = dataclasses.replace(config, train=settings)
    members = [_member(config, flags.n_sites, seed) for seed in range(networks)]
    # One at a time is on the device; compilation, in the first epoch, is before.
    turn = filelock.FileLock(Path(tempfile.gettempdir()) / "deeprke-fleet.lock")
    times: list[float] = []

    def end_epoch(_line: str) -> None:
        if not times:
            turn.acquire()
        times.append(time.monotonic())

    try:
        fleet.train_together(config, members, end_epoch)
    finally:
        turn.release()
    # The second epoch compiles what differs in it, if anything does.
    seconds = [b - a for a, b in itertools.pairwise(times[1:])]
    return {
        "networks": networks,
        "mixed": mixed,
        "sites_per_second": networks * flags.n_sites / statistics.median(seconds),
        "device": jax.devices()[0].device_kind,
    }


def _member(config: Any, n_sites: int, seed: int) -> Any:
    import numpy as np

    from deeprke_tf.fleets.data import LabelledIds
    from deeprke_tf.fleets.steps import Member
    from deeprke_tf.networks import kmer_counts

    rng = np.random.default_rng(seed)

    def sites(n: int) -> Any:
        ids = {
            "sequence_kmers": rng.integers(2, 66, (n, _N_KMERS), np.uint8),
            "structure_kmers": rng.integers(2, 218, (n, _N_KMERS), np.uint8),
        }
        return LabelledIds(ids, rng.integers(0, 2, n))

    vectors = {
        view: rng.normal(size=(n_ids, config.vectors.vector_size)).astype(np.float32)
        for view, n_ids in (("sequence", 66), ("structure", 218))
    }
    for table in vectors.values():
        table[0] = 0
    if config.model.counts_kmers:
        vectors["kmer_weights"] = np.zeros(kmer_counts.n_weights(3), np.float32)
    splits = {"train": sites(n_sites), "validation": sites(n_sites // 8)}
    return Member(splits, vectors, seed)


if __name__ == "__main__":
    main()
