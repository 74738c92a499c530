"""Times `predict` with cold and warm folds, and its model alone against PyTorch.

    python benchmarks/predict.py [--lengths 101 375] [--n-sites 4000 400] [--model RUN]

End to end is the whole command, start-up included, measured in turn with an empty fold
cache, with the filled one, and on a single site, which shows the start-up. The model
alone is `inference.scorer` on padded batches, against the forward pass of the network
of `torch_network.py` on the same random k-mer ids with as many threads, in processes of
their own. Without --model, a run of preset `paper` is trained for one epoch first: how
good a model is does not change how fast it is.
"""

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
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

from deeprke_tf.system import tensorflow
from deeprke_tf.system.processes import n_cores

MODEL_GOAL = 3.0  # times PyTorch


def main():
    """Prints the rows of each length: end to end, then the model alone."""
    parser = flags_parser(__doc__)
    parser.add_argument("--model", type=Path, help="run that reads both views")
    parser.add_argument("--preset", default="paper", help="where no --model is given")
    parser.add_argument("--lengths", type=int, nargs="+", default=[101, 375])
    parser.add_argument("--n-sites", type=int, nargs="+", default=[4_000, 400])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=n_cores(), help="of the model")
    flags = parser.parse_args()
    if len(flags.lengths) != len(flags.n_sites):
        parser.error("give as many --n-sites as --lengths")
    sizes = list(zip(flags.lengths, flags.n_sites, strict=True))
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        run = flags.model or trained_run(scratch, flags.preset)
        figures = []
        for length, n_sites in sizes:
            figures += end_to_end(scratch, run, length, n_sites, flags)
        for length, n_sites in sizes:
            figures += model_alone(scratch, run, length, n_sites, flags)
    report(flags, figures)


def trained_run(scratch: Path, preset: str = "paper") -> Path:
    """Trains a preset for one epoch on random k-mer ids; returns the run."""
    synthetic.write_dataset(scratch / "training", n_sites=256, length=60)
    run = scratch / "run"
    flags = ["--data", scratch / "training", "--out", run, "--preset", preset]
    flags += ["--epochs", "1", "--min-steps", "0"]
    command = [*map(str, deeprke("train", *flags))]
    subprocess.run(command, check=True, capture_output=True)
    return run


def end_to_end(
    scratch: Path, run: Path, length: int, n_sites: int, flags
) -> list[Figure]:
    """Measures the command on sites of one length."""
    sites = {
        n: synthetic.write_sites(scratch / f"{length}-{n}.fa", n, (length, length), 2)
        for n in (n_sites, 1)
    }
    cache = scratch / f"{length}.sqlite"

    def predict(n: int, is_cold: bool) -> float:
        if is_cold:
            for part in scratch.glob(f"{cache.name}*"):
                part.unlink()
        command = [
            "predict",
            "--model",
            run,
            "--sites",
            sites[n],
            "--fold-cache",
            cache,
        ]
        command += ["--out", scratch / "out.tsv", "--batch-size", flags.batch_size]
        return seconds(deeprke(*command))

    measured = alternate(
        {
            f"{length} nt: cold": lambda: predict(n_sites, is_cold=True),
            f"{length} nt: warm": lambda: predict(n_sites, is_cold=False),
            f"{length} nt: one site, warm": lambda: predict(1, is_cold=False),
        },
        flags.repeats,
    )
    cold_name, warm_name, one_name = measured
    cold, warm = (
        Figure(name, "sites/s", [n_sites / s for s in measured[name]])
        for name in (cold_name, warm_name)
    )
    return [
        cold,
        _in_nucleotides(cold, length),
        Figure(warm.name, warm.unit, warm.values, base=cold),
        _in_nucleotides(warm, length),
        Figure(one_name, "s", measured[one_name]),
    ]


def _in_nucleotides(figure: Figure, length: int) -> Figure:
    return Figure(figure.name, "nt/s", [value * length for value in figure.values])


def model_alone(
    scratch: Path, run: Path, length: int, n_sites: int, flags
) -> list[Figure]:
    """Measures the model against PyTorch's forward pass, on sites of one length."""
    import torch_network

    data = scratch / f"data-{length}"
    info = synthetic.write_dataset(data, n_sites, length)
    ids_file = data / synthetic.IDS_FILE
    vectors = list(synthetic.random_vectors(info).values())
    sizes = (flags.batch_size, flags.threads)
    with ExitStack() as processes:
        measured = alternate(
            {
                name: processes.enter_context(InOwnProcess(*set_up))
                for name, set_up in {
                    f"{length} nt: PyTorch alone": (
                        *(torch_network.scoring, ids_file, vectors, *sizes),
                    ),
                    f"{length} nt: model alone": (scoring, ids_file, run, *sizes),
                }.items()
            },
            flags.repeats,
        )
    (pytorch_name, pytorch), (name, values) = measured.items()
    pytorch = Figure(pytorch_name, "sites/s", pytorch)
    ours = Figure(name, "sites/s", values, base=pytorch, least=MODEL_GOAL)
    return [pytorch, ours, _in_nucleotides(ours, length)]


def scoring(
    ids_file: Path, run_directory: Path, batch_size: int, n_threads: int
) -> Callable[[], float]:
    """Sets the model of a run up, for a process of its own.

    Args:
      ids_file: Of `synthetic.write_dataset`.
      run_directory: Of `deeprke train`.
      batch_size: Sites in a batch.
      n_threads: Threads of TensorFlow.

    Returns:
      A function that scores all sites and returns sites/s.
    """
    tensorflow.import_tensorflow()
    import tensorflow as tf

    from deeprke_tf.runs import scorer as inference
    from deeprke_tf.runs.run import Run

    tf.config.threading.set_intra_op_parallelism_threads(n_threads)
    tf.config.threading.set_inter_op_parallelism_threads(n_threads)
    run = Run.load(run_directory)
    score = inference.scorer(run.model)
    arrays = np.load(ids_file)
    views = {view: arrays[view] for view in run.config.model.views}
    n_sites = len(arrays["label"])

    def score_all() -> float:
        started = time.monotonic()
        for start in range(0, n_sites, batch_size):
            some = slice(start, start + batch_size)
            score({view: ids[some] for view, ids in views.items()})
        return n_sites / (time.monotonic() - started)

    score_all()  # Also traces and optimizes the graph.
    return score_all


if __name__ == "__main__":
    main()
