import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.scanning.fdr import (
    NotBound,
    Windows,
    call_at_fdr,
    mixture_fractions,
    q_values_of,
)
from deeprke_tf.scanning.windows import Tiling, call_sites, highest_before


def q_values(probabilities, background):
    """The q-value of each window, none of which overlaps another."""
    probabilities = np.asarray(probabilities, float)
    not_bound = [NotBound(Windows(np.asarray(background, float)), 1.0)]
    known, found = q_values_of(Windows(probabilities), not_bound)
    return found[np.searchsorted(known, probabilities)]


def labelled_windows(n_windows, seed):
    """Labels, a tenth of them bound, and probabilities that tell them apart badly."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n_windows) < 0.1).astype(int)
    return labels, 1 / (1 + np.exp(-rng.normal(4.0 * labels - 2)))


def random_rna(n_windows, seed):
    """Places and probabilities of the windows of an RNA; some have none."""
    starts, ends = Tiling(10, 4).place(10 + 4 * (n_windows - 1))
    rng = np.random.default_rng(seed)
    probabilities = rng.random(n_windows).round(1)
    probabilities[rng.random(n_windows) < 0.1] = np.nan
    return starts, ends, probabilities


@pytest.mark.parametrize("background", [np.linspace(0, 0.9, 30), [0.3, 0.3, 0.9]])
def test_q_values_never_rise_with_the_probability(background):
    q = q_values(np.linspace(0, 1, 1_001) ** 2, background)
    assert np.all(np.diff(q) <= 0)
    assert 0 < q.min() <= q.max() <= 1


def test_q_values_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    windows, background = rng.random((2, 40)).round(1)
    estimates = {
        t: (1 + sum(background >= t)) / 41 * 40 / sum(windows >= t) for t in windows
    }
    expected = [min(1, *(estimates[t] for t in windows if t <= w)) for w in windows]
    np.testing.assert_allclose(q_values(windows, background), expected)


@pytest.mark.parametrize("seed", range(3))
def test_sites_are_counted_as_they_are_called(seed):
    starts, ends, probabilities = random_rna(60, seed)
    known = ~np.isnan(probabilities)
    before = highest_before(starts, ends, probabilities)
    windows = Windows(probabilities[known], before[known])
    thresholds = np.linspace(0, 1, 11)
    assert windows.n_sites(thresholds).tolist() == [
        len(call_sites(starts, ends, probabilities, t)) for t in thresholds
    ]


def test_false_sites_are_set_against_called_sites():
    # Both scanned windows are one site, the two background windows two.
    scanned = Windows(np.array([0.9, 0.9]), np.array([-1, 0.9]))
    background = Windows(np.repeat([0.9, 0.1], [2, 97]))
    _, q = q_values_of(scanned, [NotBound(background, 1.0)])
    assert q == pytest.approx([2 * (1 + 2) / (1 + 99)])


def test_each_kind_counts_by_its_fraction():
    scanned = Windows(np.repeat([0.9, 0.1], [50, 50]))
    none, half = Windows(np.full(999, 0.1)), Windows(np.repeat([0.9, 0.1], [50, 49]))
    kinds = [NotBound(none, 0.5), NotBound(half, 0.2)]
    _, q = q_values_of(scanned, kinds)
    assert q.tolist() == pytest.approx([0.7, 100 * (0.5 / 1000 + 0.2 * 0.51) / 50])


def test_windows_called_against_background_have_the_nominal_fdr_at_most():
    labels, windows = labelled_windows(50_000, seed=0)
    other_labels, others = labelled_windows(50_000, seed=1)
    q = q_values(windows, others[other_labels == 0])
    for fdr in (0.05, 0.2):
        called = q <= fdr
        assert called.sum() > 1_000
        # All windows count as chances, though a tenth of them is bound.
        assert np.mean(labels[called] == 0) == pytest.approx(0.9 * fdr, rel=0.2)


def test_windows_like_the_background_are_not_called_at_an_fdr_of_a_tenth():
    windows, background = np.random.default_rng(0).random((2, 10_000))
    assert q_values(windows, background).min() > 0.1


def test_few_background_windows_never_give_an_fdr_of_0():
    q = q_values([0.9] + [0.1] * 99, [0.2, 0.3])
    assert q.tolist() == [1.0] * 100


def test_no_windows_have_no_q_values_and_no_background_is_refused():
    assert q_values([], [0.5]).shape == (0,)
    with pytest.raises(UserError, match="need background windows, got none"):
        q_values([0.5], [])


# === The mixture of kinds ===


def kind(center, n, seed):
    """Probabilities around the logistic of a center."""
    rng = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-rng.normal(center, 1.5, n)))


@pytest.mark.parametrize(
    "fractions", [(0.02, 0.1, 0.88), (0.1, 0.9, 0), (0.05, 0, 0.95)]
)
def test_the_fractions_of_a_mixture_are_estimated(fractions):
    centers = (3, 0, -4)
    kinds = [kind(center, 1_000, seed) for seed, center in enumerate(centers)]
    windows = np.concatenate(
        [
            kind(center, round(20_000 * fraction), 10 + seed)
            for seed, (center, fraction) in enumerate(
                zip(centers, fractions, strict=True)
            )
        ]
    )
    assert mixture_fractions(windows, kinds) == pytest.approx(fractions, abs=0.02)


def test_kinds_of_equal_probabilities_get_equal_fractions():
    bound, other = kind(4, 500, 0), kind(-4, 500, 1)
    fractions = mixture_fractions(np.concatenate([bound, other]), [bound, other, other])
    assert fractions[1] == pytest.approx(fractions[2])
    assert fractions.sum() == pytest.approx(1)


def test_no_windows_give_equal_fractions():
    assert mixture_fractions(np.zeros(0), [np.ones(3), np.zeros(3)]).tolist() == [
        0.5,
        0.5,
    ]


# === Calling ===


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
    """Labels and probabilities; decoys score nearly as high as bound sites."""
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
