import dataclasses

import numpy as np
import pytest

from deeprke_tf.data.kmers import PAD_ID, KmerVocabulary
from deeprke_tf.networks import counted_kmers, kmer_counts, kmer_regression
from deeprke_tf.networks.counted_kmers import PER_KMERS
from deeprke_tf.networks.deeprke import without_kmer_counts
from deeprke_tf.networks.kmer_counts import KmerCounts
from tests.support.small_models import (
    CONFIGS,
    batch_of,
    random_kmer_weights,
    random_sites,
    tiny_model,
)


def letters(rng, n):
    return "".join(rng.choice(list("ACGU"), n))


def padded(sequences, k, width=0):
    """k-mer ids of sequences, as a batch."""
    ids = KmerVocabulary("ACGU", k).encode_all(sequences)
    width = max(width, *map(len, ids))
    return np.stack([np.pad(one, (0, width - len(one))) for one in ids])


def log_odds_of(weights, ids, k, share=1.0, network=0.0, training=False):
    layer = KmerCounts(k, share)
    given = np.full([len(ids), 1], network, np.float32)
    layer(given, ids)
    layer.set_weights([weights])
    return np.array(layer(given, ids, training=training))[:, 0]


def by_hand(weights, sequence, k):
    """The log odds, from the letters."""
    n_kmers = len(sequence) - k + 1
    total, first = 0.0, 1
    for length in counted_kmers.lengths(k):
        vocabulary = KmerVocabulary("ACGU", length)
        for i in range(len(sequence) - length + 1):
            (kmer,) = vocabulary.encode(sequence[i : i + length])
            if kmer > 1:
                total += PER_KMERS / n_kmers * weights[first + kmer - 2]
        first += 4**length
    for i in range(n_kmers):
        offset = i - n_kmers // 2
        if abs(offset) <= 64 and "N" not in sequence[i : i + k]:
            total += weights[first + 4 * (offset + 64) + "ACGU".index(sequence[i])]
    return weights[0] + total


@pytest.mark.parametrize("k", [1, 3, 4])
def test_log_odds_equal_those_counted_from_the_letters(k):
    rng = np.random.default_rng(k)
    sequences = [letters(rng, n) for n in (30, k, k + 1, 200)]
    sequences.append(f"{letters(rng, 9)}N{letters(rng, 8)}NN{letters(rng, 5)}")
    weights = random_kmer_weights(k)
    expected = [by_hand(weights, sequence, k) for sequence in sequences]
    given = log_odds_of(weights, padded(sequences, k), k)
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-3)
    wider = log_odds_of(weights, padded(sequences, k, 300), k)
    np.testing.assert_allclose(wider, given, rtol=1e-4, atol=1e-3)


def test_the_regression_has_its_weight_except_in_training():
    ids = padded(["ACGUACGGUACGGAC"], 3)
    weights = random_kmer_weights()
    alone = log_odds_of(weights, ids, 3)
    mixed = log_odds_of(weights, ids, 3, share=0.2, network=1.5)
    np.testing.assert_allclose(mixed, 0.8 * 1.5 + 0.2 * alone, rtol=1e-5)
    given = log_odds_of(weights, ids, 3, share=0.2, network=1.5, training=True)
    assert given == [1.5]


def test_the_regression_can_be_taken_out_of_a_network():
    config = dataclasses.replace(CONFIGS["no-structure"], kmer_weight=0.4)
    with_counts = tiny_model(config)
    alone = without_kmer_counts(with_counts)
    batch = batch_of(random_sites([30, 7]), config.views)
    expected = tiny_model(CONFIGS["no-structure"])(batch)
    np.testing.assert_allclose(alone(batch), expected, atol=1e-6)
    assert not np.allclose(with_counts(batch), expected, atol=1e-3)


def test_a_motif_of_the_bound_sites_gets_the_largest_weight():
    rng = np.random.default_rng(0)
    sites = [letters(rng, 40) for _ in range(600)]
    labels = np.arange(600) % 2
    for i in np.flatnonzero(labels):
        start = rng.integers(0, 30)
        sites[i] = f"{sites[i][:start]}UGCAUG{sites[i][start + 6 :]}"
    ids = KmerVocabulary("ACGU", 3).encode_all(sites)
    weights = kmer_regression.fit(ids, labels, 3, (1.0, 1.0))
    # Behind the intercept, 3-mers and 5-mers; ids begin at 2.
    of_6mers = weights[1 + 4**3 + 4**5 :][: 4**6]
    (kmer,) = KmerVocabulary("ACGU", 6).encode("UGCAUG")
    assert of_6mers.argmax() == kmer - 2
    again = kmer_regression.fit(ids, labels, 3, (1.0, 1.0))
    np.testing.assert_array_equal(weights, again)
    odds = log_odds_of(weights, padded(sites, 3), 3)
    assert odds[labels == 1].mean() - odds[labels == 0].mean() > 1
    # A larger class weight raises the log odds.
    heavy = kmer_regression.fit(ids, labels, 3, (0.5, 1.5))
    assert log_odds_of(heavy, padded(sites, 3), 3).mean() > odds.mean() + 0.5


def test_the_position_of_a_letter_is_found():
    rng = np.random.default_rng(1)
    sites = [letters(rng, 41) for _ in range(400)]
    labels = np.array([int(site[20] == "G") for site in sites])
    ids = KmerVocabulary("ACGU", 3).encode_all(sites)
    weights = kmer_regression.fit(ids, labels, 3, (1.0, 1.0))
    by_place = weights[-4 * 129 :].reshape(129, 4)
    # 39 k-mers: the center is the 20th, the letter begins the 21st.
    assert np.unravel_index(by_place.argmax(), by_place.shape) == (64 + 1, 2)


def test_sites_of_one_class_give_zero_weights():
    ids = [np.array([2, 3, 4]), np.array([5])]
    weights = kmer_regression.fit(ids, np.ones(2), 3, (1.0, 1.0))
    assert weights.shape == (counted_kmers.n_weights(3),) and not weights.any()


def test_the_layer_can_be_made_from_its_config():
    layer = KmerCounts(4, 0.25, name="counts")
    copy = KmerCounts.from_config(layer.get_config())
    assert (copy.k, copy.share, copy.name) == (4, 0.25, "counts")
    assert copy.compute_dtype == "float32"


def test_padding_has_no_kmers():
    of_kmers, of_letters = kmer_counts.places(np.full([1, 4], PAD_ID), 3)
    assert not any(np.any(some) for some in [*of_kmers, of_letters])
