import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.auditing.features import Feature
from deeprke_tf.auditing.rules import try_rules


def feature_of(codes, n_categories=4, name="base at the center"):
    return Feature(name, "position", np.array(codes, np.int8), n_categories)


def noise(n_sites, n_features, seed):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_sites) % 2
    return [
        feature_of(rng.integers(4, size=n_sites)) for _ in range(n_features)
    ], labels


def test_a_rule_is_cross_validated():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    codes = np.where(rng.random(400) < 0.3, rng.integers(4, size=400), labels * 2)
    (rule,) = try_rules([feature_of(codes)], labels, 1, seed=1)
    # A is background, G is bound, C and U are neutral.
    expected = sklearn_metrics.roc_auc_score(labels, np.array([0, 1, 2, 1])[codes])
    assert rule.auroc == pytest.approx(expected, abs=0.03)
    low, high = rule.auroc_ci
    assert low < rule.auroc < high
    assert rule.difference.startswith(("A in", "G in"))


def test_a_rule_need_not_be_monotone():
    values = np.tile(np.arange(10), 40)
    labels = ((values > 3) & (values < 7)).astype(int)
    middle = Feature("length", "length", values.astype(np.int8), 10, values * 1.0, "nt")
    (rule,) = try_rules([middle], labels, 1, seed=1)
    assert rule.auroc > 0.99


def test_noise_is_not_significant_however_many_rules_are_tried():
    for n_sites in (20, 60, 2000):
        features, labels = noise(n_sites, 400, seed=n_sites)
        rules = try_rules(features, labels, 400, seed=1)
        assert not any(rule.is_significant for rule in rules)
        assert abs(np.mean([rule.auroc for rule in rules]) - 0.5) < 0.05


def test_the_best_rule_comes_first():
    features, labels = noise(200, 3, seed=5)
    rules = try_rules([*features, feature_of(labels)], labels, 4, seed=1)
    assert rules[0].feature.codes.tolist() == labels.tolist()
    assert rules[0].auroc == 1 and rules[0].is_significant
    assert [r.auroc for r in rules] == sorted((r.auroc for r in rules), reverse=True)


def test_a_site_without_a_category_has_log_odds_0():
    labels = np.array([0, 1] * 50)
    codes = np.where(np.arange(100) < 50, -1, labels)
    (rule,) = try_rules([feature_of(codes)], labels, 1, seed=1)
    assert rule.auroc == pytest.approx(0.875, abs=0.03)


def test_a_perfect_rule_of_few_sites_has_a_wide_interval():
    labels = np.array([0, 1] * 10)
    (rule,) = try_rules([feature_of(labels)], labels, 1, seed=1)
    assert rule.auroc == 1 and rule.auroc_ci[0] < 0.9
