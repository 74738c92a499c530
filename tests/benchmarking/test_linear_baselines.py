import numpy as np
import pytest

from deeprke_tf.benchmarking import linear_baselines
from deeprke_tf.benchmarking.linear_baselines import Labelled
from deeprke_tf.data.kmers import KmerVocabulary
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics


def sites_of(n_sites, seed, motif="UGUA", center=None):
    """Every second site has the motif: anywhere, or a U at the center."""
    rng = np.random.default_rng(seed)
    sequences, labels = [], np.arange(n_sites) % 2
    for label in labels:
        letters = rng.choice(list("ACG" if center else "ACGU"), 31)
        if label and center:
            letters[15] = center
        elif label:
            start = rng.integers(27)
            letters[start : start + 4] = list(motif)
        sequences.append("".join(letters))
    return Labelled(sequences, labels)


@pytest.mark.parametrize("name", linear_baselines.NAMES)
def test_a_motif_is_learned(name):
    score, chosen = linear_baselines.fit(name, sites_of(400, 1), sites_of(100, 2), 1)
    test = sites_of(200, 3)
    probabilities = score(test.sequences)
    assert metrics.auroc(test.labels, probabilities) > 0.8
    assert chosen["C"] in linear_baselines.STRENGTHS[name]
    assert chosen["validation_auroc"] > 0.8


def test_position_kmer_knows_where_a_letter_is():
    train, validation = sites_of(200, 1, center="U"), sites_of(60, 2, center="U")
    score, _ = linear_baselines.fit("position-kmer", train, validation, 1)
    site = "A" * 15 + "U" + "C" * 15
    elsewhere = "U" + "A" * 15 + "C" * 15
    assert score([site])[0] > score([elsewhere])[0]


def test_sites_of_other_lengths_than_in_training_are_scored():
    score, _ = linear_baselines.fit(
        "position-kmer", sites_of(100, 1), sites_of(40, 2), 1
    )
    assert score(["ACG", "ACGU" * 40, "NNN"]).shape == (3,)


@pytest.mark.parametrize("name", linear_baselines.NAMES)
def test_the_same_seed_gives_the_same_scores(name):
    scores = [
        linear_baselines.fit(name, sites_of(100, 1), sites_of(40, 2), 7)[0](
            ["ACGUUGUA"]
        )
        for _ in range(2)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("sequence", ["ACGUACGU", "ACNGUACG", "GGGNNNNCCC"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_letters_are_read_back_from_kmers_that_know_them(sequence, k):
    vocabulary = KmerVocabulary("ACGU", k)
    sites = [vocabulary.encode(sequence), vocabulary.encode("GGCC")]
    letters, other = linear_baselines.letters_of(sites, vocabulary)
    assert other == "GGCC"
    assert len(letters) == len(sequence)
    for read, written in zip(letters, sequence, strict=True):
        assert read in (written, "N")
    assert vocabulary.encode(letters).tolist() == vocabulary.encode(sequence).tolist()


def test_an_unknown_baseline_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="No baseline 'svm'; there are: oli, position"):
        linear_baselines.fit("svm", sites_of(10, 1), sites_of(10, 2), 1)
