import numpy as np

from deeprke_tf.data.structure_shuffling import permutation

LENGTHS = [10, 20, 10, 10, 20, 30] * 20


def test_each_site_gets_the_structure_of_a_site_as_long_as_it():
    order = permutation(LENGTHS, "train")
    assert sorted(order) == list(range(len(LENGTHS)))
    assert [LENGTHS[place] for place in order] == LENGTHS
    assert (order != np.arange(len(order))).mean() > 0.8


def test_splits_have_orders_of_their_own_that_stay_the_same():
    assert np.array_equal(permutation(LENGTHS, "test"), permutation(LENGTHS, "test"))
    assert not np.array_equal(
        permutation(LENGTHS, "test"), permutation(LENGTHS, "train")
    )
