"""From intervals on RNAs to tracks on chromosomes."""

import random

import numpy as np
import pytest

from deeprke_tf.rna.loci import Locus
from deeprke_tf.scanning.genome_tracks import highest, on_genome


def random_intervals(rng, length, n_most):
    cuts = sorted(rng.sample(range(length + 1), 2 * rng.randint(1, n_most)))
    pairs = np.array(cuts).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.arange(len(pairs)) / 10


@pytest.mark.parametrize("seed", range(20))
def test_intervals_on_an_rna_lie_where_its_nucleotides_do(seed):
    rng = random.Random(seed)
    cuts = sorted(rng.sample(range(1000), 2 * rng.randint(1, 6)))
    blocks = tuple(zip(cuts[::2], cuts[1::2], strict=True))
    locus = Locus("chr1", blocks, rng.choice("+-"))
    n = locus.n_nucleotides
    intervals = random_intervals(rng, n, min(5, n // 2))
    expected = {
        locus.part(position, position + 1).start: value
        for start, end, value in zip(*intervals, strict=True)
        for position in range(start, end)
    }
    starts, ends, values = on_genome(locus, *intervals)
    found = {
        position: value
        for start, end, value in zip(starts, ends, values, strict=True)
        for position in range(start, end)
    }
    assert found == expected
    assert (starts[1:] >= ends[:-1]).all()


@pytest.mark.parametrize("seed", range(20))
def test_over_each_position_lies_the_highest_value(seed):
    rng = random.Random(seed)
    parts = [random_intervals(rng, 60, 5) for _ in range(3)]
    starts, ends, values = map(np.concatenate, zip(*parts, strict=True))
    expected = {}
    for start, end, value in zip(starts, ends, values, strict=True):
        for position in range(start, end):
            expected[position] = max(value, expected.get(position, 0))
    starts, ends, values = highest(starts, ends, values)
    found = {
        position: value
        for start, end, value in zip(starts, ends, values, strict=True)
        for position in range(start, end)
    }
    assert found == expected
    assert (starts[1:] >= ends[:-1]).all()
