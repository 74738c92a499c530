"""The experiments of a benchmark, found by the names of their files.

    rbp31  <number>_<experiment>.<train|test>.fa.gz, headers with a class
    rbp24  <experiment>.<train|test>.<positives|negatives>.fa.gz, the site in upper case
           within flanks in lower case; some training sets are
           <experiment>.train.processed.tsv.gz, with only sequence and label

An experiment that lacks its training or its test files is reported as missing.
"""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf.errors import UserError

Benchmark = Literal["rbp31", "rbp24"]

# How validation is split off. By either protocol the test sites are scored once.
#   frozen   at random
#   grouped  without a stretch of letters that occurs in training sites
Protocol = Literal["frozen", "grouped"]
PROTOCOLS: tuple[Protocol, ...] = ("frozen", "grouped")

# Which bases of the sites are masked.
MASKS = ("none", "3prime-edge", "both-edges")

_FILE_NAMES = {
    "rbp31": r"(?P<name>(?P<number>\d+)_.+)\.(?P<split>train|test)\.(?P<part>fa)\.gz",
    "rbp24": (
        r"(?P<name>.+)\.(?P<split>train|test)\."
        r"(?P<part>positives\.fa|negatives\.fa|processed\.tsv)\.gz"
    ),
}


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
    files: dict[str, dict[tuple[str, str], Path]] = defaultdict(dict)
    numbers: dict[str, int | None] = {}
    for path in directory.iterdir():
        if match := re.fullmatch(_FILE_NAMES[benchmark], path.name):
            groups = match.groupdict()
            files[groups["name"]][groups["split"], groups["part"]] = path
            numbers[groups["name"]] = (
                int(groups["number"]) if "number" in groups else None
            )
    if not files:
        raise UserError(
            f"{directory} holds no file named as {benchmark} files are; see "
            "docs/benchmark.md."
        )
    found = [
        Experiment(name, numbers[name], _files(parts, "train"), _files(parts, "test"))
        for name, parts in files.items()
    ]
    return sorted(found, key=lambda one: (one.number or 0, one.name))


def _files(
    parts: dict[tuple[str, str], Path], split: str
) -> tuple[tuple[Path, int | None], ...]:
    """Returns bound and background sites, or else the one file that has both."""
    positives, negatives = (
        parts.get((split, f"{of}.fa")) for of in ("positives", "negatives")
    )
    if positives and negatives:
        return (positives, 1), (negatives, 0)
    labelled = parts.get((split, "fa")) or parts.get((split, "processed.tsv"))
    return ((labelled, None),) if labelled else ()


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
