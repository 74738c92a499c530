import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calling import (
    Calling,
    as_text,
    call_on_validation,
)
from deeprke_tf.scanning.fdr import Windows, call_at_fdr


def at_fdr(probabilities, background, fdr, validation=None):
    """Calls windows of which none overlaps another."""
    windows = (Windows(np.asarray(values)) for values in (probabilities, background))
    return call_at_fdr(*windows, fdr, validation)


def test_windows_are_called_exactly_if_their_q_value_is_at_most_the_fdr():
    rng = np.random.default_rng(1)
    bound = np.concatenate([rng.random(500) * 0.6, 0.5 + rng.random(100) / 2])
    probabilities, background = bound.astype(np.float32), rng.random(999) * 0.6
    calling = at_fdr(probabilities, background, 0.1)
    q_values = calling.q_values(probabilities)
    np.testing.assert_array_equal(
        probabilities >= calling.threshold, np.asarray(q_values) <= 0.1
    )
    assert 0 < np.sum(probabilities >= calling.threshold) < 200


def test_a_window_without_a_probability_has_no_q_value():
    calling = at_fdr([0.2, 0.9], np.linspace(0, 0.5, 99), 0.05)
    assert np.isnan(calling.q_values(np.array([np.nan, 0.9]))).tolist() == [True, False]


def test_nothing_is_called_where_the_background_is_as_high():
    calling = at_fdr([0.2, 0.9], [0.1, 0.95], 0.05)
    assert calling.threshold == np.inf
    assert calling.chosen == (
        "no window has a q-value of at most 0.05; the least is 0.667, from 2 "
        "background windows"
    )


def test_a_background_without_windows_is_refused():
    with pytest.raises(UserError, match="No window of the background"):
        at_fdr([0.5], [], 0.05)


def sites_of(n_bound, n_decoys, n_plain, seed):
    """Labels and probabilities; decoys are hard to tell from what is bound."""
    rng = np.random.default_rng(seed)
    sizes = (n_bound, n_decoys, n_plain)
    logits = [rng.normal(c, 1.5, n) for c, n in zip((3, 0, -5), sizes, strict=True)]
    labels = np.repeat([1, 0, 0], sizes)
    return labels, 1 / (1 + np.exp(-np.concatenate(logits)))


def test_validation_decoys_keep_the_fdr_that_shuffled_rnas_miss():
    labels, windows = sites_of(400, 400, 9_200, seed=1)
    _, shuffled = sites_of(0, 0, 10_000, seed=2)
    validation = sites_of(300, 300, 300, seed=3)

    def obtained(calling):
        return np.mean(labels[windows >= calling.threshold] == 0)

    for fdr in (0.1, 0.2):
        by_chance = at_fdr(windows, shuffled, fdr)
        assert obtained(by_chance) > 2 * fdr
        by_both = at_fdr(windows, shuffled, fdr, validation)
        assert obtained(by_both) == pytest.approx(fdr, abs=0.05)
    assert "like the 600 background sites of validation" in by_both.chosen


def test_few_background_windows_make_an_fdr_doubtful():
    windows = np.repeat([0.9, 0.1], [60, 40])
    calling = at_fdr(windows, np.full(40, 0.1), 0.05)
    assert calling.threshold == 0.9
    # The rule of three: 3 / 40 of 100 windows, among 60 sites.
    assert calling.doubt.startswith(
        "fdr 0.05 is not sure: 0 of 40 background windows are called, so that the FDR "
        "may be up to 0.12; "
    )
    assert at_fdr(windows, np.full(400, 0.1), 0.05).doubt == ""


def test_without_a_background_there_are_no_q_values():
    assert Calling(0.5, "given").q_values(np.array([0.1])) is None


# === On validation sites ===

LABELS = [0, 0, 1, 0, 1, 1, 0, 1]
PROBABILITIES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


@pytest.mark.parametrize(
    ("target", "prior", "text"),
    [
        (
            *(("fdr", 0.25), None),
            "0.45 (fdr 0.25 on validation sites: recall 0.75, precision 0.75, above ",
        ),
        (
            *(("precision", 1), None),
            "0.75 (precision 1 on validation sites: recall 0.25, precision 1, above ",
        ),
        (("recall", 0.5), None, "0.55 (recall 0.5 on validation sites: recall 0.5, "),
        (
            ("fdr", 0.25),
            0.1,
            "0.75 (fdr 0.25 on validation sites weighted to a prior of 0.1: ",
        ),
        (None, None, "0.25 (largest MCC on validation sites)"),
        (None, 0.1, "0.75 (largest MCC on validation sites weighted to a prior of 0.1"),
    ],
)
def test_a_threshold_on_validation_says_how_it_was_chosen(target, prior, text):
    assert str(call_on_validation(LABELS, PROBABILITIES, target, prior)).startswith(
        text
    )


def test_a_threshold_as_text_calls_what_it_calls_itself():
    rng = np.random.default_rng(1)
    ones = [np.nextafter(np.float32(1), np.float32(0)), np.float32(0.99999964)]
    values = np.sort(np.concatenate([rng.random(500), rng.random(500) / 1e4, ones]))
    values = values.astype(np.float32).astype(float)
    after = np.nextafter(values.astype(np.float32), np.float32(2)).astype(float)
    # A threshold is one of the probabilities, or half way to the next.
    for threshold in np.concatenate([values, (values + after) / 2]):
        text = float(as_text(threshold))
        called = np.concatenate([values, after])
        assert np.array_equal(called >= text, called >= threshold), threshold


@pytest.mark.parametrize("given", ["0.7", "0.983", "1e-07", "0", "1"])
def test_a_threshold_that_was_given_is_shown_as_it_was(given):
    assert as_text(float(given)) == given


def separated(n_background, n_called):
    """Bound sites at 0.9, background at 0.1, but for some of it at 0.9 too."""
    probabilities = [0.9] * (50 + n_called) + [0.1] * (n_background - n_called)
    return [1] * 50 + [0] * n_background, probabilities


def test_few_background_sites_make_a_precision_doubtful():
    calling = call_on_validation(*separated(200, 0), ("fdr", 0.05), prior=0.01)
    # The rule of three: 3 / 200 of the 99 background sites for a bound one.
    assert "precision 1, above 0.405 with 95 % confidence" in calling.chosen
    assert "0 of 200 background sites are called" in calling.chosen
    assert calling.doubt.startswith("fdr 0.05 is not sure: 0 of 200 background sites")
    assert "the FDR may be up to 0.6;" in calling.doubt


@pytest.mark.parametrize(
    ("target", "prior"), [(("fdr", 0.05), None), (("recall", 0.5), 0.01), (None, 0.01)]
)
def test_a_target_that_the_validation_sites_support_has_no_doubt(target, prior):
    assert call_on_validation(*separated(200, 0), target, prior).doubt == ""


def test_many_background_sites_make_a_small_fdr_sure():
    assert call_on_validation(*separated(200, 9), ("precision", 0.8)).doubt == ""
    few, many = separated(20, 0), separated(20_000, 0)
    assert call_on_validation(*few, ("precision", 0.95), 0.2).doubt
    assert not call_on_validation(*many, ("precision", 0.95), 0.2).doubt
