"""Joint runs, used: predictions of several RBPs in one pass, and their evaluation."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf import evaluate, export, predict, train
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.runs import joint_evaluation, packing
from deeprke_tf.training import fine_tuning
from tests.support.small_runs import JOINT

pytest_plugins = ["tests.support.run_fixtures"]

RNAS = ["GGUGUAUAUACCACCUGUAUAUAGG", "AC", "ACGUACGUAAGGCCUUAGGC"]


@pytest.fixture(scope="module")
def loaded(joint_run):
    return dk.load_run(joint_run)


@pytest.fixture(scope="module")
def joint_ensemble(joint_run, joint_data, tmp_path_factory):
    """An ensemble of two joint runs, the first of which was trained before."""
    out = tmp_path_factory.mktemp("ensemble") / "both"
    shutil.copytree(joint_run, out / "seed-1")
    flags = ["--data", str(joint_data / "A"), str(joint_data / "B"), *JOINT]
    assert train.main([*flags, "--ensemble", "2", "--out", str(out)]) == 0
    return out


def test_a_long_table_has_a_row_for_each_site_and_rbp(loaded):
    table = loaded.predict(RNAS)
    assert list(table["name"]) == ["site1"] * 2 + ["site2"] * 2 + ["site3"] * 2
    assert list(table["rbp"]) == ["A", "B"] * 3
    assert list(table["skipped"].astype(bool)) == [False] * 2 + [True] * 2 + [False] * 2
    for name in "AB":
        alone = dk.load_run(loaded.directories[0], rbp=name).predict(RNAS)
        of_rbp = table[table["rbp"] == name].reset_index(drop=True)
        for column in ("probability", "calibrated_probability"):
            np.testing.assert_allclose(of_rbp[column], alone[column], atol=1e-6)
        assert of_rbp["bound"].equals(alone["bound"])


def test_a_wide_table_has_the_probabilities_as_columns(loaded):
    wide, long = loaded.predict(RNAS, wide=True), loaded.predict(RNAS)
    assert list(wide.columns) == ["name", "A", "B", "skipped"]
    np.testing.assert_array_equal(
        wide[["A", "B"]].to_numpy().ravel(), long["probability"]
    )
    assert list(loaded.predict(RNAS, rbps=["B"], wide=True).columns) == [
        *("name", "B", "skipped")
    ]


def test_chunks_count_sites(loaded):
    parts = list(loaded.predict(RNAS, chunks=2))
    assert [len(part) for part in parts] == [4, 2]
    pd.testing.assert_frame_equal(pd.concat(parts), loaded.predict(RNAS))


def test_each_rbp_has_a_threshold_that_reaches_the_target(loaded):
    table = loaded.predict(RNAS, recall=1.0)
    for name in "AB":
        least = loaded[name].calling(target=("recall", 1.0)).threshold
        of_rbp = table[(table["rbp"] == name) & (table["skipped"] == "")]
        assert ((of_rbp["probability"] >= least) == of_rbp["bound"]).all()


def test_an_rbp_is_named_by_argument_or_path(loaded, joint_run):
    run = dk.load_run(joint_run, rbp="B")
    assert run.directory == dk.load_run(joint_run / "rbps" / "B").directory
    assert run.threshold == loaded["B"].threshold
    assert set(loaded) == {"A", "B"} and len(loaded) == 2
    with pytest.raises(UserError, match=r"has no RBP 'C'; it has: A, B"):
        dk.load_run(joint_run, rbp="C")
    with pytest.raises(UserError, match="has no RBP 'C'"):
        loaded.predict(RNAS, rbps=["C"])
    with pytest.raises(UserError, match="`rbp` 'A' is for joint runs"):
        dk.load_run(joint_run / "rbps" / "A", rbp="A")


def test_one_rbp_is_averaged_with_a_run_of_its_own(joint_run, joint_ensemble):
    alone = joint_ensemble / "seed-2" / "rbps" / "A"
    mean = dk.load_run(joint_run, alone, rbp="A")
    parts = [dk.load_run(joint_run, rbp="A"), dk.load_run(alone)]
    probabilities = [part.predict(RNAS[:3])["probability"] for part in parts]
    found = mean.predict(RNAS[:3])["probability"]
    np.testing.assert_allclose(found, np.mean(probabilities, axis=0), atol=1e-6)
    assert mean.full_name == f"{joint_run.name}/A, seed-2/A"
    assert mean.training_names == [f"{joint_run.name}/A", "seed-2/A"]
    with pytest.raises(UserError, match="name one with `rbp`; it has: A, B"):
        dk.load_run(joint_run, alone)


def test_the_commands_take_a_joint_run(joint_run, sites_files, tmp_path, capsys):
    flags = ["--model", str(joint_run), "--sites", str(sites_files / "test.tsv")]
    assert predict.main([*flags, "--out", str(tmp_path / "long.tsv")]) == 0
    assert "40 sites, 0 skipped, 2 RBPs" in capsys.readouterr().err
    table = pd.read_csv(tmp_path / "long.tsv", sep="\t", comment="#")
    assert len(table) == 80 and list(table.columns[:2]) == ["name", "rbp"]
    assert predict.main([*flags, "--wide", "--out", str(tmp_path / "wide.tsv")]) == 0
    wide = pd.read_csv(tmp_path / "wide.tsv", sep="\t", comment="#")
    assert list(wide.columns) == ["name", "A", "B", "skipped"] and len(wide) == 40
    of_one = [*flags, "--rbp", "A", "--wide", "--out", str(tmp_path / "wide_a.tsv")]
    assert predict.main(of_one) == 0
    wide_a = pd.read_csv(tmp_path / "wide_a.tsv", sep="\t", comment="#")
    assert list(wide_a.columns) == ["name", "A", "skipped"]
    assert predict.main([*flags, "--rbp", "A", "--out", str(tmp_path / "a.tsv")]) == 0
    alone = pd.read_csv(tmp_path / "a.tsv", sep="\t", comment="#")
    assert "rbp" not in alone
    header = (tmp_path / "a.tsv").read_text().splitlines()[0]
    assert header == f"# deeprke predict, model {joint_run.name}/A"
    np.testing.assert_allclose(alone["probability"], wide["A"], atol=2e-6)


def test_each_rbp_is_measured_on_its_dataset(loaded, joint_data):
    evaluated = loaded.evaluate([joint_data / "B", joint_data / "A"], n_bootstrap=20)
    assert list(evaluated.table["rbp"]) == ["A", "B"]
    alone = loaded["B"].evaluate(joint_data / "B", n_bootstrap=20)
    part = loaded.evaluate([joint_data / "B"], "validation", n_bootstrap=20)
    assert part.usual_place == loaded.directories[0] / "evaluated/B-validation"
    assert evaluated.evaluations["B"].auroc == alone.auroc
    assert evaluated.mean_auroc == pytest.approx(evaluated.table["auroc"].mean())


def test_a_dataset_of_no_rbp_is_refused(loaded, data):
    with pytest.raises(UserError, match="is the dataset of no RBP"):
        loaded.evaluate(data)


def test_a_joint_run_is_compared_with_runs_of_single_rbps(
    joint_run, joint_ensemble, joint_data, tmp_path, capsys
):
    singles = joint_ensemble / "seed-2" / "rbps"
    flags = ["--model", str(joint_run), "--data", str(joint_data / "*")]
    flags += ["--n-bootstrap", "20", "--out", str(tmp_path / "measured")]
    others = [str(singles / name) for name in "AB"]
    assert evaluate.main([*flags, "--compare", *others]) == 0
    assert "runs of single RBPs: mean AUROC" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "measured" / "comparison.tsv", sep="\t")
    assert list(table["rbp"]) == ["A", "B"]
    for row in table.itertuples():
        measured = dk.load_run(singles / row.rbp).evaluate(
            joint_data / row.rbp, n_bootstrap=5
        )
        assert row.auroc_other == pytest.approx(measured.auroc, abs=1e-5)
    assert (tmp_path / "measured" / "B" / "predictions.tsv").exists()
    of_two = "takes one run of each RBP: two, seed-2/A and seed-2/A, were"
    with pytest.raises(UserError, match=of_two):
        joint_evaluation.compare(
            dk.load_run(joint_run).evaluate(joint_data / "A", n_bootstrap=5),
            [dk.load_run(singles / "A")] * 2,
        )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rbp", "A"], "--rbp measures A alone: give one dataset as --data, here 2."),
        (["--rbp", "A", "--compare", "none"], "A alone: give one dataset"),
    ],
)
def test_one_rbp_is_measured_on_one_dataset_and_compared_with_none(
    flags, message, joint_run, joint_data, capsys
):
    given = ["--model", str(joint_run), "--data", str(joint_data / "*")]
    assert evaluate.main([*given, *flags]) == 1
    assert message in capsys.readouterr().err


def test_a_run_of_one_rbp_is_compared_with_none(joint_run, joint_data, capsys):
    run = str(joint_run / "rbps" / "A")
    flags = ["--model", run, "--data", str(joint_data / "A")]
    assert evaluate.main([*flags, "--compare", run]) == 1
    told = "is a run of one RBP; --compare is for all RBPs of a joint run."
    assert told in capsys.readouterr().err


def test_a_damaged_joint_network_is_told(joint_run, tmp_path):
    copy = shutil.copytree(joint_run, tmp_path / "run")
    (copy / "model.keras").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"damaged: model\.keras is not the file"):
        dk.load_run(copy).predict(RNAS)
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["rbps"][0]["directory"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"damaged: manifest.json lacks 'directory'"):
        dk.load_run(copy)


def test_an_ensemble_of_joint_runs_gives_the_mean(joint_ensemble):
    members = [joint_ensemble / name for name in ("seed-1", "seed-2")]
    each = [dk.load_run(path).predict(RNAS)["probability"] for path in members]
    # Read as an ensemble, or its members given together.
    for model in (dk.load_run(joint_ensemble), dk.load_run(*members)):
        table = model.predict(RNAS)
        sd = np.std(each, axis=0, ddof=1)
        np.testing.assert_allclose(
            table["probability"], np.mean(each, axis=0), atol=1e-7
        )
        np.testing.assert_allclose(table["probability_sd"], sd, atol=1e-7)


def test_each_rbp_of_an_ensemble_of_joint_runs_is_an_ensemble(joint_ensemble, tmp_path):
    together = dk.load_run(joint_ensemble)
    assert together.name == "both"
    measured = json.loads((joint_ensemble / "metrics.json").read_text())
    for name in together:
        run = dk.load_run(joint_ensemble, rbp=name)
        assert run.directory == together[name].directory
        assert [member.manifest["seed"] for member in run.members] == [1, 2]
        assert run.training_names == [f"seed-1/{name}", f"seed-2/{name}"]
        report = run.report(tmp_path / "page.html").read_text()
        assert "one of 2 RBPs of one network" in report
        assert "The losses are of all RBPs, the AUROC of this one." in report
        auroc = metrics.auroc(*run.validation)
        assert measured["rbps"][name]["auroc"] == auroc == run_auroc(run)
        np.testing.assert_allclose(
            run.predict(RNAS)["probability"],
            together.predict(RNAS, rbps=[name])["probability"],
            atol=1e-6,
        )
    other = joint_ensemble / "seed-2"
    with pytest.raises(UserError, match="both is an ensemble; `init_from` takes a mem"):
        fine_tuning.read(joint_ensemble)
    assert fine_tuning.read(other / "rbps" / "A").directory == other


def run_auroc(run):
    return json.loads((run.directory / "metrics.json").read_text())["auroc"]


def test_a_joint_ensemble_is_exported_and_packed(joint_ensemble, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "models"))
    packing.add(joint_ensemble, "both")
    expected = dk.load_run(joint_ensemble).predict(RNAS)
    pd.testing.assert_frame_equal(dk.load_run("both").predict(RNAS), expected)
    assert export.main(["--model", "both", "--out", str(tmp_path / "served")]) == 0
    card = json.loads((tmp_path / "served" / "1" / "model_card.json").read_text())
    assert [member["seed"] for member in card["members"]] == [1, 2]
    assert card["rbps"][0]["metrics"][0]["split"] == "validation"
