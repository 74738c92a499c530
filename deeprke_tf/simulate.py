"""Command: make CLIP-like sites whose motif counts in one loop context only.

    deeprke simulate --out train.fa.gz --test-out test.fa.gz

`deeprke_tf.rna.simulation` describes what is planted.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.rna.simulated_files import write_simulation
from deeprke_tf.rna.simulation import SimulationConfig
from deeprke_tf.system.progress import progress_bar


@dataclasses.dataclass(frozen=True)
class SimulateFlags:
    """Make labelled RNA sites: a motif that counts in one loop context only."""

    out: Path
    """FASTA file to write; `.gz` at its end compresses it."""
    test_out: Path | None = None
    """FASTA file for independent test sites of the same kind."""
    test_sites: int = 1000
    """Sites in the test file."""
    simulation: SimulationConfig = SimulationConfig()


def simulate(flags: SimulateFlags) -> None:
    """Writes the files asked for; prints their names and counts."""
    written = write_simulation(
        *(flags.simulation, flags.out, flags.test_out, flags.test_sites), progress_bar
    )
    for path, counts in written.items():
        print(f"{path}: {counts[1]} positives, {counts[0]} background sites.")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("simulate", SimulateFlags, simulate, argv)


if __name__ == "__main__":
    sys.exit(main())
