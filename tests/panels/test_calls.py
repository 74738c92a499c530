"""q-values of a panel, and enrichment, against SciPy's and against simple counts."""

import numpy as np
import pytest
from scipy import stats

from deeprke_tf.panels.calls import LevelCounts, Output, at_levels, levels_of
from deeprke_tf.panels.enrichment import Tally, enrichment_table


@pytest.fixture
def outputs():
    rng = np.random.default_rng(1)
    return [
        Output("QKI", 0.5, np.sort(rng.random(99))),
        Output("PUM2", 0.5, np.sort(rng.random(350))),
    ]


def q_of(outputs, probabilities, at_once=7):
    counts = LevelCounts(outputs)
    for start in range(0, len(probabilities), at_once):
        counts.add(levels_of(outputs, probabilities[start : start + at_once]))
    return at_levels(counts.q_values(), levels_of(outputs, probabilities))


def p_of(outputs, probabilities):
    levels = levels_of(outputs, probabilities)
    return at_levels([output.p_values for output in outputs], levels)


def test_p_values_are_ranks_among_background_sites(outputs):
    probabilities = np.random.default_rng(2).random((20, 2))
    for place, output in enumerate(outputs):
        above = output.background >= probabilities[:, [place]]
        expected = (1 + above.sum(axis=1)) / (1 + len(output.background))
        assert np.allclose(p_of(outputs, probabilities)[:, place], expected)


@pytest.mark.parametrize("shift", [0, 0.3])
def test_q_values_are_those_of_scipy_for_all_pairs_together(outputs, shift):
    probabilities = np.random.default_rng(3).random((500, 2)) + shift
    expected = stats.false_discovery_control(p_of(outputs, probabilities).ravel())
    assert np.allclose(q_of(outputs, probabilities).ravel(), expected)


def test_the_fdr_holds_whatever_fraction_of_sites_is_bound():
    """Calibrated probabilities, which know one fraction only, could not do this."""
    rng = np.random.default_rng(4)
    for fraction in (0.02, 0.5):
        false = []
        for _ in range(40):
            outputs = [Output("QKI", 0.5, np.sort(rng.normal(0, 1, 2000)))]
            bound = rng.random(1000) < fraction
            scores = rng.normal(np.where(bound, 4, 0), 1)[:, np.newaxis]
            called = q_of(outputs, scores, 1000)[:, 0] <= 0.2
            false.append((called & ~bound).sum() / max(1, called.sum()))
        assert np.mean(false) < 0.2


def tally(outputs, n_sites, n_bound):
    tally = Tally(outputs)
    probabilities = np.zeros((n_sites, len(outputs)))
    for place, n in enumerate(n_bound):
        probabilities[:n, place] = 0.5
    tally.add(probabilities, probabilities / 2)
    return tally


def test_enrichment_is_that_of_fisher_s_test(outputs):
    sites, background = tally(outputs, 40, [10, 3]), tally(outputs, 100, [5, 8])
    table = enrichment_table(["QKI", "PUM2"], sites, background).set_index("rbp")
    expected = stats.fisher_exact([[10, 30], [5, 95]])[1]
    assert table.p_value["QKI"] == pytest.approx(expected)
    q_values = stats.false_discovery_control(table.p_value)
    assert np.allclose(table.q_value, q_values)
    ratio = (10.5 / 30.5) / (5.5 / 95.5)
    error = np.sqrt(1 / 10.5 + 1 / 30.5 + 1 / 5.5 + 1 / 95.5)
    assert table.odds_ratio["QKI"] == pytest.approx(ratio)
    assert np.log(table.odds_ratio_high["QKI"] / ratio) == pytest.approx(
        1.96 * error, 1e-3
    )
    assert table.mean_probability["QKI"] == pytest.approx(10 * 0.25 / 40)
    assert list(table.index) == ["QKI", "PUM2"]


def test_rbps_that_bind_nothing_have_finite_odds_and_no_significance(outputs):
    none = enrichment_table(
        ["QKI"], tally(outputs[:1], 9, [0]), tally(outputs[:1], 9, [0])
    )
    assert none.odds_ratio[0] == 1 and none.q_value[0] == 1
    assert np.isfinite(none.odds_ratio_high[0])
