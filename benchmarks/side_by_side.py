"""Measures things side by side and reports them: what all benchmarks share.

A machine is shared, throttles and warms up: what is measured now says little about what
was measured a minute ago. So each round measures everything once, in turn, and a ratio
is the median of the ratios of the rounds. Things whose threads would disturb each other
live in processes of their own, which wait while it is another one's turn.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import importlib.metadata
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deeprke_tf.system.processes import n_cores

PACKAGES = ("deeprke_tf", "tensorflow", "keras", "numpy", "viennarna", "torch")

# The columns of the table, and the side that each is aligned on.
_ALIGNED = {
    **{"what": "<", "median": ">", "lowest": ">", "highest": ">", "unit": "<"},
    **{"ratio": ">", "to": "<", "goal": "<", "met": "<"},
}


@dataclasses.dataclass(frozen=True)
class Figure:
    """One thing measured, once a round.

    Attributes:
      name: What it is.
      unit: Of the values.
      values: One a round.
      base: What it is compared with, round by round.
      least: Goal: the values, or the ratios where there is a base, are not below this.
      most: Goal: the same is not above this.
    """

    name: str
    unit: str
    values: list[float]
    base: "Figure | None" = None
    least: float | None = None
    most: float | None = None

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.values)

    @property
    def ratios(self) -> list[float]:
        """The rounds' ratios to the base; empty without a base."""
        if self.base is None:
            return []
        pairs = zip(self.values, self.base.values, strict=True)
        return [mine / other for mine, other in pairs]

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios; None without a base."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def goal(self) -> str:
        """The goal in words; empty if there is none."""
        of = "" if self.base is None else "x"
        if self.least is not None:
            return f"at least {self.least:,g}{of}"
        return "" if self.most is None else f"at most {self.most:,g}{of}"

    @property
    def met(self) -> str:
        """Whether the goal is met: `yes` or `no` if all rounds say so, else `unsure`.

        On a machine that others use, rounds of one thing can differ tenfold: a median
        that a single slow round moved across the goal proves nothing.
        """
        if not self.goal:
            return ""
        reached = {
            (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            for value in self.ratios or self.values
        }
        return "unsure" if len(reached) > 1 else "yes" if True in reached else "no"


class InOwnProcess:
    """A measurement that is set up and repeated in a process of its own.

    The process starts with the first call and ends with the context.

    Args:
      set_up: A function of a module; called in the process, it returns the measurement.
      arguments: Of `set_up`.
    """

    def __init__(self, set_up: Callable[..., Callable[[], float]], *arguments: Any):
        self._pool = concurrent.futures.ProcessPoolExecutor(
            1,
            # A process that has run TensorFlow must not be forked.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_set_up,
            initargs=(set_up, arguments),
        )

    def __enter__(self) -> "InOwnProcess":
        return self

    def __exit__(self, *_exception: object) -> None:
        self._pool.shutdown()

    def __call__(self) -> float:
        """Measures once."""
        return self._pool.submit(_measure).result()


_in_this_process: list[Callable[[], float]] = []


def _set_up(set_up: Callable[..., Callable[[], float]], arguments: tuple) -> None:
    _in_this_process.append(set_up(*arguments))


def _measure() -> float:
    (measure,) = _in_this_process
    return measure()


def alternate(
    things: Mapping[str, Callable[[], float]], repeats: int
) -> dict[str, list[float]]:
    """Measures each thing once a round, in turn; returns the values by name."""
    # The progress of what is measured would hide ours; processes take this over.
    os.environ["TQDM_DISABLE"] = "1"
    values: dict[str, list[float]] = {name: [] for name in things}
    for done in range(repeats):
        for name, measure in things.items():
            values[name].append(measure())
            print(
                f"round {done + 1}/{repeats}  {name}: {values[name][-1]:,.3g}",
                file=sys.stderr,
                flush=True,
            )
    return values


def flags_parser(description: str, repeats: int = 3) -> argparse.ArgumentParser:
    """Returns a parser with the flags that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=description.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser


def seconds(command: Sequence[object], **environment: str) -> float:
    """Runs a command as a user would; returns how long it took, start-up included.

    Raises:
      SystemExit: It failed; what it wrote to standard error is shown.
    """
    started = time.monotonic()
    run = subprocess.run(
        [*map(str, command)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    elapsed = time.monotonic() - started
    if run.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{run.stderr}")
    return elapsed


def deeprke(*arguments: object) -> list[object]:
    """Returns the command line of `deeprke` with these arguments."""
    return [sys.executable, "-m", "deeprke_tf.cli", *arguments]


def report(flags: argparse.Namespace, figures: Sequence[Figure]) -> None:
    """Prints the figures as a table and, where asked for, writes them as JSON."""
    print(table(figures))
    if flags.json is not None:
        settings = {name: _plain(value) for name, value in vars(flags).items()}
        contents = {
            "benchmark": Path(sys.argv[0]).name,
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": versions(),
            "settings": settings,
            "figures": [_as_json(figure) for figure in figures],
        }
        flags.json.write_text(json.dumps(contents, indent=2) + "\n")
        print(f"wrote {flags.json}")


def table(figures: Sequence[Figure]) -> str:
    """Returns one aligned line for each figure; names left, numbers right.

    >>> floor = Figure("floor", "sites/s", [100.0, 110.0, 90.0])
    >>> print(table([floor, Figure("ours", "sites/s", [99.0, 108.0, 90.0], floor)]))
    what   median  lowest  highest  unit     ratio  to     goal  met
    floor     100    90.0      110  sites/s
    ours     99.0    90.0      108  sites/s  0.990  floor
    """
    rows = [list(_ALIGNED), *map(_cells, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            f"{cell:{side}{width}}"
            for cell, side, width in zip(row, _ALIGNED.values(), widths, strict=True)
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(figure: Figure) -> list[str]:
    values = figure.median, min(figure.values), max(figure.values)
    return [
        figure.name,
        *map(_three_digits, values),
        figure.unit,
        "" if figure.ratio is None else _three_digits(figure.ratio),
        "" if figure.base is None else figure.base.name,
        figure.goal,
        figure.met,
    ]


def _three_digits(value: float) -> str:
    """Returns a number with three digits that count, and never an exponent."""
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{decimals}f}"


def _as_json(figure: Figure) -> dict[str, Any]:
    return {
        "name": figure.name,
        "unit": figure.unit,
        "values": figure.values,
        "median": figure.median,
        "ratios": figure.ratios,
        "ratio": figure.ratio,
        "to": None if figure.base is None else figure.base.name,
        "goal": figure.goal or None,
        "met": figure.met or None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def machine() -> dict[str, Any]:
    """Describes the machine: processor, cores this process may use, memory, load."""
    cpu, memory = platform.processor() or platform.machine(), None
    if Path("/proc/cpuinfo").exists():
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "system": platform.platform(),
        "cpu": cpu,
        "cores": n_cores(),
        "memory_gib": memory and round(memory, 1),
        # Of all programs on it, this one included: well above the cores, it is shared.
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def versions() -> dict[str, str | None]:
    """Returns the versions of Python and of what is measured; None: not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found
