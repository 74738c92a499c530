"""Trains and tests on all experiments of RBP-31 or RBP-24, and reports.

python -m deeprke_tf.benchmark rbp31 --data-dir DATA --out RESULTS
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from deeprke_tf import cli
from deeprke_tf.benchmarking.experiments import MASKS, PROTOCOLS, Benchmark
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories


@dataclasses.dataclass(frozen=True)
class BenchmarkFlags:
    """Trains and tests presets and baselines on the experiments of a benchmark.

    Each experiment, preset, seed and protocol gives one JSON file when it is done; give
    the command again, or to several processes at once, to go on. Ends with a report of
    all that --out holds: report.md, report.html and figures.
    """

    benchmark: Annotated[Benchmark, tyro.conf.Positional]
    """Which one: rbp31 or rbp24."""
    data_dir: Path
    """Where its files lie, or their folder `rbp31` or `rbp24`."""
    out: Path
    """Directory for results, datasets, runs and the report."""
    experiments: tuple[str, ...] = ()
    """Names or numbers; all that are complete if not given. With --report-only, the
    report is on these alone."""
    presets: tuple[str, ...] = ("paper",)
    """Presets of `deeprke train`; the linear baselines oli and position-kmer;
    shuffled-structure and deeprke-shuffled-structure; and deeprke-transfer, by a fleet
    alone."""
    seeds: tuple[int, ...] = (1,)
    """Seeds of the trainings."""
    protocols: tuple[str, ...] = ("frozen",)
    """frozen: all is chosen on validation, the test scored once; grouped: the same,
    with validation sites that share no 38 letters with training sites; published: three
    folds, the best on the test, as the paper did."""
    masks: tuple[str, ...] = ("none", "3prime-edge")
    """What is masked of RBP-24 sites: none; 3prime-edge; both-edges."""
    shard: str = "1/1"
    """Only each n-th experiment from the i-th on, as i/n."""
    published: Path | None = None
    """Table of published AUROCs to compare with, or the folder that holds it."""
    report_only: bool = False
    """Train nothing; report what is there."""
    plan: Path | None = None
    """Train nothing; write to this directory what `deeprke fleet` needs to train the
    networks on a GPU."""
    trained: Path | None = None
    """Take networks from here, where `deeprke fleet` left them, and train none."""
    ensembles: bool = False
    """Measure the mean of all seeds of a preset, too, as `<preset>-x<seeds>`."""
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
    """Does the tasks that the flags ask for, and reports."""
    from deeprke_tf.benchmarking import experiments as benchmark_experiments
    from deeprke_tf.benchmarking import report
    from deeprke_tf.benchmarking import tasks as benchmark_tasks
    from deeprke_tf.system import shards

    directories.make_directory(flags.out)
    found = benchmark_experiments.find(flags.benchmark, flags.data_dir)
    chosen = benchmark_experiments.select(found, flags.experiments)
    published = report.read_published(flags.published, flags.benchmark)
    tasks = benchmark_tasks.plan(
        flags.benchmark,
        shards.share_of(chosen, flags.shard),
        flags.presets,
        flags.seeds,
        [name for name in PROTOCOLS if name in flags.protocols],
        flags.masks,
    )
    for one in chosen:
        if one.missing:
            print(f"missing: {one.name} has no {one.missing}")
    if flags.plan:
        _plan(flags, flags.plan, tasks)
        return
    failed = {} if flags.report_only else _do(flags, tasks)
    restricted = flags.report_only and flags.experiments
    only = [one.name for one in chosen] if restricted else None
    for path in report.report(flags.benchmark, flags.out, found, published, only):
        print(f"wrote {path}")
    if failed:
        first = next(iter(failed))
        raise UserError(
            f"{len(failed)} of {len(tasks)} tasks failed; {first}: {failed[first]}"
        )


def _do(flags: BenchmarkFlags, tasks: list) -> dict[str, str]:
    """Does the tasks; returns what went wrong, by task."""
    from deeprke_tf.benchmarking import ensembles as benchmark_ensembles
    from deeprke_tf.benchmarking import run as benchmark_run
    from deeprke_tf.system import tensorflow

    tensorflow.import_tensorflow(verbose=False)
    n_done = sum(task.result_path(flags.out).exists() for task in tasks)
    print(f"{len(tasks)} tasks, {n_done} of them done before", flush=True)
    n_elsewhere, failed = benchmark_run.do_tasks(
        tasks, flags.out, _fold_flags(flags), flags.trained
    )
    if flags.ensembles:
        done = [
            one for one in tasks if f"{one.experiment.name} {one.label}" not in failed
        ]
        failed |= benchmark_ensembles.measure(done, flags.out)
    if n_elsewhere:
        print(f"{n_elsewhere} tasks are left to other processes that are at them")
    for name, error in failed.items():
        print(f"failed: {name}: {error}")
    return failed


def _plan(flags: BenchmarkFlags, plan: Path, tasks: list) -> None:
    """Writes the plan of a fleet."""
    from deeprke_tf.benchmarking import plan as benchmark_plan
    from deeprke_tf.system import tensorflow

    tensorflow.import_tensorflow(verbose=False)
    n = benchmark_plan.make_plan(tasks, flags.out, _fold_flags(flags), plan)
    print(f"wrote {plan}: {n} trainings; next, `deeprke fleet --plan {plan} --out DIR`")


def _fold_flags(flags: BenchmarkFlags) -> list[str]:
    fold_flags = [] if flags.workers is None else ["--workers", str(flags.workers)]
    if flags.fold_cache:
        fold_flags += ["--fold-cache", str(flags.fold_cache)]
    return fold_flags


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("benchmark", BenchmarkFlags, benchmark, argv)


if __name__ == "__main__":
    sys.exit(main())
