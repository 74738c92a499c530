import numpy as np
import pytest

from deeprke_tf.evaluation.calling import Calling, as_text, call_on_validation


def test_without_a_background_there_are_no_q_values():
    assert Calling(0.5, "given").q_values(np.array([0.1])) is None


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
