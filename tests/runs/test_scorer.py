import numpy as np
import pytest
from scipy.special import logit

from deeprke_tf.data import batches as dataset
from deeprke_tf.runs.batching import score_sites
from deeprke_tf.runs.scorer import log_odds_network, score_labelled
from deeprke_tf.runs.scorer import scorer as compiled
from tests.support.small_models import (
    CONFIGS,
    batch_of,
    compiled_scorer,
    probabilities,
    random_sites,
    trained_model,
    write_dataset,
)


@pytest.fixture(scope="module")
def score():
    return compiled_scorer(trained_model("paper"))


def count_kmers(inputs):
    """A scorer whose result can be counted by eye: the k-mers of each site."""
    return (np.asarray(inputs["sequence_kmers"]) != 0).sum(axis=1).astype(np.float32)


LENGTHS = [30, 2, 17, 2, 99, 1, 30]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_probabilities_come_in_the_order_of_the_sites(batch_size):
    scored = score_sites(count_kmers, random_sites(LENGTHS), batch_size)
    assert scored.dtype == np.float32
    assert scored.tolist() == LENGTHS


@pytest.mark.parametrize("batch_size", [2, 100])
def test_sites_score_the_same_in_batches_and_one_by_one(score, batch_size):
    sites = random_sites(LENGTHS)
    together = score_sites(score, sites, batch_size)
    assert np.ptp(together) > 0.02, "all alike: nothing would be tested"
    one_by_one = [score_sites(score, [site], 1)[0] for site in sites]
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)


def test_sites_of_similar_length_are_in_one_batch():
    widths = []

    def width(inputs):
        widths.append(inputs["sequence_kmers"].shape)
        return count_kmers(inputs)

    score_sites(width, random_sites([9, 1, 8, 1, 7]), 2)
    assert widths == [(2, 1), (2, 8), (1, 9)]


def test_long_sites_come_in_smaller_batches():
    sizes = []

    def size(inputs):
        sizes.append(inputs["sequence_kmers"].size)
        return count_kmers(inputs)

    lengths = [300_000, 9, 200_000, 60_000, 60_000, 60_000, 100_000]
    assert score_sites(size, random_sites(lengths), 256).tolist() == lengths
    # A site that is longer than the largest batch is a batch of its own.
    assert sizes == [4 * 60_000, 100_000, 200_000, 300_000]


def test_no_sites_have_no_probabilities():
    assert score_sites(count_kmers, [], 4).tolist() == []


@pytest.mark.parametrize("name", ["paper", "no-structure", "cnn-only"])
def test_a_network_of_any_views_scores_sites_of_both(name):
    # As `deeprke predict` encodes them for it.
    sites = [
        {view: site[view] for view in CONFIGS[name].views}
        for site in random_sites([4, 40])
    ]
    scored = score_sites(compiled_scorer(trained_model(name)), sites, 8)
    assert ((scored >= 0) & (scored <= 1)).all()


@pytest.mark.parametrize(("n_sites", "batch_size"), [(1, 4), (23, 4), (23, 100)])
def test_every_labelled_site_is_scored_once_beside_its_label(
    tmp_path, n_sites, batch_size
):
    # The label follows from the length: odd sites are bound.
    sites = [([5] * length, length % 2) for length in range(1, n_sites + 1)]
    info = write_dataset(tmp_path, {"test": sites})
    batches = dataset.read_split(info, "test", CONFIGS["paper"].views, batch_size)
    labels, lengths = score_labelled(count_kmers, batches)
    assert sorted(lengths) == list(range(1, n_sites + 1))
    assert np.array_equal(labels, lengths % 2)


def test_labels_do_not_change_probabilities(score, tmp_path):
    views = CONFIGS["paper"].views
    # Already by length, so that both keep this order.
    kmers = [[7], [9, 3], [3, 20, 40], [8, 8, 12, 60, 2]]
    info = write_dataset(tmp_path, {"test": [(ids, 1) for ids in kmers]})
    labels, labelled = score_labelled(score, dataset.read_split(info, "test", views, 3))
    sites = [{views[0]: np.array(ids), views[1]: np.array(ids) + 100} for ids in kmers]
    np.testing.assert_allclose(labelled, score_sites(score, sites, 3), atol=1e-5)
    assert labels.tolist() == [1, 1, 1, 1]


def test_a_split_without_sites_gives_none(score):
    labels, probabilities = score_labelled(score, [])
    assert (len(labels), len(probabilities)) == (0, 0)


@pytest.mark.parametrize("name", ["paper", "positions, narrow union, k-mer counts"])
def test_log_odds_are_those_of_the_probability(name):
    model = trained_model(name)
    sites = random_sites([9, 20, 14])
    log_odds = compiled(log_odds_network(model))
    views = CONFIGS[name].views
    found = log_odds(batch_of(sites, views))
    assert found == pytest.approx(logit(probabilities(model, sites)), abs=1e-4)
