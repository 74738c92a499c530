"""Times what a user waits for before anything happens, and says where the time goes.

    python benchmarks/startup.py [--model RUN]

In turn, each in a cold process: Python that does nothing; `import deeprke_tf`;
`deeprke --help` and the help of a command; `predict` of one site whose fold is not in
the cache. The steps of the last are timed apart, in a process that takes them one by
one as the command does.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import synthetic
from predict import trained_run
from side_by_side import Figure, alternate, deeprke, flags_parser, report, seconds

GOAL = 0.5  # seconds


def main():
    """Prints a row for each command, and one for each step of the prediction."""
    parser = flags_parser(__doc__, repeats=5)
    parser.add_argument("--model", type=Path, help="run that reads both views")
    parser.add_argument("--length", type=int, default=101, help="nucleotides of a site")
    parser.add_argument("--steps-of", nargs=3, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.steps_of:
        _print_steps(*flags.steps_of)
        return
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        run = flags.model or trained_run(scratch)
        lengths = (flags.length, flags.length)
        sites = synthetic.write_sites(scratch / "one.fa", 1, lengths, seed=3)
        report(flags, _measure(scratch, run, sites, flags.repeats))


def _measure(scratch: Path, run: Path, sites: Path, repeats: int) -> list[Figure]:
    steps: list[dict[str, float]] = []

    def predict() -> float:
        cache = _no_cache(scratch)
        out = scratch / "one.tsv"
        files = ("--sites", sites, "--fold-cache", cache, "--out", out)
        return seconds(deeprke("predict", "--model", run, *files))

    def predict_by_steps() -> float:
        steps.append(_seconds_by_step(run, sites, _no_cache(scratch)))
        return sum(steps[-1].values())

    python = [sys.executable, "-c"]
    measured = alternate(
        {
            "python -c pass": lambda: seconds([*python, "pass"]),
            "import deeprke_tf": lambda: seconds([*python, "import deeprke_tf"]),
            "deeprke --help": lambda: seconds(deeprke("--help")),
            "deeprke train --help": lambda: seconds(deeprke("train", "--help")),
            "deeprke predict, one site": predict,
            "the same by steps": predict_by_steps,
        },
        repeats,
    )
    quick = ("import deeprke_tf", "deeprke --help", "deeprke train --help")
    return [
        Figure(name, "s", values, most=GOAL if name in quick else None)
        for name, values in measured.items()
    ] + [Figure(f"- {name}", "s", [of[name] for of in steps]) for name in steps[0]]


def _no_cache(scratch: Path) -> Path:
    """Returns where a fold cache may be made; deletes that of the last round."""
    for part in scratch.glob("folds.sqlite*"):
        part.unlink()
    return scratch / "folds.sqlite"


def _seconds_by_step(run: Path, sites: Path, cache: Path) -> dict[str, float]:
    """Predicts in a cold process; returns what each step took, start and end too."""
    command = [sys.executable, __file__, "--steps-of", run, sites, cache]
    started = time.monotonic()
    output = subprocess.run([*map(str, command)], check=True, capture_output=True)
    ended = time.monotonic()
    # The clock is the machine's: it goes on from one process to the next.
    times = json.loads(output.stdout.splitlines()[-1])
    names, ends = [*times, "end of the process"], [*times.values(), ended]
    starts = [started, *times.values()]
    return {
        name: end - start for name, start, end in zip(names, starts, ends, strict=True)
    }


def _print_steps(run_directory: str, sites_path: str, cache_path: str) -> None:
    """Takes the steps of `deeprke predict`; prints when each ended."""
    ended = {}

    def end(step: str) -> None:
        ended[step] = time.monotonic()

    from deeprke_tf.rna.folding import FoldingPool
    from deeprke_tf.rna.site_files import SitesFile
    from deeprke_tf.runs import predictor
    from deeprke_tf.runs.run import Run
    from deeprke_tf.system import tensorflow

    end("start Python, import the command")
    tensorflow.import_tensorflow()
    end("import TensorFlow and Keras")
    run = Run.load(Path(run_directory))
    end("load the model")
    with FoldingPool(run.encoding.fold, Path(cache_path)) as pool:
        sites = list(SitesFile(Path(sites_path), k=run.encoding.k, labelled=False))
        encoded = predictor.encode_sites(run, sites, pool)
        end("read and fold the site")
        from deeprke_tf.runs import batching, scorer

        batching.score_sites(scorer.scorer(run.model), encoded, 256)
        end("trace the model and score")
    end("end the folding processes")
    print(json.dumps(ended))


if __name__ == "__main__":
    main()
