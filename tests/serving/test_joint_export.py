"""A joint run, exported."""

import json

import numpy as np
import pytest
import tensorflow as tf

import deeprke_tf as dk

pytest_plugins = ["tests.support.run_fixtures"]

RNAS = ["GGUGUAUAUACCACCUGUAUAUAGG", "AC", "ACGUACGUAAGGCCUUAGGC"]


@pytest.fixture(scope="module")
def version(joint_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("serving") / "joint"
    return dk.load_run(joint_run).export(out)


def test_a_served_joint_model_gives_the_probabilities_of_all_rbps(version, joint_run):
    loaded = tf.saved_model.load(str(version))
    answer = loaded.signatures["serving_default"](sequence=tf.constant(RNAS))
    expected = dk.load_run(joint_run).predict(RNAS)
    for name in ("probability", "calibrated_probability"):
        assert answer[name].shape == (3, 2)
        np.testing.assert_allclose(
            answer[name].numpy().ravel(), expected[name], atol=1e-5
        )
    names = loaded.signatures["rbps"](any=tf.constant(["", ""]))["rbp"].numpy()
    assert names.tolist() == [[b"A", b"B"]] * 2


def test_the_card_names_threshold_and_measures_of_each_rbp(version, joint_run):
    card = json.loads((version / "model_card.json").read_text())
    joint = dk.load_run(joint_run)
    assert [row["rbp"] for row in card["rbps"]] == ["A", "B"]
    for row in card["rbps"]:
        run = joint[row["rbp"]]
        assert row["threshold"] == run.threshold
        measured = json.loads((run.directory / "metrics.json").read_text())
        assert row["metrics"][0]["auroc"] == measured["auroc"]
    assert "| A" in (version / "MODEL_CARD.md").read_text()
    assert "saved_model.pb" in card["files"]
