"""Tests of deeprke_tf.data.partition."""

import hashlib
import itertools
import random

import numpy as np
import pytest

from deeprke_tf.data import partition


def random_sequences(n, length=30, seed=1):
    rng = random.Random(seed)
    return ["".join(rng.choices("ACGU", k=length)) for _ in range(n)]


def test_a_hash_is_the_upper_63_bits_of_each_half_of_keyed_blake2b():
    digest = hashlib.blake2b(b"GGAAACC", digest_size=16, key=b"seed 7").digest()
    hashes = partition.sequence_hashes(["ACGU", "GGAAACC"], seed=7)
    expected = [int.from_bytes(half, "big") >> 1 for half in (digest[:8], digest[8:])]
    assert [hashes.validation[1], hashes.order[1]] == expected


def test_hashes_of_no_sequence_are_empty():
    assert [len(half) for half in partition.sequence_hashes([], seed=1)] == [0, 0]


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.5, 0.999, 1 - 2**-53])
def test_about_the_fraction_is_for_validation(fraction):
    hashes = partition.sequence_hashes(random_sequences(20_000), seed=1).validation
    share = partition.is_validation(hashes, fraction).mean()
    assert abs(share - fraction) < 4 * (fraction * (1 - fraction) / 20_000) ** 0.5


def test_order_tells_nothing_of_validation():
    hashes = partition.sequence_hashes(random_sequences(20_000), seed=1)
    chosen = partition.is_validation(hashes.validation, 0.1)
    assert chosen[np.argsort(hashes.order)[:10_000]].mean() == pytest.approx(
        0.1, abs=0.01
    )


def test_another_seed_gives_another_split_and_another_order():
    sequences = random_sequences(100)
    one, other = (partition.sequence_hashes(sequences, seed) for seed in (1, 2))
    assert not np.isin(one.order, other.order).any()
    chosen = [
        partition.is_validation(hashes.validation, 0.5) for hashes in (one, other)
    ]
    assert 20 < np.sum(chosen[0] != chosen[1]) < 80


@pytest.mark.parametrize("n_shards", [1, 2, 3, 7, 1000, 99_999])
def test_shards_are_ranges_of_the_order(n_shards):
    ends = np.array([0, 2**63 - 1])
    assert partition.shard_index(ends, n_shards).tolist() == [0, n_shards - 1]
    order = np.sort(partition.sequence_hashes(random_sequences(5_000), seed=1).order)
    shards = partition.shard_index(order, n_shards)
    assert (np.diff(shards) >= 0).all()
    if n_shards < 10:
        assert np.bincount(shards) == pytest.approx(5_000 / n_shards, rel=0.15)


def test_one_number_gives_the_same_as_an_array():
    hashes = partition.sequence_hashes(random_sequences(200), seed=1)
    chosen = partition.is_validation(hashes.validation, 0.3)
    shards = partition.shard_index(hashes.order, 9)
    for one, other, is_chosen, shard in zip(
        *(values.tolist() for values in (*hashes, chosen, shards)), strict=True
    ):
        assert partition.is_validation(one, 0.3) == is_chosen
        assert partition.shard_index(other, 9) == shard


def test_the_number_of_shards_is_rounded_up():
    counts = [partition.shard_count(n, 10) for n in (0, 1, 10, 11, 95)]
    assert counts == [0, 1, 1, 2, 10]
    assert all(a <= b for a, b in itertools.pairwise(counts))
