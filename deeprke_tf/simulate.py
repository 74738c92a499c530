"""Command: make CLIP-like sites whose motif counts in one loop context only.

    deeprke simulate --out train.fa.gz --test-out test.fa.gz

`deeprke_tf.rna.simulation` says what is planted and what a model can see of it.
"""

import collections
import dataclasses
import gzip
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.errors import UserError
from deeprke_tf.rna.simulation import SimulationConfig, simulate
from deeprke_tf.rna.sites import Site
from deeprke_tf.system.files import bytes_written_aside
from deeprke_tf.system.progress import progress_bar

LINE_WIDTH = 60  # nucleotides


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

    def __post_init__(self):
        if self.test_sites < 1:
            raise UserError(f"test_sites must be at least 1, got {self.test_sites}.")
        if self.test_out == self.out:
            raise UserError(f"out and test_out are one file, {self.out}.")


def write_files(flags: SimulateFlags) -> None:
    """Simulates and writes the files asked for; prints their names and counts."""
    files = {flags.out: flags.simulation}
    if flags.test_out is not None:
        files[flags.test_out] = independent(flags.simulation, flags.test_sites)
    for path, config in files.items():
        counts = write_labelled_fasta(_with_progress(config, path.name), path)
        print(f"{path}: {counts[1]} positives, {counts[0]} background sites.")


def independent(config: SimulationConfig, n_sites: int) -> SimulationConfig:
    """Returns the config of other sites of the same kind, for a test.

    Their seed is drawn from the config's own, so that one seed settles both files.
    """
    seed = random.Random(f"test sites of seed {config.seed}").getrandbits(63)
    return dataclasses.replace(config, n_sites=n_sites, seed=seed)


def _with_progress(config: SimulationConfig, description: str) -> Iterator[Site]:
    with progress_bar(config.n_sites, "site", description) as bar:
        for site in simulate(config):
            yield site
            bar.update()


def write_labelled_fasta(sites: Iterable[Site], path: Path) -> collections.Counter[int]:
    """Writes sites as FASTA with headers `> name; class:1`.

    The file appears when it is complete.

    Args:
      sites: Labelled sites, taken one at a time.
      path: File to write, its folder made if need be. One that ends in `.gz` is
        compressed, to the same bytes for the same sites.

    Returns:
      The number of sites of each label.

    Raises:
      ValueError: A site has no label.
    """
    counts: collections.Counter[int] = collections.Counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    with bytes_written_aside(path) as raw:
        # Without name and time in its header a gzip file depends on the sites alone.
        compress = path.suffix == ".gz"
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if compress else raw as file:
            for site in sites:
                if site.label is None:
                    raise UserError(f"Site {site.name!r} has no label to write.")
                file.write(_fasta_record(site).encode())
                counts[site.label] += 1
    return counts


def _fasta_record(site: Site) -> str:
    lines = [
        site.sequence[start : start + LINE_WIDTH]
        for start in range(0, len(site.sequence), LINE_WIDTH)
    ]
    return "\n".join([f"> {site.name}; class:{site.label}", *lines, ""])


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `deeprke simulate`; returns the exit status."""
    return cli.run("simulate", SimulateFlags, write_files, argv)


if __name__ == "__main__":
    sys.exit(main())
