"""The command and the method that make a panel of a joint run."""

import types

import numpy as np
import pandas as pd
import pytest

from deeprke_tf import load_run, panel
from deeprke_tf.runs import packing
from tests.support.small_runs import make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("sites") / "s.tsv", make_sites(12, 3))


def test_a_panel_has_the_probabilities_of_predict(joint_run, sites, tmp_path, capsys):
    flags = ["--model", joint_run, "--sites", sites, "--out", tmp_path / "out"]
    assert panel.main([str(flag) for flag in flags]) == 0
    said = capsys.readouterr().out
    assert "sites       12 scored" in said and "background  12 sites" in said
    run = load_run(joint_run)
    found = run.panel(sites, out=tmp_path / "python")
    assert (tmp_path / "out/panel.tsv").read_bytes() == (
        tmp_path / "python/panel.tsv"
    ).read_bytes()
    predicted = run.predict(sites)
    for column in ("probability", "calibrated_probability"):
        assert np.allclose(found.table[column], predicted[column], atol=2e-6)
    assert list(found.table.rbp) == list(predicted.rbp)


def test_some_rbps_are_asked_for(joint_run, sites, tmp_path, capsys):
    run = load_run(joint_run)
    of_all = run.panel(sites, out=tmp_path / "all").table
    of_one = run.panel(sites, out=tmp_path / "one", rbps=["B"])
    columns = ["name", "probability", "p_value"]
    alone = of_all[of_all.rbp == "B"].reset_index(drop=True)
    assert of_one.table[columns].equals(alone[columns])
    assert (of_one.table.q_value < alone.q_value).any()  # over half as many pairs
    assert list(of_one.enrichment.rbp) == ["B"]
    flags = ["--model", joint_run, "--sites", sites, "--out", tmp_path / "out"]
    assert panel.main([*map(str, flags), "--rbp", "A", "C"]) == 1
    assert "has no RBP 'C'; it has: A, B" in capsys.readouterr().err


def test_the_summary_names_rbps_that_differ_and_then_those_with_calls():
    names = list("ABCDEFGHIJKL")
    q_values = np.where(np.array(names) == "B", 0.01, 1.0)
    ratios = ("odds_ratio", "odds_ratio_low", "odds_ratio_high")
    fractions = ("fraction_bound", "fraction_background_bound")
    enrichment = pd.DataFrame({"rbp": names, "q_value": q_values})
    enrichment = enrichment.assign(**dict.fromkeys((*ratios, *fractions), 1.0))
    rbps = [{"rbp": name, "n_called": int(name in "CL")} for name in names]
    found = types.SimpleNamespace(contents={"rbps": rbps}, enrichment=enrichment)
    lines = panel._best(found).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*"BCLADEFGHI", "and"]


def test_a_background_that_is_no_file_is_told_before_anything_is_scored(
    tmp_path, capsys
):
    flags = ["--sites", tmp_path / "none", "--out", tmp_path / "out"]
    assert panel.main([*map(str, flags), "--background", "shufled"]) == 1
    error = "--background shufled is no file; give one, shuffled or none."
    assert error in capsys.readouterr().err


def test_sites_of_other_lengths_than_the_training_sites_are_noted(
    joint_run, tmp_path, caplog
):
    longest = load_run(joint_run).longest_site
    others = ["ACGU" * longest, "ACGU"]
    with caplog.at_level("INFO"):
        load_run(joint_run).panel(others, out=tmp_path / "out")
    assert "scored 1 site longer than those that the model" in caplog.text
    assert "scored 1 site much shorter" in caplog.text


def test_a_panel_of_a_model_given_by_its_name(joint_run, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "models"))
    packing.add(joint_run, "two")
    found = load_run("two").panel(["ACGU" * 9], out=tmp_path / "out")
    assert found.contents["model"] == "two"
    assert load_run("two/A").name == "A"


def test_a_run_of_one_rbp_has_no_panel(sequence_run, sites, tmp_path, capsys):
    flags = ["--model", sequence_run, "--sites", sites, "--out", tmp_path / "out"]
    assert panel.main([str(flag) for flag in flags]) == 1
    assert "is of one RBP; a panel needs a joint run" in capsys.readouterr().err
