import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.thresholds import threshold_for

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
    chosen = threshold_for(("fdr", fdr), LABELS, PROBABILITIES)
    assert chosen.name == f"fdr {fdr:g}"
    assert (chosen.value, chosen.precision, chosen.recall) == pytest.approx(
        (value, precision, recall)
    )
    same = threshold_for(("precision", 1 - fdr), LABELS, PROBABILITIES)
    assert same.name.startswith("precision ")
    assert same.value == chosen.value


@pytest.mark.parametrize(
    ("recall", "value"),
    [(0, 0.75), (0.25, 0.75), (0.26, 0.55), (0.5, 0.55), (0.75, 0.45), (1, 0.25)],
)
def test_the_threshold_is_the_largest_of_a_recall(recall, value):
    chosen = threshold_for(("recall", recall), LABELS, PROBABILITIES)
    assert chosen.value == pytest.approx(value)
    assert chosen.recall >= recall


def test_precision_and_recall_equal_scikit_learn():
    labels, probabilities = sites(2_000)
    for chosen in (
        threshold_for(("fdr", 0.1), labels, probabilities),
        threshold_for(("precision", 0.7), labels, probabilities),
        threshold_for(("recall", 0.9), labels, probabilities),
    ):
        calls = probabilities >= chosen.value
        assert chosen.precision == sklearn_metrics.precision_score(labels, calls)
        assert chosen.recall == sklearn_metrics.recall_score(labels, calls)


def test_a_prior_weighs_sites_as_if_their_classes_occurred_in_its_ratio():
    # Each background site 9 times: a prior of 0.1 among as many of both classes.
    labels = LABELS + [0] * 8 * 4
    probabilities = PROBABILITIES + [0.1, 0.2, 0.4, 0.7] * 8
    for target in (
        ("fdr", 0.7),
        ("precision", 0.25),
        ("recall", 0.7),
    ):
        expected = threshold_for(target, labels, probabilities)
        chosen = threshold_for(target, LABELS, PROBABILITIES, prior=0.1)
        assert chosen.name == expected.name
        assert chosen.value == expected.value
        assert chosen.precision == pytest.approx(expected.precision)
        assert chosen.recall == expected.recall


def test_the_prior_of_the_labels_changes_nothing():
    labels, probabilities = sites(500)
    for fdr in (0.01, 0.05, 0.2):
        own = threshold_for(("fdr", fdr), labels, probabilities)
        given = threshold_for(("fdr", fdr), labels, probabilities, labels.mean())
        assert given.value == own.value
        assert given.precision == pytest.approx(own.precision)


@pytest.mark.parametrize("prior", [None, 0.02])
def test_the_fdr_of_other_sites_is_near_the_nominal_one(prior):
    labels, probabilities = sites(100_000)
    others, other_probabilities = sites(200_000, prior or 0.2, seed=1)
    for fdr in (0.05, 0.1, 0.2):
        chosen = threshold_for(("fdr", fdr), labels, probabilities, prior)
        obtained = brute_force_fdr(others, other_probabilities, chosen.value)
        assert obtained == pytest.approx(fdr, rel=0.35)
        assert 1 - chosen.precision <= fdr + 1e-9


def test_an_unreachable_fdr_is_an_error_that_names_the_lowest():
    labels, probabilities = [0, 1, 1, 0], [0.2, 0.4, 0.6, 0.8]
    with pytest.raises(UserError) as error:
        threshold_for(("fdr", 0.05), labels, probabilities)
    assert str(error.value) == (
        "No threshold has an FDR of at most 0.05; the lowest is 0.3333, at threshold "
        "0.3 with a recall of 1."
    )
    with pytest.raises(
        UserError,
        match=r"precision of at least 0.5; the highest is 0.1818, at threshold 0.3 and "
        r"prior 0.1 with a recall of 1\.",
    ):
        threshold_for(("precision", 0.5), labels, probabilities, prior=0.1)


def test_neighboring_floats_0_and_1_are_separated():
    next_up = np.nextafter(0.5, 1)
    labels, probabilities = [1, 0, 1, 0, 1], [0.0, 0.0, 0.5, next_up, 1.0]
    assert threshold_for(("recall", 1), labels, probabilities).value == 0
    assert threshold_for(("recall", 0.6), labels, probabilities).recall == 2 / 3
    assert threshold_for(("fdr", 0), labels, probabilities).value == ((next_up + 1) / 2)
    for fdr in (0, 1 / 3, 0.4, 0.5):
        chosen = threshold_for(("fdr", fdr), labels, probabilities)
        obtained = brute_force_fdr(labels, probabilities, chosen.value)
        assert obtained == pytest.approx(1 - chosen.precision)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"target": ("fdr", 5)},
            r"`fdr` must be in \[0, 1\], got 5; write 0.05 for 5 %",
        ),
        ({"target": ("recall", float("nan"))}, "`recall` must be in"),
        ({"prior": 0}, "between 1e-12 and 1, got 0"),
        ({"labels": [0] * 8}, "got 0 bound and 8 background"),
    ],
)
def test_a_setting_out_of_range_is_refused(arguments, message):
    sound = {"target": ("fdr", 0.05), "labels": LABELS, "probabilities": PROBABILITIES}
    with pytest.raises(UserError, match=message):
        threshold_for(**(sound | arguments))
