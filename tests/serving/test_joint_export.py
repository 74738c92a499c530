"""A joint run, exported."""

import json

import numpy as np
import pytest
import tensorflow as tf

import deeprke_tf as dk
from deeprke_tf.serving.answers import checked_names
from tests.support import serving_stub
from tests.support.served_run import rows_of, run_predict

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


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    path = tmp_path_factory.mktemp("sites") / "rnas.txt"
    path.write_text("".join(f">{i}\n{rna}\n" for i, rna in enumerate([*RNAS, "NNNNN"])))
    return path


@pytest.fixture(scope="module")
def urls(version):
    with serving_stub.urls(serving_stub.Stub(version.parent)) as urls:
        yield urls


@pytest.mark.parametrize(
    ("protocol", "flags"),
    [
        ("REST", ["--rbp", "B", "A"]),
        ("REST", ["--rbp", "B"]),
        ("REST", ["--wide"]),
        ("gRPC", []),
    ],
)
def test_a_server_gives_the_table_of_the_joint_run(
    urls, protocol, flags, joint_run, sites, tmp_path
):
    flags = [*flags, "--threshold", "0.4"]
    assert run_predict(sites, tmp_path / "local", "--model", joint_run, *flags) == 0
    asked = [*flags, "--server", urls[protocol], "--batch-size", "2"]
    assert run_predict(sites, tmp_path / "served", *asked) == 0
    found, expected = rows_of(tmp_path / "served"), rows_of(tmp_path / "local")
    assert [list(row) for row in found] == [list(row) for row in expected]
    for row, like in zip(found, expected, strict=True):
        for column, text in like.items():
            if column == "skipped":
                assert bool(row[column]) == bool(text)
            elif text.startswith("0.") or text.startswith("1."):
                assert float(row[column]) == pytest.approx(float(text), abs=1e-5)
            else:
                assert row[column] == text


def test_an_rbp_that_the_served_model_lacks_is_named(urls, sites, tmp_path, capsys):
    flags = ["--server", urls["REST"], "--rbp", "C"]
    assert run_predict(sites, tmp_path / "out", *flags) == 1
    assert "has no RBP 'C'; it has: A, B." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([], "expected the names"),
        ([["A"], ["B"]], "expected the names"),
        ([["A", ""]], "expected the names"),
        ([["A", 3]], "expected the names"),
        ("A", "expected the names"),
        ([["A", "A"]], "two RBPs of one name"),
    ],
)
def test_odd_names_of_a_server_are_refused(answer, message):
    with pytest.raises(dk.UserError, match=message):
        checked_names(answer, "http://host:8501/v1/models/M")


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
