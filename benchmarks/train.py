"""Compares the training speed of each preset with PyTorch and the original's network.

    python benchmarks/train.py [--presets paper cnn-only ...] [--precisions float32]

Each preset is trained in float32 and with mixed precision (bfloat16, which processors
without it emulate at a crawl), on the same random k-mer ids as the network of
`torch_network.py`, with the same batch size, optimizer and number of threads, in
processes of their own that take turns, an epoch each. The presets read their records
anew in each epoch, as `deeprke train` does, validation and saving left out; PyTorch has
its ids in memory.
"""

import dataclasses
import itertools
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import synthetic
from side_by_side import Figure, InOwnProcess, alternate, flags_parser, report

from deeprke_tf import presets
from deeprke_tf.data import description
from deeprke_tf.system import tensorflow
from deeprke_tf.system.processes import n_cores

GOALS = {"paper": 3.0, "deeprke": 2.0}  # times PyTorch
PRECISIONS = ("float32", "bfloat16")


def main():
    """Prints a row for PyTorch and for each preset and precision."""
    parser = flags_parser(__doc__)
    parser.add_argument("--presets", nargs="+", default=list(presets.PRESETS))
    parser.add_argument(
        "--precisions", nargs="+", default=PRECISIONS, choices=PRECISIONS
    )
    parser.add_argument("--n-sites", type=int, default=2_048, help="in an epoch")
    parser.add_argument("--length", type=int, default=101, help="nucleotides of a site")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=n_cores())
    flags = parser.parse_args()
    for preset in flags.presets:
        presets.preset(preset)  # An unknown name is found before anything is measured.
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as processes:
        measured = alternate(_things(flags, Path(scratch), processes), flags.repeats)
    report(flags, _figures(measured))


def _things(flags, scratch: Path, processes: ExitStack) -> dict[str, InOwnProcess]:
    import torch_network

    data = scratch / "data"
    info = synthetic.write_dataset(data, flags.n_sites, flags.length)
    vectors = list(synthetic.random_vectors(info).values())
    things = {
        f"PyTorch, {precision}": InOwnProcess(
            torch_network.training,
            *(data / synthetic.IDS_FILE, vectors, flags.batch_size, flags.threads),
            precision == "bfloat16",
        )
        for precision in flags.precisions
    }
    for preset, precision in itertools.product(flags.presets, flags.precisions):
        things[f"{preset}, {precision}"] = InOwnProcess(
            deeprke_training,
            *(data, preset, flags.batch_size, flags.threads),
            precision == "bfloat16",
        )
    for thing in things.values():
        processes.enter_context(thing)
    return things


def _figures(measured: dict[str, list[float]]) -> list[Figure]:
    (name, values), *others = measured.items()
    pytorch = Figure(name, "sites/s", values)
    return [pytorch] + [
        Figure(
            name,
            "sites/s",
            values,
            base=pytorch,
            # A goal is one for the settings that a user gets without asking.
            least=GOALS.get(name.removesuffix(", float32")),
        )
        for name, values in others
    ]


def deeprke_training(
    data: Path,
    preset: str,
    batch_size: int,
    n_threads: int,
    mixed_precision: bool,
    n_devices: int = 1,
) -> Callable[[], float]:
    """Sets training up as `deeprke train` does, for a process of its own.

    Args:
      data: Dataset of `synthetic.write_dataset`.
      preset: Name of the settings.
      batch_size: Sites in a batch.
      n_threads: Threads of TensorFlow.
      mixed_precision: Compute in bfloat16.
      n_devices: Devices to train on.

    Returns:
      A function that trains for one epoch and returns its sites/s.
    """
    tensorflow.import_tensorflow()
    import tensorflow as tf

    from deeprke_tf.training import devices
    from deeprke_tf.training import epochs as training
    from deeprke_tf.training import vectors as run_vectors
    from deeprke_tf.training.task import SingleTask

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    info = description.read(data)
    settings = presets.preset(preset)
    settings = dataclasses.replace(
        settings,
        train=dataclasses.replace(
            settings.train,
            batch_size=batch_size,
            mixed_precision=mixed_precision,
            min_steps=0,  # so that an epoch is one pass over the sites
        ),
    )
    with tempfile.TemporaryDirectory() as scratch:
        vectors = run_vectors.make_vectors(
            info, Path(scratch), settings, synthetic.random_vectors(info)
        )
    with devices.strategy(n_devices).scope():
        task = SingleTask(info, settings)
        model = training.compiled_model(task, settings, vectors)
    epochs = itertools.count(1)

    def epoch() -> float:
        started = time.monotonic()
        training.train_epoch(model, task, settings, next(epochs))
        return info.split("train").n_sites / (time.monotonic() - started)

    epoch()  # The first one also traces the step.
    return epoch


if __name__ == "__main__":
    main()
