"""Asks on validation sites what structures of the Boltzmann ensemble are worth.

    deeprke benchmark rbp31 --data-dir DATA --out OUT --protocols grouped \
        --presets deeprke deeprke-no-structure --seeds 1 2 3 \
        --experiments 2 9 13 15 18 22 25 27
    python benchmarks/structure_ensemble.py --data-dir DATA --out OUT

In place of the one MFE structure of a site, 20 structures are sampled by their
Boltzmann weights. At each position, preset deeprke reads the mean of the vectors of the
samples' k-mers; vectors, sequence, sites, splits and seeds are those of the networks of
`deeprke benchmark`, which read the MFE structure or none and are compared with. The
measure is the AUROC of the kept epoch on the validation sites. Test sites are not
sampled; the report has the mean test AUROC of the other networks by seed, too.

What is there is not made again. With `--shard 1/2` and `2/2` two processes share the
work; `--report` writes structure_ensemble.json of what is there. `--single` names the
results of `deeprke benchmark`, if they are not in OUT.
"""

import argparse
import dataclasses
import itertools
import json
import logging
import sys
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import RNA
import split_sites
from flank_structure import flags_parser, mean_and_interval

from deeprke_tf.benchmarking import experiments
from deeprke_tf.benchmarking.data import Datasets, write_with_structures
from deeprke_tf.benchmarking.names import short_names
from deeprke_tf.benchmarking.tasks import Task
from deeprke_tf.config import FoldSettings
from deeprke_tf.data import description
from deeprke_tf.data.description import Dataset
from deeprke_tf.data.kmers import FIRST_KMER_ID
from deeprke_tf.rna.structure import LOOP_CONTEXTS, all_loop_contexts, new_model_details
from deeprke_tf.system import files, locks, tensorflow
from deeprke_tf.training import devices, epochs, vectors
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.task import SingleTask

EXPERIMENTS = ("2", "9", "13", "15", "18", "22", "25", "27")
SEEDS = (1, 2, 3)
N_SAMPLES = 20
SPLITS = ("train", "validation")
OTHERS = {"none": "deeprke-no-structure", "mfe": "deeprke"}  # presets


# === Structures ===


def sample(sequence: str, settings: FoldSettings) -> np.ndarray:
    """Returns loop contexts of sampled structures, uint8 [N_SAMPLES, nt].

    They are numbers of `LOOP_CONTEXTS`.
    """
    details = new_model_details(settings)
    details.uniq_ML = 1  # without which nothing can be sampled
    details.compute_bpp = 0  # half of the time, and sampling does without
    compound = RNA.fold_compound(sequence, details)
    compound.pf()
    RNA.init_rand(zlib.crc32(sequence.encode()))
    contexts = all_loop_contexts(list(compound.pbacktrack(N_SAMPLES)))
    letters = np.frombuffer("".join(contexts).encode(), np.uint8)
    numbers = np.zeros(256, np.uint8)
    numbers[np.frombuffer(LOOP_CONTEXTS.encode(), np.uint8)] = range(len(LOOP_CONTEXTS))
    return numbers[letters].reshape(N_SAMPLES, -1)


def sampled(data: Dataset, path: Path) -> list[np.ndarray]:
    """Returns the samples of the sites of both splits in order, kept in a file."""
    sequences = [s for split in SPLITS for s in split_sites.letters(data, split)]
    if not path.exists():
        found = [sample(sequence, data.encoding.fold) for sequence in sequences]
        with files.path_aside(path) as aside, open(aside, "wb") as file:
            np.save(file, np.concatenate(found, axis=1))
    ends = np.cumsum([len(sequence) for sequence in sequences])
    return np.split(np.load(path), ends[:-1], axis=1)


def mean_vectors(
    samples: Sequence[np.ndarray], vectors: np.ndarray, k: int
) -> np.ndarray:
    """Returns the mean vector of the samples' k-mers, a row for each site and position.

    k-mers are numbered as `KmerVocabulary` does it: as numbers of their letters.

    Returns:
      float32 [FIRST_KMER_ID + n_positions, size]; the rows before those of k-mers are
      zero.
    """
    means = [np.zeros([FIRST_KMER_ID, vectors.shape[1]], np.float32)]
    for of_site in samples:
        n_kmers = of_site.shape[1] - k + 1
        ids = np.zeros([N_SAMPLES, n_kmers], np.int64)
        for i in range(k):
            ids = ids * len(LOOP_CONTEXTS) + of_site[:, i : i + n_kmers]
        means.append(vectors[ids + FIRST_KMER_ID].mean(axis=0))
    return np.concatenate(means)


def with_rows(data: Dataset, samples: Sequence[np.ndarray], directory: Path) -> Dataset:
    """Writes a dataset whose structure k-mer ids are the rows of `mean_vectors`."""
    if not (directory / description.FILE_NAME).exists():
        lengths = [of_site.shape[1] - data.encoding.k + 1 for of_site in samples]
        ends = FIRST_KMER_ID + np.cumsum(lengths)
        rows = [np.arange(end - n, end) for end, n in zip(ends, lengths, strict=True)]
        n = data.split("train").n_sites
        of_splits = {"train": rows[:n], "validation": rows[n:]}
        splits = {name: data.contents["splits"][name] for name in SPLITS}
        both = dataclasses.replace(
            data,
            splits={name: data.split(name) for name in SPLITS},
            contents=data.contents | {"splits": splits},
        )
        write_with_structures(both, directory, of_splits.__getitem__, "sampled")
    return description.read(directory)


# === Networks ===


class History(TrainingState):
    """A training that is not resumed: its table would be saved after each epoch."""

    def end_epoch(self, row: dict[str, Any], _model: Any) -> None:
        """Keeps the measures alone."""
        self.history.append(row)

    def load_best_weights(self, _model: Any) -> None:
        """Does nothing: the network is not used."""


def train(task: Task, data: Dataset, directory: Path) -> list[dict[str, Any]]:
    """Trains preset deeprke on sampled structures; returns its history."""
    import keras

    keras.utils.clear_session()
    samples = sampled(data, directory / "samples.npy")
    rows = with_rows(data, samples, directory / "data")
    run = directory / f"seed{task.seed}"
    run.mkdir(exist_ok=True)
    weights = vectors.make_vectors(data, run, task.settings, {})
    means = mean_vectors(samples, weights["structure"], data.encoding.k)
    state = History(run / "state", run / "history.csv")
    epochs.fit(
        SingleTask(rows, task.settings),
        task.settings,
        weights | {"structure": means},
        devices.strategy(),
        state,
        run / "logs",
    )
    return state.history


def run_task(task: Task, flags: argparse.Namespace) -> None:
    """Trains what is not there yet, and writes its measures."""
    directory = flags.out / "structure_ensemble" / task.experiment.name
    path = directory / f"seed{task.seed}.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        with locks.held(directory.resolve(), seconds=-1):
            data = Datasets(flags.out, flags.workers, flags.fold_cache).of(task)
            history = train(task, data, directory)
        result = {"experiment": task.experiment.name, "seed": task.seed}
        result |= {"validation_auroc": max(row["val_auroc"] for row in history)}
        files.write_json(path, result | {"history": history})


# === Results ===


def report(tasks: Sequence[Task], flags: argparse.Namespace) -> dict[str, Any]:
    """Writes the results that are there beside those of MFE and of no structure."""
    names = short_names([task.experiment.name for task in tasks])
    results = [
        {"rbp": names[task.experiment.name], "seed": task.seed} | found
        for task in tasks
        if (found := validation_aurocs(task, flags))
    ]
    pairs = itertools.combinations((*OTHERS, "sampled"), 2)
    differences = {
        f"{form} - {other}": difference(results, form, other) for other, form in pairs
    }
    tests = test_means(tasks, flags)
    summary = {"differences": differences, "test_means": tests, "results": results}
    files.write_json(flags.out / "structure_ensemble.json", summary)
    return summary


def validation_aurocs(task: Task, flags: argparse.Namespace) -> dict[str, float]:
    """Returns the AUROC with each structure; nothing if one is not there yet."""
    name = task.experiment.name
    paths = {
        form: flags.single / name / f"{dataclasses.replace(task, preset=of).label}.json"
        for form, of in OTHERS.items()
    }
    paths["sampled"] = flags.out / "structure_ensemble" / name / f"seed{task.seed}.json"
    if not all(path.exists() for path in paths.values()):
        return {}
    found = {form: json.loads(path.read_text()) for form, path in paths.items()}
    return {form: measures["validation_auroc"] for form, measures in found.items()}


def test_means(tasks: Sequence[Task], flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the mean test AUROC of the networks of `deeprke benchmark`, by seed."""
    found: dict[str, dict[int, list[float]]] = {
        preset: {} for preset in OTHERS.values()
    }
    for task, preset in itertools.product(tasks, OTHERS.values()):
        label = dataclasses.replace(task, preset=preset).label
        path = flags.single / task.experiment.name / f"{label}.json"
        if path.exists():
            auroc = json.loads(path.read_text())["auroc"]
            found[preset].setdefault(task.seed, []).append(auroc)
    return {
        preset: {seed: float(np.mean(aurocs)) for seed, aurocs in of_seeds.items()}
        for preset, of_seeds in found.items()
    }


def difference(
    results: Sequence[dict[str, Any]], form: str, other: str
) -> dict[str, Any]:
    """Returns by how much one structure is better than another, by RBP and in all."""
    of_rbps: dict[str, list[float]] = {}
    for result in results:
        of_rbps.setdefault(result["rbp"], []).append(result[form] - result[other])
    means = {rbp: mean_and_interval(found) for rbp, found in of_rbps.items()}
    overall = mean_and_interval([of["mean"] for of in means.values()])
    return {"over_experiments": overall, "rbps": means}


def main() -> None:
    """Trains what is not there yet, and prints the differences."""
    parser = flags_parser(__doc__)
    parser.add_argument("--single", type=Path)
    flags = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    flags.single = flags.single or flags.out / "rbp31" / "results"
    found = experiments.find("rbp31", flags.data_dir)
    tasks = [
        Task("rbp31", experiment, "deeprke", "grouped", seed, "none")
        for seed in SEEDS
        for experiment in experiments.select(found, EXPERIMENTS)
    ]
    if not flags.report:
        tensorflow.import_tensorflow()
        first, step = map(int, flags.shard.split("/"))
        for task in itertools.islice(tasks, first - 1, None, step):
            run_task(task, flags)
    summary = report(tasks, flags)
    print("mean test AUROC by seed:", summary["test_means"])
    for pair, found in summary["differences"].items():
        print(pair, found["over_experiments"])
        for rbp, of_rbp in found["rbps"].items():
            print(f"    {rbp:24} {of_rbp['mean']:+.4f} {of_rbp['interval']}")


if __name__ == "__main__":
    sys.exit(main())
