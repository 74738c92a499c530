import numpy as np
import pytest

from deeprke_tf.benchmarking.differences import difference, differences
from deeprke_tf.evaluation import metrics
from deeprke_tf.fleets import plan

LABELS = np.repeat([1, 0], [40, 60])


def scores(strength, seed):
    rng = np.random.default_rng(seed)
    return np.round(strength * LABELS + rng.normal(size=len(LABELS)), 1)  # with ties


def test_the_difference_is_that_of_the_mean_aurocs():
    one, other = [scores(1, 1), scores(1, 2)], [scores(0.3, 3)]
    expected = np.mean([metrics.auroc(LABELS, _in_unit(p)) for p in one])
    expected -= metrics.auroc(LABELS, _in_unit(other[0]))
    assert difference(LABELS, one, other).mean == pytest.approx(expected)


def _in_unit(values):
    return (values - values.min()) / np.ptp(values)


def test_the_interval_is_that_of_a_paired_bootstrap():
    one = scores(1, 1)
    other = one + np.random.default_rng(4).normal(size=len(one))
    found = difference(LABELS, [one], [other])
    rng = np.random.default_rng(5)
    resampled = []
    for _ in range(500):
        sites = np.concatenate([rng.integers(0, 40, 40), rng.integers(40, 100, 60)])
        resampled.append(difference(LABELS[sites], [one[sites]], [other[sites]]).mean)
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.015)


def test_equal_models_differ_by_nothing():
    assert difference(LABELS, [scores(1, 1)], [scores(1, 1)]) == (0, 0, 0)


def result(experiment, preset, seed, **other):
    return {
        "experiment": experiment,
        "preset": preset,
        "seed": seed,
        "protocol": "frozen",
        "mask": "none",
        **other,
    }


def keep(out, experiment, preset, seed, probabilities, labels=LABELS):
    path = out / "predictions" / experiment / f"{preset}.frozen.seed{seed}.none.npz"
    arrays = {"test_labels": labels, "test_probabilities": probabilities}
    plan.write_result(path, arrays, {})


def test_pairs_are_compared_over_the_seeds_that_both_have(tmp_path):
    results = [
        result(name, preset, seed)
        for name in ("A", "B")
        for preset, seeds in (("paper", (1, 2)), ("no-structure", (2, 3)))
        for seed in seeds
    ]
    for name in ("A", "B"):
        for preset, strength in (("paper", 1), ("no-structure", 0.5)):
            keep(tmp_path, name, preset, 2, scores(strength, ord(name)))
    table = differences(results, tmp_path, ["A", "B", "C"], "frozen")
    assert list(table) == ["structure, in paper"]
    column = table["structure, in paper"]
    assert column["C"] is None
    expected = difference(LABELS, [scores(1, ord("A"))], [scores(0.5, ord("A"))])
    assert column["A"] == expected
    mean = (column["A"].mean + column["B"].mean) / 2
    assert column["mean"].mean == pytest.approx(mean)
    assert column["mean"].low < mean < column["mean"].high


def test_models_of_other_sites_are_not_compared(tmp_path, capsys):
    results = [result("A", preset, 1) for preset in ("paper", "cnn-only")]
    keep(tmp_path, "A", "paper", 1, scores(1, 1))
    keep(tmp_path, "A", "cnn-only", 1, scores(1, 1), labels=LABELS[::-1])
    assert differences(results, tmp_path, ["A"], "frozen").empty
    assert "are of other sites, or in another order" in capsys.readouterr().err
