"""Preprocessing by Beam, through its command."""

import filecmp
import random

import pytest

from pipelines import preprocess

DIRECT = ("--runner", "DirectRunner")


def random_sequences(n, seed, shortest=12, longest=30):
    rng = random.Random(seed)
    return [
        "".join(rng.choices("ACGU", k=rng.randint(shortest, longest))) for _ in range(n)
    ]


def write_fasta(path, sequences, first_label=0, prefix="site"):
    """Writes labelled FASTA; every third site has the other label."""
    path.write_text(
        "".join(
            f">{prefix}{i}; class:{first_label if i % 3 else 1 - first_label}\n{s}\n"
            for i, s in enumerate(sequences)
        )
    )
    return path


@pytest.fixture
def fasta(tmp_path):
    return write_fasta(tmp_path / "sites.fa", random_sequences(30, seed=3))


def run(*arguments):
    """Runs the command, which must succeed."""
    assert preprocess.main(list(map(str, arguments))) == 0


def error_of(capsys, *arguments):
    """Runs the command, which must fail; returns the one line it says."""
    assert preprocess.main(list(map(str, arguments))) == 1
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if "error:" in line
    )
    return line


def assert_same_files(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert sorted(path.name for path in other.iterdir()) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names
