"""The experiments of a benchmark, as their files lie in a directory.

    rbp31  <number>_<experiment>.<train|test>.fa.gz, headers with a class
    rbp24  <experiment>.<train|test>.<positives|negatives>.fa.gz, the site in upper case
           within flanks in lower case; some training sets are
           <experiment>.train.processed.tsv.gz, with sequence and label alone

An experiment that lacks its training or its test files is reported as missing.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf.errors import UserError

Benchmark = Literal["rbp31", "rbp24"]

# How validation is split off. By either protocol the test sites are scored once.
#   frozen   at random
#   grouped  validation sites share no stretch of letters with training sites
Protocol = Literal["frozen", "grouped"]
PROTOCOLS: tuple[Protocol, ...] = ("frozen", "grouped")

# Which bases of the sites are masked.
MASKS = ("none", "3prime-edge", "both-edges")

_RBP31 = re.compile(r"(\d+)_(.+)\.(train|test)\.fa\.gz")
_RBP24 = re.compile(
    r"(.+)\.(train|test)\.(positives\.fa|negatives\.fa|processed\.tsv)\.gz"
)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """One experiment.

    Attributes:
      name: The stem of its file names.
      number: The number that an RBP-31 name begins with; None for RBP-24.
      train: Training files, each with the label of all its sites, or None if the file
        holds the labels.
      test: Test files, in the same form.
    """

    name: str
    number: int | None
    train: tuple[tuple[Path, int | None], ...]
    test: tuple[tuple[Path, int | None], ...]

    @property
    def missing(self) -> str:
        """What is missing, in words; empty if the experiment is complete."""
        parts = (("training", self.train), ("test", self.test))
        return " and ".join(f"{name} sites" for name, files in parts if not files)

    @property
    def edges_are_marked(self) -> bool:
        """Whether letter case may mark the sites of all files; only then masks work."""
        files = (*self.train, *self.test)
        return bool(files) and all(label is not None for _path, label in files)


def find(benchmark: Benchmark, data_dir: Path) -> list[Experiment]:
    """Returns the experiments in a directory, or in its folder of the benchmark's name.

    Raises:
      UserError: There is no experiment.
    """
    directory = data_dir / benchmark if (data_dir / benchmark).is_dir() else data_dir
    if not directory.is_dir():
        raise UserError(f"`data_dir` {data_dir} is not a directory.")
    of_name = _find_rbp31 if benchmark == "rbp31" else _find_rbp24
    experiments = of_name(sorted(directory.iterdir()))
    if not experiments:
        raise UserError(
            f"{directory} holds no file named as {benchmark} files are; see "
            "docs/benchmark.md."
        )
    return sorted(experiments, key=lambda one: (one.number or 0, one.name))


def select(
    experiments: Sequence[Experiment], wanted: Sequence[str]
) -> list[Experiment]:
    """Returns the experiments of these names or numbers; all if none is named.

    Raises:
      UserError: There is no such experiment.
    """
    known = {one.name: one for one in experiments}
    known |= {str(one.number): one for one in experiments if one.number is not None}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        names = ", ".join(one.name for one in experiments)
        raise UserError(f"No experiment {unknown[0]!r}; there are: {names}.")
    chosen = {known[name].name for name in wanted}
    return [one for one in experiments if not wanted or one.name in chosen]


def _find_rbp31(paths: Sequence[Path]) -> list[Experiment]:
    files: dict[tuple[int, str], dict[str, Path]] = {}
    for path in paths:
        if match := _RBP31.fullmatch(path.name):
            key = int(match[1]), f"{match[1]}_{match[2]}"
            files.setdefault(key, {})[match[3]] = path
    return [
        Experiment(name, number, *(_labelled(parts.get(s)) for s in ("train", "test")))
        for (number, name), parts in files.items()
    ]


def _find_rbp24(paths: Sequence[Path]) -> list[Experiment]:
    files: dict[str, dict[tuple[str, str], Path]] = {}
    for path in paths:
        if match := _RBP24.fullmatch(path.name):
            key = match[2], match[3].partition(".")[0]
            files.setdefault(match[1], {})[key] = path
    return [
        Experiment(name, None, *(_pair(parts, split) for split in ("train", "test")))
        for name, parts in files.items()
    ]


def _labelled(path: Path | None) -> tuple[tuple[Path, int | None], ...]:
    return ((path, None),) if path else ()


def _pair(
    parts: dict[tuple[str, str], Path], split: str
) -> tuple[tuple[Path, int | None], ...]:
    """Returns positives and negatives, or else the processed table."""
    positives, negatives = (parts.get((split, c)) for c in ("positives", "negatives"))
    if positives and negatives:
        return (positives, 1), (negatives, 0)
    return _labelled(parts.get((split, "processed")))
