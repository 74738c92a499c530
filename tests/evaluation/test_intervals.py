import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf.evaluation.intervals import delong_difference, weighted_areas

LABELS = np.repeat([1, 0], [40, 60])


def scores(strength, seed):
    rng = np.random.default_rng(seed)
    return np.round(strength * LABELS + rng.normal(size=len(LABELS)), 1)  # with ties


def test_weighted_areas_equal_scikit_learn_with_sample_weights():
    labels, probabilities = LABELS, scores(1, 0)
    weights = np.random.default_rng(1).integers(0, 4, size=(5, 100))
    negated, ranks = np.unique(-probabilities, return_inverse=True)
    by_rank = np.eye(len(negated), dtype=int)[ranks]
    aurocs, auprcs = weighted_areas(
        (weights * labels) @ by_rank, (weights * (1 - labels)) @ by_rank
    )
    for row, auroc, auprc in zip(weights, aurocs, auprcs, strict=True):
        assert auroc == pytest.approx(
            sklearn_metrics.roc_auc_score(labels, probabilities, sample_weight=row)
        )
        assert auprc == pytest.approx(
            sklearn_metrics.average_precision_score(
                labels, probabilities, sample_weight=row
            )
        )


def test_the_difference_is_the_difference_of_the_mean_aurocs():
    one, other = [scores(1, 1), scores(1, 2)], [scores(0.3, 3)]
    expected = np.mean([sklearn_metrics.roc_auc_score(LABELS, p) for p in one])
    expected -= sklearn_metrics.roc_auc_score(LABELS, other[0])
    assert delong_difference(LABELS, one, other).mean == pytest.approx(expected)


def test_the_interval_agrees_with_a_paired_bootstrap():
    one = scores(1, 1)
    other = one + np.random.default_rng(4).normal(size=len(one))
    found = delong_difference(LABELS, [one], [other])
    rng = np.random.default_rng(5)
    resampled = []
    for _ in range(500):
        sites = np.concatenate([rng.integers(0, 40, 40), rng.integers(40, 100, 60)])
        resampled.append(
            delong_difference(LABELS[sites], [one[sites]], [other[sites]]).mean
        )
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.015)


def test_equal_models_have_no_delong_difference():
    assert delong_difference(LABELS, [scores(1, 1)], [scores(1, 1)]) == (0, 0, 0)
