"""Measures the peak memory of commands as sites grow in number.

    python benchmarks/memory.py [--n-sites 10000 100000] [--length 30]

Sites are random and short, as memory shall not depend on how many there are, and
folding them takes longest. Each command runs once for each number of sites, in turn;
`train` makes one epoch of a network as small as can be, in large batches, unless
`--preset` names another: it is not the network that grows with the sites. (The k-mer
counts of preset `deeprke` are fitted to up to 40,000 sites: till then memory grows with
them.) Two figures each:

- the largest process: the peak that the system kept, of the command or of the largest
  process it started, whichever is more;
- together: the largest sum over the command and all its processes at one time, looked
  up ten times a second. Memory that processes share counts for each of them.

`growth` is the peak at most sites over that at fewest. `predict` finds the folds that
`preprocess` cached, and in a second round so does `preprocess`. `explain`, which takes
about a minute for 1,000 sites and explains all of them, is not measured unless
`--commands` names it. Linux only: it reads /proc.
"""

import functools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import synthetic
from side_by_side import Figure, alternate, deeprke, flags_parser, report

COMMANDS = ("preprocess", "train", "predict")  # each needs those before it
EXPLAIN = "explain"  # needs preprocess and train
FLAT_GOAL = 1.10  # times the peak at the fewest sites
TOTAL_GOALS = {"preprocess": 2_000, "predict": 2_000}  # MB
_SECONDS_BETWEEN_LOOKS = 0.1
_TINY_NETWORK = (
    *("--preset", "paper"),
    *("--filters", 8, "--kernel-sizes", 4, "--lstm-units", 4, "--dense-units", 4),
    *("--vector-size", 8, "--batch-size", 1_024),
)
_MB = 1e6


def main():
    """Prints both peaks of each command at each number of sites."""
    parser = flags_parser(__doc__, repeats=1)
    parser.add_argument("--n-sites", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--length", type=int, default=30, help="nucleotides of a site")
    parser.add_argument("--preset", help="in place of a tiny network")
    parser.add_argument(
        "--commands",
        nargs="+",
        default=COMMANDS,
        choices=[*COMMANDS, EXPLAIN],
        metavar="COMMAND",
    )
    flags = parser.parse_args()
    if not Path("/proc/self/statm").exists():
        sys.exit("This benchmark reads /proc, which this system does not have.")
    sizes = sorted(flags.n_sites)
    together: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        things = {
            _name(command, n): functools.partial(
                _peak, arguments, together.setdefault(_name(command, n), [])
            )
            for n in sizes
            for command, arguments in _commands(Path(scratch), n, flags).items()
            if command in flags.commands
        }
        largest = alternate(things, flags.repeats)
    figures = []
    for command in flags.commands:
        figures += _figures(command, sizes, largest, together)
    report(flags, figures)


def _name(command: str, n_sites: int) -> str:
    return f"{command}, {n_sites:,} sites"


def _commands(scratch: Path, n_sites: int, flags) -> dict[str, list[object]]:
    """Returns the command lines, to be run in this order; makes their sites."""
    directory = scratch / str(n_sites)
    lengths = (flags.length, flags.length)
    sites = synthetic.write_sites(directory / "sites.fa.gz", n_sites, lengths, seed=1)
    cache = ("--fold-cache", directory / "folds.sqlite")
    names = ("data", "run", "out.tsv", "explained")
    data, run, out, explained = (directory / name for name in names)
    network = ("--preset", flags.preset) if flags.preset else _TINY_NETWORK
    flags_of: dict[str, list[object]] = {
        "preprocess": ["--overwrite", "--sites", sites, "--out", data, *cache],
        "train": ["--overwrite", "--data", data, "--out", run, "--epochs", 1, *network],
        "predict": ["--model", run, "--sites", sites, "--out", out, *cache],
        EXPLAIN: ["--model", run, "--sites", sites, "--out", explained, *cache],
    }
    flags_of[EXPLAIN] += ["--overwrite", "--top", n_sites]
    return {command: [command, *given] for command, given in flags_of.items()}


def _figures(
    command: str,
    sizes: list[int],
    largest: dict[str, list[float]],
    together: dict[str, list[float]],
) -> list[Figure]:
    figures = []
    for what, values in (("largest process", largest), ("together", together)):
        peaks = [
            Figure(
                f"{_name(command, n)}: {what}",
                "MB",
                values[_name(command, n)],
                most=TOTAL_GOALS.get(command),
            )
            for n in sizes
        ]
        fewest, most = peaks[0], peaks[-1]
        flat = Figure(
            f"{command}, growth: {what}",
            most.unit,
            most.values,
            base=fewest,
            most=FLAT_GOAL,
        )
        figures += [*peaks, flat] if len(peaks) > 1 else peaks
    return figures


def _peak(arguments: list[object], together: list[float]) -> float:
    """Runs a command; returns the peak of its largest process, in MB.

    Args:
      arguments: Of `deeprke`.
      together: Gets the peak of all its processes together, in MB.

    Raises:
      SystemExit: The command failed.
    """
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [*map(str, deeprke(*arguments))], stdout=messages, stderr=messages
        )
        peak = 0.0
        while True:
            # Of the command and, once they have ended, of the processes it started.
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, sum(map(_resident, _tree(process.pid))))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            messages.seek(0)
            sys.exit(f"{arguments} failed:\n{messages.read().decode()}")
    together.append(peak / _MB)
    return usage.ru_maxrss * 1024 / _MB


def _tree(pid: int) -> list[int]:
    """Returns a process and all that it started, directly or not, and still run."""
    pids = [pid]
    for parent in pids:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                pids.extend(map(int, children.read_text().split()))
            except OSError:  # It has just ended.
                continue
    return pids


def _resident(pid: int) -> int:
    """Returns the resident memory of a process in bytes; 0 if it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
