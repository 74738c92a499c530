import json

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics

LABELS = [0, 0, 1, 0, 1, 1]
PROBABILITIES = [0.1, 0.3, 0.3, 0.6, 0.7, 0.9]


def simulated_sites(n_bound, n_background, seed=0, decimals=None):
    """Bound sites are one standard deviation above: the true AUROC is 0.7602."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([1, 0], [n_bound, n_background])
    probabilities = 1 / (1 + np.exp(-rng.normal(labels)))
    return labels, (
        probabilities if decimals is None else probabilities.round(decimals)
    )


@pytest.mark.parametrize(
    "measure", [metrics.auroc, metrics.auprc, metrics.best_threshold]
)
def test_one_class_alone_is_an_error_that_counts_the_sites(measure):
    with pytest.raises(UserError, match="got 0 bound and 3 background"):
        measure([0, 0, 0], [0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.1, 0.2, 0.3], r"shapes \(2,\) and \(3,\)"),
        ([0, 1], [[0.1], [0.2]], r"shapes \(2,\) and \(2, 1\)"),
        ([], [], "at least one site"),
        ([0, 2], [0.1, 0.2], "A label is 1 or 0, got 2"),
        ([0, np.nan], [0.1, 0.2], "A label is 1 or 0, got nan"),
        ([0, 1], [0.1, np.nan], r"in \[0, 1\], got nan at site 1 \(1 invalid of 2\)"),
        ([0, 1], [-2.5, 0.5], r"in \[0, 1\], got -2.5 at site 0"),
    ],
)
def test_invalid_labels_and_probabilities_are_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        metrics.auroc(labels, probabilities)
    with pytest.raises(ValueError, match=message):
        metrics.best_threshold(labels, probabilities)
    with pytest.raises(ValueError, match=message):
        metrics.evaluate_probabilities(labels, probabilities, 0.5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"threshold": 1.5}, r"`threshold` must be in \[0, 1\], got 1.5"),
        ({"n_bootstrap": 0}, "`n_bootstrap` must be at least 1, got 0"),
        ({"confidence": 95}, r"`confidence` must be in \(0, 1\), got 95"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        metrics.evaluate_probabilities(
            LABELS, PROBABILITIES, **({"threshold": 0.5} | setting)
        )


@pytest.mark.parametrize(
    ("labels", "probabilities", "threshold"),
    [
        ([0, 0, 1], [0.25, 0.5, 0.75], 0.625),  # midway between neighbors
        ([0, 1, 0, 1], [0.0, 0.25, 0.5, 1.0], 0.75),  # 0.125 has the same MCC
        ([0, 1], [0.25, 0.25], 0.625),  # no order: midway to 1 is nearest 0.5
        ([0, 0, 1, 1], [0.0, 0.0, 1.0, 1.0], 0.5),  # saturated
        ([1, 0], [0.25, 0.75], 0.125),  # reversed: all or none is best, both 0
    ],
)
def test_the_best_threshold_lies_midway_and_nearest_to_one_half(
    labels, probabilities, threshold
):
    assert metrics.best_threshold(labels, probabilities) == threshold


@pytest.mark.parametrize("decimals", [None, 1])
def test_no_other_threshold_has_a_larger_mcc(decimals):
    labels, probabilities = simulated_sites(20, 80, decimals=decimals)

    def mcc(threshold):
        return sklearn_metrics.matthews_corrcoef(labels, probabilities >= threshold)

    best = mcc(metrics.best_threshold(labels, probabilities))
    assert best == pytest.approx(max(mcc(threshold) for threshold in probabilities))


def test_a_prior_weighs_background_sites_as_if_they_occurred_more_often():
    labels, probabilities = simulated_sites(50, 50)
    # Each background site 9 times: bound ones are a tenth then.
    order = np.concatenate([np.arange(100), *[np.flatnonzero(labels == 0)] * 8])
    expected = metrics.best_threshold(labels[order], probabilities[order])
    assert metrics.best_threshold(labels, probabilities, prior=0.1) == expected
    assert metrics.best_threshold(labels, probabilities) != expected


def test_rounding_to_float32_does_not_change_the_calls():
    labels, probabilities = simulated_sites(200, 800)
    threshold = metrics.best_threshold(labels, probabilities)
    calls = probabilities >= threshold
    assert np.array_equal(probabilities.astype(np.float32) >= threshold, calls)


@pytest.mark.parametrize("decimals", [None, 1])
def test_the_measures_equal_scikit_learn(decimals):
    labels, probabilities = simulated_sites(20, 80, decimals=decimals)
    calls = probabilities >= 0.6
    (tn, fp), (fn, tp) = sklearn_metrics.confusion_matrix(labels, calls)
    measured = metrics.evaluate_probabilities(labels, probabilities, 0.6, n_bootstrap=2)
    expected = {
        "auroc": sklearn_metrics.roc_auc_score(labels, probabilities),
        "auprc": sklearn_metrics.average_precision_score(labels, probabilities),
        "accuracy": sklearn_metrics.accuracy_score(labels, calls),
        "mcc": sklearn_metrics.matthews_corrcoef(labels, calls),
        "f1": sklearn_metrics.f1_score(labels, calls),
    }
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert measured["confusion"] == {
        "true_positive": tp,
        "false_positive": fp,
        "true_negative": tn,
        "false_negative": fn,
    }


def test_a_site_at_the_threshold_is_called_bound():
    measured = metrics.evaluate_probabilities([0, 1], [0.2, 0.6], 0.6, n_bootstrap=2)
    assert measured["accuracy"] == 1.0


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_equal_calls_have_mcc_0(threshold):
    labels, probabilities = [0, 1] * 10, np.linspace(0.1, 0.9, 20)
    measured = metrics.evaluate_probabilities(labels, probabilities, threshold)
    assert measured["mcc"] == 0.0
    assert measured["mcc_ci"] == [0.0, 0.0]


def test_an_evaluation_reads_back_from_json_as_it_was():
    labels, probabilities = simulated_sites(20, 80)
    measured = metrics.evaluate_probabilities(
        labels, probabilities.astype(np.float32), 0.5, n_bootstrap=7
    )
    assert json.loads(json.dumps(measured)) == measured
    assert list(measured) == [
        *("n_sites", "n_positive", "threshold"),
        *("auroc", "auroc_ci", "auprc", "auprc_ci", "accuracy", "accuracy_ci"),
        *("mcc", "mcc_ci", "f1", "f1_ci", "confusion"),
        *("n_bootstrap", "bootstrap_seed", "confidence"),
    ]


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_an_accuracy_and_a_note(label):
    measured = metrics.evaluate_probabilities([label] * 3, [0.6, 0.7, 0.8], 0.5)
    for name in ("auroc", "auprc", "mcc", "f1"):
        assert measured[name] is None
        assert measured[f"{name}_ci"] is None
    assert measured["accuracy"] == label
    assert measured["accuracy_ci"] is None
    n_bound = 3 * label
    assert f"got {n_bound} bound and {3 - n_bound} background" in measured["note"]


@pytest.mark.parametrize(("n_bound", "n_background"), [(1, 80), (9, 80), (80, 9)])
def test_few_sites_of_a_class_have_no_intervals_and_a_note(n_bound, n_background):
    sites = simulated_sites(n_bound, n_background)
    measured = metrics.evaluate_probabilities(*sites, 0.5)
    for name in metrics.MEASURES:
        assert measured[name] is not None
        assert measured[f"{name}_ci"] is None
    assert measured["note"].startswith(
        f"only {n_bound} bound and {n_background} background sites: with fewer than 10 "
    )


def test_the_bootstrap_depends_on_its_seed_alone():
    sites = simulated_sites(20, 80)
    first = metrics.evaluate_probabilities(*sites, 0.5, n_bootstrap=50, seed=1)
    again = metrics.evaluate_probabilities(*sites, 0.5, n_bootstrap=50, seed=1)
    other = metrics.evaluate_probabilities(*sites, 0.5, n_bootstrap=50, seed=2)
    assert first == again
    assert first["auroc_ci"] != other["auroc_ci"]


def test_resamples_keep_the_number_of_sites_of_each_class():
    # Perfect calls stay perfect in every resample that has both classes.
    labels, probabilities = [0] * 50 + [1] * 10, [0.1] * 50 + [0.9] * 10
    measured = metrics.evaluate_probabilities(labels, probabilities, 0.5)
    for name in metrics.MEASURES:
        assert measured[f"{name}_ci"] == [1.0, 1.0]


def test_more_confidence_is_a_wider_interval_around_the_measure():
    sites = simulated_sites(40, 160)
    narrow = metrics.evaluate_probabilities(*sites, 0.5, confidence=0.5)
    wide = metrics.evaluate_probabilities(*sites, 0.5, confidence=0.99)
    for name in metrics.MEASURES:
        (wide_low, wide_high) = wide[f"{name}_ci"]
        (low, high) = narrow[f"{name}_ci"]
        assert wide_low < low < narrow[name] < high < wide_high


def test_the_auroc_interval_is_about_as_wide_as_delongs():
    labels, probabilities = simulated_sites(100, 400)
    bound, background = probabilities[labels == 1], probabilities[labels == 0]
    above = bound[:, np.newaxis] > background
    variance = above.mean(1).var(ddof=1) / 100 + above.mean(0).var(ddof=1) / 400
    low, high = metrics.evaluate_probabilities(labels, probabilities, 0.5)["auroc_ci"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.1)


def test_95_percent_intervals_cover_the_true_auroc_in_95_percent():
    covered = 0
    for seed in range(200):
        low, high = metrics.evaluate_probabilities(
            *simulated_sites(50, 100, seed), 0.5, n_bootstrap=200
        )["auroc_ci"]
        covered += low <= 0.7602 <= high
    assert 180 <= covered <= 198
