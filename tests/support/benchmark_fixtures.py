"""Simulated experiments laid out as RBP-31 and RBP-24, and a small preset."""

import dataclasses
import gzip
import json
import random

import pytest

from deeprke_tf import benchmark, config, presets
from deeprke_tf.system import arrays

NAME = "18_ICLIP_hnRNPL--ensembl59_from_2337-2339-741_ctrl+kd_all_clusters"
MOTIF = "UGUAUAUA"
FLANK = 8

SMALL = dataclasses.replace(
    presets.preset("no-structure"),
    model=dataclasses.replace(
        presets.preset("no-structure").model,
        **{"filters": (4,), "kernel_sizes": (4,), "lstm_units": 0, "dense_units": 4},
        union_mean=0.5,
        kmer_weight=0.2,
    ),
    vectors=config.VectorConfig(vector_size=4, vector_sites=50),
    train=config.TrainConfig(epochs=1, batch_size=20, label_smoothing=0.1),
)


def letters(rng, n):
    return "".join(rng.choices("ACGT", k=n))


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.writelines(f">{name}\n{sequence}\n" for name, sequence in records)


def labelled(n, seed):
    """Yields sites as in RBP-31: one length, a class; bound ones have a motif."""
    rng = random.Random(seed)
    for i in range(n):
        bound = i % 3 == 0
        middle = MOTIF if bound else letters(rng, len(MOTIF))
        sequence = letters(rng, 9) + middle + letters(rng, 9)
        yield f" chr1,+,{i},{i + 26}; class:{int(bound)}", sequence


def flanked(n, seed, fraction_of_g):
    """Yields sites as in RBP-24: the last base is G in a fraction of them."""
    rng = random.Random(seed)
    for i in range(n):
        last = "G" if rng.random() < fraction_of_g else rng.choice("ACT")
        flanks = [letters(rng, FLANK).lower() for _ in range(2)]
        yield f"{i};chr1", flanks[0] + letters(rng, 9) + last + flanks[1]


@pytest.fixture(scope="session")
def rbp_data(tmp_path_factory):
    """A directory with one complete experiment of each benchmark."""
    directory = tmp_path_factory.mktemp("benchmarks")
    for split, n, seed in (("train", 180, 1), ("test", 60, 2)):
        write(directory / "rbp31" / f"{NAME}.{split}.fa.gz", labelled(n, seed))
        for part, fraction in (("positives", 0.97), ("negatives", 0.21)):
            path = directory / "rbp24" / f"LEAK.{split}.{part}.fa.gz"
            write(path, flanked(n, f"{seed} {part}", fraction))
    write(directory / "rbp31" / "19_B.test.fa.gz", labelled(30, 3))
    return directory


@pytest.fixture
def small_preset(monkeypatch):
    """Adds the preset "small"."""
    monkeypatch.setitem(presets.PRESETS, "small", SMALL)


def run(which, rbp_data, out, *flags):
    """Runs the command; returns all results by file name."""
    argv = [which, "--data-dir", rbp_data, "--out", out, "--workers", 1, *flags]
    assert benchmark.main([str(value) for value in argv]) == 0
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text())
        for path in sorted((out / which / "results").glob("*/*.json"))
    }


def predictions(out, preset, seed):
    """Reads the predictions of a task of the RBP-31 experiment."""
    directory = out / "rbp31" / "predictions" / NAME
    return arrays.read_arrays(directory / f"{preset}.frozen.seed{seed}.none.npz")
