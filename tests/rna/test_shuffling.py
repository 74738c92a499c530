import collections
import itertools
import random
import re

import pytest

from deeprke_tf.rna.shuffling import shuffle_dinucleotides


def dinucleotides(sequence):
    return collections.Counter(itertools.pairwise(sequence))


@pytest.mark.parametrize("seed", range(20))
def test_all_dinucleotide_counts_are_kept(seed):
    rng = random.Random(seed)
    letters = rng.choice(["ACGU", "AC", "AACGU", "ACGUN"])
    sequence = "".join(rng.choices(letters, k=rng.randint(1, 300)))
    shuffled = shuffle_dinucleotides(sequence, rng)
    assert dinucleotides(shuffled) == dinucleotides(sequence)


@pytest.mark.parametrize("sequence", ["A", "AC", "AAAAAA", "ACACACA", "NNN", ""])
def test_what_has_no_other_order_stays_as_it_is(sequence):
    assert shuffle_dinucleotides(sequence, random.Random(1)) == sequence


def test_runs_of_n_stay_in_place():
    sequence = "NNNACGUCAGGAUCANNNNNNGACUGACUAAGCNUACGAUCGAUCA"
    shuffled = shuffle_dinucleotides(sequence, random.Random(1))
    assert shuffled != sequence
    assert re.sub("[^N]", "A", shuffled) == re.sub("[^N]", "A", sequence)


def test_the_same_seed_gives_the_same_order_and_another_one_another():
    sequence = "ACGUGCAUGCAUCGAUCGAUUUAGCGAUCGA" * 3
    first, again, other = (
        shuffle_dinucleotides(sequence, random.Random(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_every_order_with_the_same_dinucleotides_is_as_likely_as_any_other():
    sequence = "ACGUACGGUCA"
    same = {
        "".join(order)
        for order in set(itertools.permutations(sequence[1:-1]))
        if dinucleotides(("A", *order, "A")) == dinucleotides(sequence)
    }
    rng = random.Random(1)
    counts = collections.Counter(
        shuffle_dinucleotides(sequence, rng)[1:-1] for _ in range(3000)
    )
    assert set(counts) == same
    # Some 375 each, with a standard deviation of 18.
    assert all(abs(n - 3000 / len(same)) < 90 for n in counts.values())
