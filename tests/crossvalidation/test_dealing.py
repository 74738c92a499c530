"""Sites are dealt to parts by whole groups."""

import numpy as np
import pytest

from deeprke_tf.crossvalidation.dealing import class_counts, deal, split_off


def random_groups(n_groups, seed, largest=20):
    """Groups of random sizes, of which a third of the sites is bound."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_groups), rng.integers(1, largest, n_groups))
    return groups, (rng.random(len(groups)) < 1 / 3).astype(int)


def parts_of_groups(parts, groups):
    return [set(parts[groups == group]) for group in np.unique(groups)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_parts", [2, 5, 10])
def test_no_group_straddles_and_parts_have_equally_many_of_each_class(n_parts, seed):
    groups, labels = random_groups(200, seed)
    parts = deal(groups, labels, [1 / n_parts] * n_parts, seed)
    assert all(len(found) == 1 for found in parts_of_groups(parts, groups))
    counts = class_counts(parts, labels)
    assert np.ptp(counts, axis=0).max() <= 5


def test_sites_that_are_groups_of_their_own_are_dealt_evenly():
    labels = np.arange(1000) % 3 // 2
    parts = deal(np.arange(1000), labels, [0.2] * 5, seed=1)
    assert np.ptp(class_counts(parts, labels), axis=0).max() <= 1


def test_the_seed_fixes_the_deal():
    labels = np.arange(100) % 2
    deals = [deal(np.arange(100), labels, [0.5, 0.5], seed) for seed in (1, 1, 2)]
    assert (deals[0] == deals[1]).all() and (deals[0] != deals[2]).any()


def test_no_part_is_empty_while_there_are_as_many_groups():
    groups = np.repeat(np.arange(5), [1000, 2, 2, 2, 2])
    labels = np.tile([0, 1], 504)
    assert set(deal(groups, labels, [0.2] * 5, seed=1)) == set(range(5))


@pytest.mark.parametrize("seed", range(3))
def test_a_tenth_of_each_class_is_split_off_by_group(seed):
    groups, labels = random_groups(200, seed)
    is_chosen = split_off(groups, labels, 0.1, seed)
    assert all(len(found) == 1 for found in parts_of_groups(is_chosen, groups))
    for label in (0, 1):
        assert is_chosen[labels == label].mean() == pytest.approx(0.1, abs=0.01)


def test_of_few_large_groups_the_smallest_with_bound_sites_is_split_off():
    groups = np.repeat([3, 5, 8], [100, 80, 60])
    labels = np.tile([0, 1], 120)
    labels[groups == 8] = 0
    assert set(groups[split_off(groups, labels, 0.1, seed=1)]) == {5}
