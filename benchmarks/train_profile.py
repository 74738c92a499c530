"""Says where the time of a training step goes.

    python benchmarks/train_profile.py [--presets deeprke paper]

Each preset is trained on random k-mer ids, as `train.py` does, on one thread. In the
last epoch TensorFlow's profiler takes the time of each operation; the table sums them
by what they are for. `between operations` is the rest of the epoch: the executor, the
loops of Python and Keras, and reading.
"""

import argparse
import collections
import json
import re
import tempfile
import time
from pathlib import Path

import synthetic
from side_by_side import InOwnProcess, machine, versions
from train import deeprke_training

# The first that matches an operation, "layers/.../name:Kind", has its time.
PURPOSES = {
    "optimizer and clipping": r"adam|clip_by_norm",
    "dropout": r"dropout",
    "BiLSTM": r"bilstm",
    "k-mer table: first convolution and its gradient": r"IdentityN_grad|"
    r"(sequence|structure)_cnn_conv_1",
    "other convolutions, by Fourier transforms": r"_cnn_conv_|Conv2D",
    "matrix products": r"MatMul",
    "pooling": r"pool",
}


def profiled(*arguments: object) -> "collections.abc.Callable[[], float]":
    """Sets up as `train.deeprke_training`; the function returns times as JSON."""
    import tensorflow as tf

    train_epoch = deeprke_training(*arguments)
    train_epoch()  # traces
    train_epoch()

    def measure() -> str:
        with tempfile.TemporaryDirectory() as directory:
            options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2)
            with tf.profiler.experimental.Profile(directory, options):
                started = time.perf_counter()
                train_epoch()
                seconds = time.perf_counter() - started
            return json.dumps(_by_purpose(Path(directory), seconds))

    return measure


def _by_purpose(directory: Path, seconds: float) -> dict[str, float]:
    """Returns seconds by purpose, those of all operations and the rest of the epoch."""
    # TensorFlow has no public reader of its profiles.
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    times: dict[str, float] = collections.Counter()
    (path,) = directory.rglob("*.xplane.pb")
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if re.search(r"/.*:\w+$", name):
                    times[_purpose(name)] += event.duration_ps / 1e12
    times["between operations"] = seconds - sum(times.values())
    return times


def _purpose(name: str) -> str:
    for purpose, pattern in PURPOSES.items():
        if re.search(pattern, name):
            return purpose
    return "other: masks, sums, copies"


def main() -> None:
    """Prints a table of the milliseconds of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", default=["deeprke", "paper"])
    parser.add_argument("--n-sites", type=int, default=5_120, help="in an epoch")
    parser.add_argument("--length", type=int, default=101, help="nucleotides of a site")
    parser.add_argument("--mixed-precision", action="store_true")
    flags = parser.parse_args()
    batch_size = 128
    n_steps = -(-flags.n_sites // batch_size)
    columns = {}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        synthetic.write_dataset(data, flags.n_sites, flags.length)
        for preset in flags.presets:
            arguments = (data, preset, batch_size, 1, flags.mixed_precision)
            with InOwnProcess(profiled, *arguments) as measure:
                columns[preset] = json.loads(measure())
    print("machine:", machine(), versions(), sep="\n")
    print("\n| ms of a step |", " | ".join(columns), "|")
    print("|---|" + "---|" * len(columns))
    rows = [*PURPOSES, "other: masks, sums, copies", "between operations"]
    for row in rows:
        values = [columns[preset].get(row, 0.0) / n_steps for preset in columns]
        print(f"| {row} |", " | ".join(f"{1_000 * value:.1f}" for value in values), "|")
    totals = [sum(column.values()) / n_steps for column in columns.values()]
    print("| together |", " | ".join(f"{1_000 * value:.1f}" for value in totals), "|")


if __name__ == "__main__":
    main()
