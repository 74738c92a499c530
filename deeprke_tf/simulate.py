"""Command: make CLIP-like sites whose motif counts in one loop context only.

    deeprke simulate --out train.fa.gz --test-out test.fa.gz
    deeprke simulate --genome-out genome

`deeprke_tf.rna.simulation` and `deeprke_tf.genome.simulation` say what is planted.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.errors import UserError
from deeprke_tf.genome.simulation import simulate_genome
from deeprke_tf.rna.simulated_files import write_simulation
from deeprke_tf.rna.simulation import SimulationConfig
from deeprke_tf.system.progress import progress_bar


@dataclasses.dataclass(frozen=True)
class SimulateFlags:
    """Makes labelled RNA sites, or a genome with genes and peaks.

    The motif of the sites counts in one loop context only. The genome is to try
    `deeprke run` with; its peaks lie on a planted motif.
    """

    out: Path | None = None
    """FASTA file to write; `.gz` at its end compresses it."""
    test_out: Path | None = None
    """FASTA file for independent test sites of the same kind."""
    test_sites: int = 1000
    """Sites in the test file."""
    genome_out: Path | None = None
    """Directory for genome.fa, genes.gtf and peaks.bed."""
    n_genes: int = 150
    """Genes of the genome, each with about five peaks."""
    simulation: SimulationConfig = SimulationConfig()


def simulate(flags: SimulateFlags) -> None:
    """Writes the files asked for; prints their names and counts.

    Raises:
      UserError: Nothing is asked for, or an argument is out of range.
    """
    if flags.out is None and flags.genome_out is None:
        raise UserError("Nothing to write: give `out` for sites, or `genome_out`.")
    if flags.genome_out is not None:
        made = simulate_genome(
            flags.genome_out, flags.n_genes, seed=flags.simulation.seed
        )
        print(f"{flags.genome_out}: {flags.n_genes} genes, {len(made.motifs)} peaks.")
    if flags.out is None:
        return
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
