import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import calibration_fit, metrics
from deeprke_tf.evaluation.calibration import MAX_KNOTS, Calibration, logits
from deeprke_tf.evaluation.reliability import calibration_measures

TEMPERATURE = Calibration("temperature", 0.2, slope=0.4, intercept=-1.5)
ISOTONIC = Calibration("isotonic", 0.3, knots=((0.1, 0.05), (0.5, 0.4), (0.8, 0.4)))
CALIBRATIONS = [Calibration("none", 0.2), TEMPERATURE, ISOTONIC]
each_calibration = pytest.mark.parametrize(
    "calibration", CALIBRATIONS, ids=[c.method for c in CALIBRATIONS]
)


def sites(n_sites, seed=0, prior=0.2, slope=1.0, intercept=0.0):
    """Sites of known true probability, distorted by a slope and an intercept."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_sites) < prior).astype(int)
    # Normal scores of both classes, 2 apart: the logit is 2 * score + log odds.
    score = rng.normal(2 * labels - 1)
    true_logit = 2 * score + np.log(prior / (1 - prior))
    return labels, 1 / (1 + np.exp(-(slope * true_logit + intercept)))


def stepped(probabilities):
    """A distortion that no slope and intercept correct."""
    return np.where(probabilities > 0.5, 0.9 + probabilities / 10, probabilities / 5)


# === Calibration ===


@each_calibration
@pytest.mark.parametrize("prior", [None, 1e-4, 0.2, 0.3, 0.9])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_order_of_two_sites_is_never_reversed(calibration, prior, dtype):
    rng = np.random.default_rng(0)
    raw = np.concatenate(
        [[0, 1, 0.1, 0.5, 0.8], rng.random(20_000), 10 ** -rng.uniform(0, 40, 20_000)]
    )
    near = np.nextafter(raw.astype(dtype), dtype(0.5))
    raw = np.sort(np.concatenate([raw.astype(dtype), near]))
    calibrated = calibration(raw, prior)
    assert np.all(np.diff(calibrated) >= 0)
    assert calibrated.min() >= 0
    assert calibrated.max() <= 1


def test_temperature_changes_neither_auroc_nor_auprc():
    labels, raw = sites(2_000, slope=2)
    for calibrated in (TEMPERATURE(raw), TEMPERATURE(raw, prior=0.01)):
        assert metrics.auroc(labels, calibrated) == metrics.auroc(labels, raw)
        assert metrics.auprc(labels, calibrated) == metrics.auprc(labels, raw)


@each_calibration
def test_the_prior_of_the_fit_shifts_nothing(calibration):
    raw = np.linspace(0, 1, 101)
    np.testing.assert_array_equal(
        calibration(raw, prior=calibration.prior), calibration(raw)
    )


@each_calibration
def test_a_prior_multiplies_the_odds_by_the_ratio_of_both_priors_odds(calibration):
    raw = np.linspace(0.01, 0.99, 50)
    before, after = calibration(raw), calibration(raw, prior=0.01)
    own = calibration.prior
    np.testing.assert_allclose(
        after / (1 - after),
        before / (1 - before) * (0.01 / 0.99) / (own / (1 - own)),
        rtol=1e-9,
    )


def test_probabilities_shifted_to_a_lower_prior_are_calibrated():
    calibration = calibration_fit.fit(*sites(20_000, prior=0.4, slope=2))
    # Scores of each class stay as they are; the raw probability knows only 0.4.
    labels, _ = sites(200_000, seed=1, prior=0.05)
    score = np.random.default_rng(2).normal(2 * labels - 1)
    raw = 1 / (1 + np.exp(-2 * (2 * score + np.log(0.4 / 0.6))))
    shifted = calibration(raw, prior=0.05)
    assert calibration_measures(labels, shifted)["ece"] < 0.005
    assert calibration_measures(labels, calibration(raw))["ece"] > 0.05


def test_isotonic_interpolates_its_knots_and_is_constant_outside():
    calibrated = ISOTONIC([0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0])
    np.testing.assert_allclose(
        calibrated, [0.05, 0.05, 0.1375, 0.225, 0.4, 0.4, 0.4, 0.4]
    )


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_the_shape_is_kept(shape):
    for calibration in CALIBRATIONS:
        for prior in (None, 0.5):
            calibrated = calibration(np.full(shape, 0.25, np.float32), prior)
            assert calibrated.shape == shape
            assert calibrated.dtype == np.float64


def test_calibrating_leaves_the_raw_probabilities_as_they_are():
    raw = np.array([0.25, 0.75])
    Calibration("none", 0.2)(raw)[:] = 0
    assert raw.tolist() == [0.25, 0.75]


def test_probabilities_of_0_and_1_are_finite_under_temperature():
    assert np.all(np.isfinite(logits(np.array([0.0, 1.0]))))
    low, high = Calibration("temperature", 0.5, slope=0.1)([0, 1])
    assert 0 < low < 0.001
    assert 0.8 < high < 1


@pytest.mark.parametrize("prior", [0, 1e-320, 1, 20, float("nan")])
def test_a_prior_out_of_range_is_refused(prior):
    with pytest.raises(
        UserError, match=r"between 1e-12 and 1, got .*; write 0.2 for 20 %"
    ):
        TEMPERATURE([0.5], prior)


@pytest.mark.parametrize("strange", [-0.1, 1.5, float("nan")])
def test_a_probability_out_of_range_is_refused(strange):
    with pytest.raises(ValueError, match=r"A probability is in \[0, 1\], got"):
        TEMPERATURE([0.5, strange])


# === JSON ===


@pytest.mark.parametrize(
    "calibration",
    [
        *CALIBRATIONS,
        Calibration("none", None),
        Calibration("temperature", 1 / 3, slope=np.pi, intercept=-1e-17),
        calibration_fit.fit_method("isotonic", *sites(500)),
    ],
)
def test_a_calibration_reads_back_to_the_bit(calibration):
    text = json.dumps(calibration.to_json(), allow_nan=False)
    assert Calibration.from_json(json.loads(text), "run.json") == calibration


GOOD = TEMPERATURE.to_json()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([], "list"),
        ({"prior": 0.2}, "'method' is missing"),
        (GOOD | {"method": "beta"}, r"one of \['none', .* got 'beta'"),
        (GOOD | {"method": ["none"]}, "unhashable|list"),
        (GOOD | {"prior": 1.0}, "prior must be between 0 and 1, got 1.0"),
        (GOOD | {"prior": True}, "expected a number, got True"),
        (GOOD | {"slope": 0}, "slope must be above 0 and finite, got 0.0"),
        (GOOD | {"slope": "1"}, "expected a number, got '1'"),
        (GOOD | {"intercept": float("nan")}, "intercept must be finite, got nan"),
        (GOOD | {"bias": 1.0}, "bias"),
        (GOOD | {"knots": []}, r"temperature has \['method', .*'knots'\]"),
        ({"method": "none"}, "'prior' is missing"),
        ({"method": "temperature", "prior": 0.2}, "temperature has .*'slope'"),
        ({"method": "isotonic", "prior": 0.2, "knots": []}, "1 to 200 knots, got 0"),
        ({"method": "isotonic", "prior": 0.2, "knots": 3}, "not iterable"),
        ({"method": "isotonic", "prior": 0.2, "knots": [[0.5]]}, "unpack"),
        ({"method": "isotonic", "prior": 0.2, "knots": [[0.5, 1.0]]}, "reach 0, 1"),
        (
            {"method": "isotonic", "prior": 0.2, "knots": [[0.5, 0.2], [0.5, 0.3]]},
            "do not rise",
        ),
        (
            {"method": "isotonic", "prior": 0.2, "knots": [[0.4, 0.3], [0.5, 0.2]]},
            "knots fall",
        ),
    ],
)
def test_damaged_contents_are_an_error_that_names_the_file(contents, message):
    with pytest.raises(UserError, match=f"^run.json: .*damaged: .*(?:{message})"):
        Calibration.from_json(contents, "run.json")


# === Fit ===


def test_overconfidence_is_corrected():
    calibration = calibration_fit.fit(*sites(20_000, slope=2.5, intercept=1))
    assert calibration.method == "temperature"
    assert calibration.slope == pytest.approx(1 / 2.5, rel=0.05)
    assert calibration.intercept == pytest.approx(-1 / 2.5, abs=0.1)
    assert calibration.prior == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("distort", [lambda p: p**0.3, lambda p: p**3, stepped])
@pytest.mark.parametrize("n_sites", [500, 5_000])
def test_held_out_sites_have_a_lower_ece_and_brier_score(distort, n_sites):
    labels, raw = sites(n_sites)
    calibration = calibration_fit.fit(labels, distort(raw))
    labels, raw = sites(20_000, seed=1)
    raw = distort(raw)
    calibrated = calibration(raw)
    before, after = (calibration_measures(labels, p) for p in (raw, calibrated))
    assert after["ece"] < 0.6 * before["ece"]
    assert after["brier"] < before["brier"]


def test_isotonic_is_selected_where_temperature_does_not_fit():
    labels, raw = sites(5_000)
    assert calibration_fit.fit(labels, stepped(raw)).method == "isotonic"


def test_calibrated_probabilities_are_left_as_they_are():
    methods = [calibration_fit.fit(*sites(2_000, seed)).method for seed in range(10)]
    assert methods.count("none") >= 7
    assert "isotonic" not in methods


def test_slope_and_intercept_equal_logistic_regression():
    labels, raw = sites(50_000, slope=2)
    oracle = LogisticRegression(C=1e9, tol=1e-8).fit(logits(raw)[:, np.newaxis], labels)
    calibration = calibration_fit.fit(labels, raw)
    assert calibration.slope == pytest.approx(oracle.coef_[0, 0], rel=1e-3)
    assert calibration.intercept == pytest.approx(oracle.intercept_[0], abs=1e-3)


def test_isotonic_equals_scikit_learn_away_from_the_ends():
    labels, raw = sites(2_000)
    calibration = calibration_fit.fit_method("isotonic", labels, raw)
    oracle = IsotonicRegression(out_of_bounds="clip").fit(raw, labels)
    inside = (oracle.predict(raw) > 0.05) & (oracle.predict(raw) < 0.8)
    assert inside.sum() > 500
    np.testing.assert_allclose(
        calibration(raw)[inside], oracle.predict(raw)[inside], atol=1e-9
    )


def test_isotonic_stays_off_0_and_1_by_the_number_of_sites_at_the_ends():
    labels = np.repeat([0, 1], [98, 198])
    calibration = calibration_fit.fit_method("isotonic", labels, np.linspace(0, 1, 296))
    assert calibration([0, 1]).tolist() == pytest.approx([1 / 99, 198 / 199])


def test_isotonic_has_a_limited_number_of_knots():
    labels, raw = sites(300_000)
    calibration = calibration_fit.fit_method("isotonic", labels, raw)
    assert len(calibration.knots) == MAX_KNOTS
    oracle = IsotonicRegression(out_of_bounds="clip").fit(raw, labels)
    assert np.abs(calibration(raw) - oracle.predict(raw)).mean() < 0.002


def test_equal_seeds_give_equal_calibrations_in_any_precision():
    labels, raw = sites(1_000, slope=2)
    raw = raw.astype(np.float32)
    assert calibration_fit.fit(labels, raw) == calibration_fit.fit(
        labels, raw.astype(np.float64)
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "method"),
    [
        ([1], [0.4], "none"),
        ([0, 1], [0.4, 0.6], "none"),
        ([0] * 95 + [1] * 4, np.linspace(0, 1, 99), "none"),
        ([0] * 80 + [1] * 20, np.linspace(0, 1, 100), "temperature"),
        ([0] * 80 + [1] * 20, [0.5] * 100, "temperature"),
        ([0] * 800 + [1] * 200, [0.5] * 1000, "temperature"),
        ([0] * 800 + [1] * 200, [0.0] * 800 + [1.0] * 200, "none"),
    ],
)
def test_few_or_extreme_sites_give_a_usable_calibration(labels, probabilities, method):
    calibration = calibration_fit.fit(labels, probabilities)
    assert calibration.method == method
    assert np.all(np.isfinite(calibration(np.linspace(0, 1, 11))))


def test_probabilities_in_reverse_order_become_the_prior():
    labels, raw = sites(1_000)
    calibrated = calibration_fit.fit(labels, 1 - raw)(1 - raw)
    np.testing.assert_allclose(calibrated, labels.mean(), atol=0.02)


@pytest.mark.parametrize("label", [0, 1])
def test_sites_of_one_class_leave_the_probabilities_and_know_no_prior(label):
    calibration = calibration_fit.fit([label] * 300, np.linspace(0, 1, 300))
    assert calibration == Calibration("none", None)
    assert calibration([0.25]).tolist() == [0.25]
    with pytest.raises(UserError, match="validated on sites of one class"):
        calibration([0.25], prior=0.2)
