"""Measures what a second worker or device brings, and whether reading keeps up.

    python benchmarks/scaling.py [--workers 1 2] [--devices 1 2]

In turn: `deeprke preprocess` with an empty fold cache by number of workers; then, in
processes of their own, epochs of training by number of logical devices, and a pass over
the same records by `dataset.read_split` alone, which has to deliver several times what
the model consumes.
"""

import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import synthetic
from side_by_side import (
    Figure,
    InOwnProcess,
    alternate,
    deeprke,
    flags_parser,
    report,
    seconds,
)
from train import deeprke_training

from deeprke_tf import presets
from deeprke_tf.data import description
from deeprke_tf.system import tensorflow
from deeprke_tf.system.processes import n_cores

READING_GOAL = 5.0  # times what training consumes


def main():
    """Prints rows of folding, of training and of reading."""
    parser = flags_parser(__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--devices", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--fold-sites", type=int, default=5_000)
    parser.add_argument("--train-sites", type=int, default=2_048)
    parser.add_argument("--read-sites", type=int, default=40_000)
    parser.add_argument("--length", type=int, default=101, help="nucleotides of a site")
    parser.add_argument("--preset", default="paper")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        figures = folding(scratch, flags) + training(scratch, flags)
    report(flags, figures)


def folding(scratch: Path, flags) -> list[Figure]:
    """Measures preprocessing, start-up included, by number of workers."""
    lengths = (flags.length, flags.length)
    sites = synthetic.write_sites(scratch / "sites.fa", flags.fold_sites, lengths, 1)

    def preprocess(workers: int) -> float:
        for part in scratch.glob("folds.sqlite*"):
            part.unlink()
        output = ("--overwrite", "--sites", sites, "--out", scratch / "folded")
        cache = ("--fold-cache", scratch / "folds.sqlite")
        command = deeprke("preprocess", *output, *cache, "--workers", workers)
        return flags.fold_sites / seconds(command)

    measured = alternate(
        {f"preprocess, {n} workers": lambda n=n: preprocess(n) for n in flags.workers},
        flags.repeats,
    )
    return _against_first(measured)


def training(scratch: Path, flags) -> list[Figure]:
    """Measures training by number of devices, and reading alone."""
    synthetic.write_dataset(scratch / "training", flags.train_sites, flags.length)
    synthetic.write_dataset(scratch / "reading", flags.read_sites, flags.length)
    with ExitStack() as processes:
        settings = presets.preset(flags.preset)
        batch_size = settings.train.batch_size
        things = {
            f"{flags.preset}, {n} devices": InOwnProcess(
                deeprke_training,
                *(scratch / "training", flags.preset, batch_size, n_cores(), False, n),
            )
            for n in flags.devices
        }
        things["tf.data alone"] = InOwnProcess(
            reading, scratch / "reading", settings.model.views, batch_size
        )
        for thing in things.values():
            processes.enter_context(thing)
        measured = alternate(things, flags.repeats)
    read = measured.pop("tf.data alone")
    figures = _against_first(measured)
    alone = Figure(
        "tf.data alone", "sites/s", read, base=figures[0], least=READING_GOAL
    )
    return [*figures, alone]


def reading(data: Path, views: tuple[str, ...], batch_size: int) -> Callable[[], float]:
    """Sets reading up; returns a function that reads an epoch and gives its sites/s."""
    tensorflow.import_tensorflow()
    from deeprke_tf.data import batches

    info = description.read(data)
    seeds = itertools.count(1)

    def read() -> float:
        started = time.monotonic()
        for _batch in batches.read_split(
            info, "train", views, batch_size, shuffle_seed=next(seeds)
        ):
            pass
        return info.split("train").n_sites / (time.monotonic() - started)

    read()
    return read


def _against_first(measured: dict[str, list[float]]) -> list[Figure]:
    (name, values), *others = measured.items()
    first = Figure(name, "sites/s", values)
    return [first] + [Figure(name, "sites/s", of, base=first) for name, of in others]


if __name__ == "__main__":
    main()
