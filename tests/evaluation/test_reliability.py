import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.evaluation import reliability

LABELS = [0, 0, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.3, 0.3, 0.6, 0.7, 0.9]


def ece_of(labels, probabilities, n_bins=15):
    return reliability.calibration_measures(labels, probabilities, n_bins)["ece"]


def calibrated_sites(n_sites, seed=0):
    rng = np.random.default_rng(seed)
    probabilities = rng.random(n_sites) ** 3
    return (rng.random(n_sites) < probabilities).astype(int), probabilities


def test_the_brier_score_equals_scikit_learns():
    for labels, probabilities in ((LABELS, PROBABILITIES), calibrated_sites(1_000)):
        measures = reliability.calibration_measures(labels, probabilities)
        assert measures["brier"] == pytest.approx(
            sklearn_metrics.brier_score_loss(labels, probabilities), abs=1e-15
        )


@pytest.mark.parametrize(
    ("n_bins", "ece"),
    [
        # 6 sites: mean probability 2.9 / 6, and half of them bound.
        (1, 0.1 / 6),
        # {0.1, 0.3, 0.3}: 0.7 / 3 and 1 / 3 bound; {0.6, 0.7, 0.9}: 2.2 / 3 and 2 / 3.
        (2, (0.3 + 0.2) / 6),
        # One bin for each distinct probability: 0.1, 2 * 0.2, 0.6, 0.3, 0.1.
        (6, 1.5 / 6),
        (100, 1.5 / 6),
    ],
)
def test_the_ece_equals_a_count_by_hand(n_bins, ece):
    assert ece_of(LABELS, PROBABILITIES, n_bins) == pytest.approx(ece)


def test_the_order_of_the_sites_does_not_change_a_measure():
    labels, probabilities = calibrated_sites(500)
    probabilities = probabilities.round(1)
    order = np.random.default_rng(1).permutation(500)
    before = reliability.calibration_measures(labels, probabilities)
    after = reliability.calibration_measures(labels[order], probabilities[order])
    assert after["ece"] == pytest.approx(before["ece"])
    assert [b["n_sites"] for b in after["bins"]] == [
        b["n_sites"] for b in before["bins"]
    ]


def test_bins_hold_equally_many_sites_where_no_probabilities_are_equal():
    bins = reliability.calibration_measures(*calibrated_sites(1_500))["bins"]
    assert [b["n_sites"] for b in bins] == [100] * 15
    means = [b["mean_probability"] for b in bins]
    assert means == sorted(means)


def test_calibrated_probabilities_have_a_small_ece_by_chance():
    eces = [ece_of(*calibrated_sites(2_000, seed)) for seed in range(20)]
    assert np.mean(eces) == pytest.approx(np.sqrt(15 / 2_000) / 4, rel=0.3)


def test_the_measures_are_plain_and_count_every_site():
    labels, probabilities = calibrated_sites(1_000)
    measures = reliability.calibration_measures(labels, probabilities, n_bins=7)
    assert json.loads(json.dumps(measures)) == measures
    assert measures["n_sites"] == 1_000
    assert sum(measures["histogram"]) == 1_000
    assert sum(b["n_sites"] for b in measures["bins"]) == 1_000
    assert sum(b["n_sites"] * b["fraction_bound"] for b in measures["bins"]) == (
        pytest.approx(labels.sum())
    )
    assert measures["ece"] == ece_of(labels, probabilities, n_bins=7)


def test_one_class_alone_is_measured_too():
    measures = reliability.calibration_measures([0, 0], [0.0, 1.0])
    assert measures["brier"] == 0.5
    assert measures["ece"] == 0.5


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="n_bins must be at least 1, got 0"):
        ece_of(LABELS, PROBABILITIES, n_bins=0)
