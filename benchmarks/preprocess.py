"""Times `deeprke preprocess` against the floor, bare folding, and with a warm cache.

    python benchmarks/preprocess.py [--lengths 101 330-375] [--n-sites 20000 1500]
    python benchmarks/preprocess.py --sites SITES.fa.gz [SITES.fa.gz ...]

Three things are measured in turn, on the same sites:

- the floor: as many processes as the command has, started before the clock, do nothing
  but `RNA.fold_compound(sequence, details).mfe()`; with `--span N` also without pairs
  of more than N nucleotides apart, as `deeprke preprocess --max-bp-span N` folds;
- cold: the whole command with an empty fold cache, from start-up to closed shards;
- warm: the same command again, with the cache that it filled; its ratio is that to
  cold, start-up included in both.

Sites are random letters, or files of labelled sites. Few sites hide a warm run behind
the start-up of Python, so this is measured too, as the same command on 200 sites;
`warm, start-up taken off` is what remains.
"""

import argparse
import concurrent.futures
import functools
import itertools
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from pathlib import Path

import RNA
import synthetic
from side_by_side import Figure, alternate, deeprke, flags_parser, report, seconds

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import model_details
from deeprke_tf.system.processes import n_cores

FLOOR_GOAL = 0.95
WARM_GOAL = 50_000  # sites/s
WARM_OVER_COLD_GOAL = 20
_FOLDS_AT_ONCE = 16


def main():
    """Prints the rows of each length or file."""
    parser = flags_parser(__doc__)
    parser.add_argument("--lengths", nargs="+", default=["101", "330-375"])
    parser.add_argument("--n-sites", type=int, nargs="+", default=[20_000, 1_500])
    parser.add_argument("--sites", type=Path, nargs="+", help="in place of random ones")
    parser.add_argument("--workers", type=int, default=n_cores())
    parser.add_argument("--span", type=int, help="folds with it are timed, too")
    flags = parser.parse_args()
    if len(flags.lengths) != len(flags.n_sites):
        parser.error("give as many --n-sites as --lengths")
    with tempfile.TemporaryDirectory() as scratch:
        figures = []
        for name, path in _inputs(flags, Path(scratch)).items():
            figures += measure(name, path, flags)
    report(flags, figures)


def _inputs(flags, scratch: Path) -> dict[str, Path]:
    if flags.sites:
        return {path.name: path for path in flags.sites}
    return {
        f"{length} nt": synthetic.write_sites(
            scratch / f"{length}.fa.gz", n_sites, synthetic.length_range(length), seed=1
        )
        for length, n_sites in zip(flags.lengths, flags.n_sites, strict=True)
    }


def measure(name: str, path: Path, flags: argparse.Namespace) -> list[Figure]:
    """Returns the figures of one file of labelled sites."""
    workers = flags.workers
    sites = [site for site in SitesFile(path, k=3) if isinstance(site, Site)]
    distinct = sorted({site.sequence for site in sites}, key=len, reverse=True)
    with tempfile.TemporaryDirectory() as scratch, _folders(workers) as folders:
        directory = Path(scratch)
        few = directory / "few.fa"
        with open(few, "w") as file:
            for number, site in enumerate(_of_both_classes(sites)):
                file.write(f">few{number}; class:{site.label}\n{site.sequence}\n")
        command = functools.partial(_command, directory, workers)
        spanned = {}
        if flags.span:
            spanned[f"{name}: span {flags.span}"] = lambda: _bare_folding(
                folders, distinct, FoldSettings(max_bp_span=flags.span)
            )
        measured = alternate(
            {
                f"{name}: bare folding": lambda: _bare_folding(folders, distinct),
                **spanned,
                f"{name}: cold": lambda: command(path, is_cold=True),
                f"{name}: warm": lambda: command(path, is_cold=False),
                f"{name}: start-up": lambda: command(few, is_cold=False),
            },
            flags.repeats,
        )
        n_read = _n_sites(directory / "data" / path.name)
    return _figures(name, measured, n_read, len(distinct))


def _of_both_classes(sites: list[Site]) -> list[Site]:
    """Returns a few sites, enough of each class to split validation off."""
    return [
        site
        for label in (0, 1)
        for site in itertools.islice((s for s in sites if s.label == label), 100)
    ]


def _folders(workers: int) -> concurrent.futures.ProcessPoolExecutor:
    return concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn")
    )


def _bare_folding(
    folders: concurrent.futures.ProcessPoolExecutor,
    sequences: list[str],
    settings: FoldSettings = FoldSettings(),
) -> float:
    """Folds every sequence once; returns the seconds it took."""
    # All processes are up, and have loaded ViennaRNA, before the clock starts.
    fold = functools.partial(_fold_bare, settings)
    list(folders.map(fold, ["GGGAAACCC"] * 100))
    started = time.monotonic()
    list(folders.map(fold, sequences, chunksize=_FOLDS_AT_ONCE))
    return time.monotonic() - started


def _fold_bare(settings: FoldSettings, sequence: str) -> None:
    RNA.fold_compound(sequence, model_details(settings)).mfe()


def _command(directory: Path, workers: int, path: Path, is_cold: bool) -> float:
    """Runs the command; returns its seconds."""
    cache = directory / "folds.sqlite"
    if is_cold:
        for part in directory.glob(f"{cache.name}*"):
            part.unlink()
    return seconds(
        deeprke(
            *("preprocess", "--overwrite", "--workers", workers),
            *("--sites", path, "--out", directory / "data" / path.name),
            *("--fold-cache", cache),
        )
    )


def _n_sites(dataset: Path) -> int:
    contents = json.loads((dataset / "dataset.json").read_text())
    return sum(split["n_sites"] for split in contents["splits"].values())


def _figures(
    name: str, measured: dict[str, list[float]], n_sites: int, n_distinct: int
) -> list[Figure]:
    bare, *spanned, cold, warm, start_up = measured.values()

    def rate(what: str, n: int, values: list[float], **compared) -> Figure:
        rates = [n / value for value in values]
        return Figure(f"{name}: {what}", "sites/s", rates, **compared)

    # The floor folds each distinct sequence once, as the command does.
    floor = rate("bare folding", n_distinct, bare)
    whole = rate("cold", n_distinct, cold, base=floor, least=FLOOR_GOAL)
    figures = [floor, whole]
    for values in spanned:
        figures.insert(1, rate("folding with --span", n_distinct, values, base=floor))
    if n_distinct != n_sites:
        whole = rate("cold, repeated sequences counted", n_sites, cold)
        figures.append(whole)
    figures.append(rate("warm", n_sites, warm, base=whole, least=WARM_OVER_COLD_GOAL))
    usual = statistics.median(start_up)
    if min(warm) > 1.2 * usual:
        without = [value - usual for value in warm]
        what = "warm, start-up taken off"
        figures.append(rate(what, n_sites, without, least=WARM_GOAL))
    else:
        print(f"{name}: too few sites to time a warm run.", file=sys.stderr)
    figures.append(Figure(f"{name}: start-up", "s", start_up))
    return figures


if __name__ == "__main__":
    main()
