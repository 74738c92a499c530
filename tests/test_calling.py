import numpy as np
import pytest

from deeprke_tf.calling import Calling, call_at_fdr, call_on_validation
from deeprke_tf.errors import UserError
from deeprke_tf.q_values import q_values_from_background


def test_windows_are_called_exactly_if_their_q_value_is_at_most_the_fdr():
    rng = np.random.default_rng(1)
    bound = np.concatenate([rng.random(500) * 0.6, 0.5 + rng.random(100) / 2])
    probabilities, background = bound.astype(np.float32), rng.random(999) * 0.6
    q_values = q_values_from_background(probabilities, background)
    calling = call_at_fdr(probabilities, background, fdr=0.1)
    np.testing.assert_array_equal(
        probabilities >= calling.threshold, np.asarray(q_values) <= 0.1
    )
    np.testing.assert_array_equal(calling.q_values(probabilities), q_values)
    assert 0 < np.sum(probabilities >= calling.threshold) < 200


def test_a_window_without_a_probability_has_no_q_value():
    calling = call_at_fdr(np.array([0.2, 0.9]), np.linspace(0, 0.5, 99), fdr=0.05)
    assert np.isnan(calling.q_values(np.array([np.nan, 0.9]))).tolist() == [True, False]


def test_nothing_is_called_where_the_background_is_as_high():
    calling = call_at_fdr(np.array([0.2, 0.9]), np.array([0.1, 0.95]), fdr=0.05)
    assert calling.threshold == np.inf
    assert (
        calling.chosen == "no window has a q-value of at most 0.05; the least is 0.667"
    )


def test_a_background_without_windows_is_refused():
    with pytest.raises(UserError, match="No window of the background"):
        call_at_fdr(np.array([0.5]), np.zeros(0), fdr=0.05)


def test_without_a_background_there_are_no_q_values():
    assert Calling(0.5, "given").q_values(np.array([0.1])) is None


# === On validation sites ===

LABELS = [0, 0, 1, 0, 1, 1, 0, 1]
PROBABILITIES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


@pytest.mark.parametrize(
    ("aim", "prior", "text"),
    [
        (("fdr", 0.25), None, "0.45 (fdr 0.25 on validation sites: precision 0.75, "),
        (("precision", 1), None, "0.75 (precision 1 on validation sites: precision 1"),
        (("recall", 0.5), None, "0.55 (recall 0.5 on validation sites: precision "),
        (
            ("fdr", 0.25),
            0.1,
            "0.75 (fdr 0.25 on validation sites weighted to a prior of 0.1: ",
        ),
        (None, None, "0.25 (largest MCC on validation sites)"),
        (None, 0.1, "0.75 (largest MCC on validation sites weighted to a prior of 0.1"),
    ],
)
def test_a_threshold_on_validation_says_how_it_was_chosen(aim, prior, text):
    assert str(call_on_validation(LABELS, PROBABILITIES, aim, prior)).startswith(text)
