"""Trains and tests on all experiments of RBP-31 or RBP-24, and reports.

python -m deeprke_tf.benchmark rbp31 --data-dir DATA --out RESULTS
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from deeprke_tf import cli
from deeprke_tf.benchmarking.experiments import MASKS, PROTOCOLS, Benchmark
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories
from deeprke_tf.system.progress import progress_bar

if TYPE_CHECKING:
    from deeprke_tf.benchmarking.tasks import Task


@dataclasses.dataclass(frozen=True)
class BenchmarkFlags:
    """Trains and tests presets and baselines on the experiments of a benchmark.

    Each experiment, preset, seed and protocol gives one JSON file when it is done. Run
    the command again to resume, or several times at once to work in parallel. It ends
    with a report on all results in --out: report.md, report.html and figures.

    Besides the presets of `deeprke train`, --presets takes the linear baselines oli and
    position-kmer, and the controls shuffled-structure and deeprke-shuffled-structure,
    which permute structures over sites. Protocol frozen draws validation sites at
    random; with grouped, they have no 38 letters in a row in common with training
    sites. Either protocol scores the test sites once.
    """

    benchmark: Annotated[Benchmark, tyro.conf.Positional]
    """Benchmark to run."""
    data_dir: Path
    """Directory of its files, or the parent of a folder rbp31 or rbp24 with them."""
    out: Path
    """Directory for results, datasets, runs and the report."""
    experiments: tuple[str, ...] = ()
    """Names or numbers; all complete experiments if not given."""
    presets: tuple[str, ...] = ("paper",)
    """Presets, linear baselines and controls."""
    seeds: tuple[int, ...] = (1,)
    """Training seeds."""
    protocols: tuple[str, ...] = ("frozen",)
    """Protocols of the validation split: frozen, grouped."""
    masks: tuple[str, ...] = ("none", "3prime-edge")
    """Bases of RBP-24 sites to mask: none, 3prime-edge or both-edges."""
    shard: str = "1/1"
    """Run only every n-th experiment, starting from the i-th, as i/n."""
    published: Path | None = None
    """Table of published AUROCs to compare with, or the folder that holds it."""
    report_only: bool = False
    """Train nothing; report existing results, only of --experiments if given."""
    mixed_precision: bool = False
    """Train networks in bfloat16 and float32: faster on GPUs, and on CPUs with AMX."""
    ensembles: bool = False
    """Also measure the mean over all seeds of a preset, as `<preset>-x<seeds>`."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""

    def __post_init__(self):
        for name, allowed in (
            ("protocols", PROTOCOLS),
            ("masks", MASKS),
        ):
            unknown = [value for value in getattr(self, name) if value not in allowed]
            if unknown:
                raise UserError(
                    f"{name}: no {unknown[0]!r}; there are: {', '.join(allowed)}."
                )
        if any(seed < 0 for seed in self.seeds):
            raise UserError("seeds must not be negative.")
        for name in ("presets", "seeds", "protocols", "masks"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise UserError(f"{name}: give each once, got {values}.")


def benchmark(flags: BenchmarkFlags) -> None:
    """Runs the tasks that the flags ask for, and reports."""
    from deeprke_tf.benchmarking import experiments, report, results, tasks
    from deeprke_tf.system import shards

    directories.make_directory(flags.out)
    found = experiments.find(flags.benchmark, flags.data_dir)
    chosen = experiments.select(found, flags.experiments)
    published = results.read_published(flags.published, flags.benchmark)
    planned = tasks.plan(
        flags.benchmark,
        shards.share_of(chosen, flags.shard),
        flags.presets,
        flags.seeds,
        [name for name in PROTOCOLS if name in flags.protocols],
        flags.masks,
        flags.mixed_precision,
    )
    for one in chosen:
        if one.missing:
            print(f"missing: {one.name} has no {one.missing}")
    failed = {} if flags.report_only else _run(flags, planned)
    restricted = flags.report_only and flags.experiments
    only = [one.name for one in chosen] if restricted else None
    for path in report.report(flags.benchmark, flags.out, found, published, only):
        print(f"wrote {path}")
    if failed:
        first = next(iter(failed))
        raise UserError(
            f"{len(failed)} of {len(planned)} tasks failed; {first}: {failed[first]}"
        )


def _run(flags: BenchmarkFlags, tasks: "Sequence[Task]") -> dict[str, str]:
    from deeprke_tf.system import tensorflow

    tensorflow.import_tensorflow(verbose=False)
    from deeprke_tf.benchmarking import run
    from deeprke_tf.benchmarking.data import Datasets

    return run.run_tasks(
        tasks,
        Datasets(flags.out, flags.workers, flags.fold_cache),
        ensembles=flags.ensembles,
        progress=progress_bar,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("benchmark", BenchmarkFlags, benchmark, argv)


if __name__ == "__main__":
    sys.exit(main())
