import random

import pytest

from deeprke_tf.rna import stretches
from deeprke_tf.rna.sites import Site


def letters(n, seed):
    return "".join(random.Random(seed).choices("ACGU", k=n))


def sites_of(label, *sequences):
    return [Site("site", sequence, label) for sequence in sequences]


def test_stretches_are_shared_where_31_letters_are_equal():
    common = letters(31, seed=1)
    bound = sites_of(1, letters(20, 2) + common + letters(9, 3), letters(60, 4))
    background = sites_of(0, letters(5, 5) + common, letters(60, 6), letters(60, 7))
    found = stretches.overlaps(bound + background, [])["train"]
    assert found["bound_sharing"] == pytest.approx(1 / 2)
    assert found["background_sharing"] == pytest.approx(1 / 3)
    shorter = sites_of(
        0, "A" + common[1:] + "A" if common[0] != "A" else "C" + common[1:]
    )
    assert stretches.overlaps(bound + shorter, [])["train"]["bound_sharing"] == 0


def test_a_stretch_with_n_or_across_two_sites_is_none():
    common = letters(31, seed=1)
    with_n = common[:15] + "N" + common[16:]
    halves = sites_of(0, common[:20], common[20:])
    found = stretches.overlaps(sites_of(1, with_n, common) + halves, [])["train"]
    assert found["bound_sharing"] == found["background_sharing"] == 0
    assert len(stretches.stretches(sites_of(1, with_n)).codes) == 0


def test_train_and_test_are_compared_by_sequence_and_class():
    a, b, c, d = (letters(40, seed) for seed in range(4))
    train = sites_of(1, a, a, b) + sites_of(0, c, b)
    test = sites_of(1, c, a) + sites_of(0, d)
    found = stretches.overlaps(train, test)
    assert found["train"]["duplicates"] == 2
    assert found["train"]["sequences_in_both_classes"] == 1
    assert found["train_test"] == {
        "sequences_in_both": 2,
        "of_other_class": 1,
        "bound_sharing": 1.0,
        "background_sharing": 0.0,
    }
