import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import thresholds

LABELS = [0, 0, 1, 0, 1, 1, 0, 1]
PROBABILITIES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def sites(n_sites, prior=0.2, seed=0, distance=3.0):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_sites) < prior).astype(int)
    return labels, 1 / (1 + np.exp(-rng.normal(distance * labels - distance / 2)))


def brute_force_fdr(labels, probabilities, threshold):
    called = np.asarray(labels)[np.asarray(probabilities) >= threshold]
    return np.mean(called == 0)


@pytest.mark.parametrize(
    ("fdr", "value", "precision", "recall"),
    [
        (0.0, 0.75, 1, 0.25),
        (0.2, 0.75, 1, 0.25),
        (0.25, 0.45, 0.75, 0.75),
        (1 / 3, 0.25, 4 / 6, 1),
        (0.5, 0.05, 0.5, 1),
        (1.0, 0.05, 0.5, 1),
    ],
)
def test_the_threshold_calls_the_most_sites_that_an_fdr_allows(
    fdr, value, precision, recall
):
    chosen = thresholds.threshold_at_fdr(LABELS, PROBABILITIES, fdr)
    assert chosen.name == f"fdr {fdr:g}"
    assert (chosen.value, chosen.precision, chosen.recall) == pytest.approx(
        (value, precision, recall)
    )
    same = thresholds.threshold_at_precision(LABELS, PROBABILITIES, 1 - fdr)
    assert same.name.startswith("precision ")
    assert same.value == chosen.value


@pytest.mark.parametrize(
    ("recall", "value"),
    [(0, 0.75), (0.25, 0.75), (0.26, 0.55), (0.5, 0.55), (0.75, 0.45), (1, 0.25)],
)
def test_the_threshold_is_the_largest_of_a_recall(recall, value):
    chosen = thresholds.threshold_at_recall(LABELS, PROBABILITIES, recall)
    assert chosen.value == pytest.approx(value)
    assert chosen.recall >= recall


def test_precision_and_recall_are_those_of_scikit_learn():
    labels, probabilities = sites(2_000)
    for chosen in (
        thresholds.threshold_at_fdr(labels, probabilities, 0.1),
        thresholds.threshold_at_precision(labels, probabilities, 0.7),
        thresholds.threshold_at_recall(labels, probabilities, 0.9),
    ):
        calls = probabilities >= chosen.value
        assert chosen.precision == sklearn_metrics.precision_score(labels, calls)
        assert chosen.recall == sklearn_metrics.recall_score(labels, calls)


def test_a_prior_weighs_sites_as_if_their_classes_occurred_in_its_ratio():
    # Each background site 9 times: a prior of 0.1 among as many of both classes.
    labels = LABELS + [0] * 8 * 4
    probabilities = PROBABILITIES + [0.1, 0.2, 0.4, 0.7] * 8
    for choose, target in (
        (thresholds.threshold_at_fdr, 0.7),
        (thresholds.threshold_at_precision, 0.25),
        (thresholds.threshold_at_recall, 0.7),
    ):
        expected = choose(labels, probabilities, target)
        chosen = choose(LABELS, PROBABILITIES, target, prior=0.1)
        assert chosen.name == expected.name
        assert chosen.value == expected.value
        assert chosen.precision == pytest.approx(expected.precision)
        assert chosen.recall == expected.recall


def test_the_prior_of_the_labels_changes_nothing():
    labels, probabilities = sites(500)
    for fdr in (0.01, 0.05, 0.2):
        own = thresholds.threshold_at_fdr(labels, probabilities, fdr)
        given = thresholds.threshold_at_fdr(labels, probabilities, fdr, labels.mean())
        assert given.value == own.value
        assert given.precision == pytest.approx(own.precision)


@pytest.mark.parametrize("prior", [None, 0.02])
def test_the_fdr_of_other_sites_is_near_the_nominal_one(prior):
    labels, probabilities = sites(100_000)
    others, other_probabilities = sites(200_000, prior or 0.2, seed=1)
    for fdr in (0.05, 0.1, 0.2):
        chosen = thresholds.threshold_at_fdr(labels, probabilities, fdr, prior)
        obtained = brute_force_fdr(others, other_probabilities, chosen.value)
        assert obtained == pytest.approx(fdr, rel=0.35)
        assert 1 - chosen.precision <= fdr + 1e-9


def test_an_fdr_out_of_reach_is_an_error_that_says_the_best():
    labels, probabilities = [0, 1, 1, 0], [0.2, 0.4, 0.6, 0.8]
    with pytest.raises(UserError) as error:
        thresholds.threshold_at_fdr(labels, probabilities, 0.05)
    assert str(error.value) == (
        "No threshold has an FDR of at most 0.05; the lowest is 0.3333, at threshold "
        "0.3 with a recall of 1."
    )
    with pytest.raises(
        UserError,
        match=r"precision of at least 0.5; the highest is 0.1818, at threshold 0.3 and "
        r"prior 0.1 with a recall of 1\.",
    ):
        thresholds.threshold_at_precision(labels, probabilities, 0.5, prior=0.1)


def test_probabilities_at_the_borders_and_side_by_side_are_told_apart():
    next_up = np.nextafter(0.5, 1)
    labels, probabilities = [1, 0, 1, 0, 1], [0.0, 0.0, 0.5, next_up, 1.0]
    assert thresholds.threshold_at_recall(labels, probabilities, 1).value == 0
    assert thresholds.threshold_at_recall(labels, probabilities, 0.6).recall == 2 / 3
    assert thresholds.threshold_at_fdr(labels, probabilities, 0).value == (
        (next_up + 1) / 2
    )
    curve = thresholds._curve(labels, probabilities, None)
    for value, fdr in zip(curve.thresholds, curve.fdr, strict=True):
        assert brute_force_fdr(labels, probabilities, value) == fdr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fdr": 5}, r"FDR must be in \[0, 1\], got 5; write 0.05 for 5 %"),
        ({"fdr": float("nan")}, "FDR must be in"),
        ({"fdr": 0.05, "prior": 0}, "between 0 and 1, got 0"),
        ({"fdr": 0.05, "labels": [0] * 8}, "got 0 bound and 8 background"),
    ],
)
def test_a_setting_out_of_range_is_refused(arguments, message):
    sound = {"labels": LABELS, "probabilities": PROBABILITIES}
    with pytest.raises(UserError, match=message):
        thresholds.threshold_at_fdr(**(sound | arguments))
