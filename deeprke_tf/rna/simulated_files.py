"""Simulated sites as labelled FASTA files."""

import collections
import dataclasses
import gzip
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.simulation import SimulationConfig, simulate
from deeprke_tf.rna.sites import Site
from deeprke_tf.system.files import bytes_written_aside
from deeprke_tf.system.progress import Progress, no_progress

LINE_WIDTH = 60  # nucleotides


def write_simulation(
    config: SimulationConfig,
    out: Path,
    test_out: Path | None = None,
    test_sites: int = 1000,
    progress: Progress = no_progress,
) -> dict[Path, collections.Counter[int]]:
    """Simulates sites and, if wanted, independent test sites of the same kind.

    Args:
      config: What to simulate.
      out: FASTA file to write; `.gz` at its end compresses it.
      test_out: FASTA file of the test sites.
      test_sites: Sites in the test file.
      progress: Shows how many sites of each file are made.

    Returns:
      The number of sites of each label in each file.

    Raises:
      UserError: The two files are one, `test_sites` is below 1, or no site folds as it
        should.
    """
    require_positive(test_sites=test_sites)
    if test_out == out:
        raise UserError(f"`out` and `test_out` are one file, {out}.")
    configs = {out: config}
    if test_out is not None:
        configs[test_out] = _independent(config, test_sites)
    return {
        path: write_labelled_fasta(_shown(simulated, path.name, progress), path)
        for path, simulated in configs.items()
    }


def _independent(config: SimulationConfig, n_sites: int) -> SimulationConfig:
    """Returns the config of test sites, whose seed follows from the config's own."""
    seed = random.Random(f"test sites of seed {config.seed}").getrandbits(63)
    return dataclasses.replace(config, n_sites=n_sites, seed=seed)


def _shown(
    config: SimulationConfig, description: str, progress: Progress
) -> Iterator[Site]:
    with progress(config.n_sites, "site", description) as bar:
        for site in simulate(config):
            yield site
            bar.update()


def write_labelled_fasta(sites: Iterable[Site], path: Path) -> collections.Counter[int]:
    """Writes sites as FASTA with headers `> name; class:1`.

    The file appears when it is complete.

    Args:
      sites: Labelled sites, taken one at a time.
      path: File to write; its directory is made if need be. One that ends in `.gz` is
        compressed, to the same bytes for the same sites.

    Returns:
      The number of sites of each label.

    Raises:
      UserError: A site has no label.
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
    starts = range(0, len(site.sequence), LINE_WIDTH)
    lines = [site.sequence[start : start + LINE_WIDTH] for start in starts]
    return "\n".join([f"> {site.name}; class:{site.label}", *lines, ""])
