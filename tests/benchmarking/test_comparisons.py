import logging

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.benchmarking.comparisons import compare, differences
from deeprke_tf.evaluation.intervals import delong_difference
from deeprke_tf.system import arrays

LABELS = np.repeat([1, 0], [40, 60])


def scores(strength, seed):
    rng = np.random.default_rng(seed)
    return np.round(strength * LABELS + rng.normal(size=len(LABELS)), 1)  # with ties


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
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays.write_arrays(
        {"test_labels": labels, "test_probabilities": probabilities}, path
    )


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
    table = differences(results, tmp_path, ["A", "B", "C"])
    assert list(table) == ["structure, in paper"]
    column = table["structure, in paper"]
    assert column["C"] is None
    assert column["A"] == delong_difference(
        LABELS, [scores(1, ord("A"))], [scores(0.5, ord("A"))]
    )
    mean = (column["A"].mean + column["B"].mean) / 2
    assert column["mean"].mean == pytest.approx(mean)
    assert column["mean"].low < mean < column["mean"].high


def test_models_scored_on_other_sites_are_not_compared(tmp_path, caplog):
    results = [result("A", preset, 1) for preset in ("paper", "cnn-only")]
    keep(tmp_path, "A", "paper", 1, scores(1, 1))
    keep(tmp_path, "A", "cnn-only", 1, scores(1, 1), labels=LABELS[::-1])
    with caplog.at_level(logging.WARNING):
        assert differences(results, tmp_path, ["A"]).empty
    assert "have other sites, or another order of sites" in caplog.text


def test_wins_ties_and_losses_are_counted_to_three_decimals():
    one = pd.Series([0.9, 0.8004, 0.8004, 0.7, 0.5], list("abcdx"))
    other = pd.Series([0.8, 0.8, 0.7996, 0.8, 0.9], list("abcdy"))
    comparison = compare(one, other)
    assert (comparison.wins, comparison.ties, comparison.losses) == (1, 2, 1)
    assert comparison.n == 4 and comparison.p is None
    assert compare(one, pd.Series([0.5], ["z"])) is None


def test_equal_methods_have_p_1():
    one = pd.Series([0.9] * 6)
    assert compare(one, one).p == 1
