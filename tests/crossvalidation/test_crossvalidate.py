"""`crossvalidate`: its files, the final model, resuming and sharing."""

import logging
import shutil
import threading

import numpy as np
import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf import cv_train
from deeprke_tf.crossvalidation import engine
from deeprke_tf.data import description, stored_sites
from deeprke_tf.evaluation import calibration_fit, metrics
from deeprke_tf.runs import layout
from deeprke_tf.serving.model_card import as_markdown, model_card
from deeprke_tf.system import directories, files
from deeprke_tf.training import many
from deeprke_tf.training import run as training_run
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_runs import make_data, make_sites

pytest_plugins = ["tests.support.run_fixtures"]

# The network that is made in the least time.
FLAGS = (
    *("--preset", "deepbind", "--filters", "4", "--kernel-sizes", "8"),
    *("--batch-size", "15", "--learning-rate", "0.01"),
    *("--epochs", "2", "--warmup-epochs", "0", "--folds", "2"),
)


PLACE = ("chrom", "start", "end", "strand")


def crossvalidate(data, out, *flags):
    given = ["--data", str(data), "--out", str(out), *FLAGS, *flags]
    return cv_train.main(given)


@pytest.fixture(scope="module")
def data(made_once):
    """180 sites on seven chromosomes, and 40 for the test."""

    def make(directory):
        tables = [directory.with_name(f"{part}-cv.tsv") for part in ("train", "test")]
        for table, n_sites in zip(tables, (180, 40), strict=True):
            rows = [("name", "sequence", "label", "structure", *PLACE)]
            for i, site in enumerate(make_sites(n_sites, seed=n_sites)):
                end = 100 * i + len(site[1])
                rows.append((*site, f"chr{i % 7}", 100 * i, end, "+-"[i % 2]))
            lines = ("\t".join(map(str, row)) + "\n" for row in rows)
            table.write_text("".join(lines))
        make_data(directory, "--sites", tables[0], "--test-sites", tables[1])

    return made_once("cv-data", make)


@pytest.fixture(scope="module")
def made(data, made_once):
    """A finished cross-validation of two folds, by chromosome."""

    def make(directory):
        assert crossvalidate(data, directory) == 0

    return made_once("cv", make)


@pytest.fixture
def found(made):
    return engine.CrossValidation.read(made)


@pytest.fixture
def copied(made, tmp_path):
    return shutil.copytree(made, tmp_path / "cv")


def names_of(data, *splits):
    info = description.read(data)
    found = [stored_sites.sites_of_split(info, split)["name"] for split in splits]
    return [name for names in found for name in names]


def test_every_training_site_has_one_probability_of_a_model_that_has_not_seen_it(
    made, found, data
):
    sites = found.sites
    expected = names_of(data, "train", "validation")
    assert sorted(sites["name"]) == sorted(expected) and len(expected) == 180
    numbers = sites["name"].str.removeprefix("site").astype(int)
    assert (sites["start"] == 100 * numbers).all()
    for number, of_fold in sites.groupby("cv_fold"):
        fold = made / "data" / f"cv-fold-{number}"
        assert sorted(of_fold["name"]) == sorted(names_of(fold, "test"))
        assert not {*of_fold["name"]} & {*names_of(fold, "train", "validation")}
        others = sites[sites["cv_fold"] != number]
        assert {*of_fold["chrom"]}.isdisjoint(others["chrom"])
    run = dk.load_run(made / "runs" / "cv-fold-1")
    alone = run.evaluate(made / "data" / "cv-fold-1", n_bootstrap=1).sites
    first = sites.loc[sites["cv_fold"] == 1, "probability"]
    assert (first.to_numpy() == alone["probability"]).all()


def test_measures_are_those_of_the_cv_folds_and_of_all_sites(found):
    sites, measures = found.sites, found.measures
    assert list(measures.index) == [*metrics.MEASURES, "brier", "ece"]
    aurocs = [
        metrics.auroc(of_fold["label"], of_fold["probability"])
        for _, of_fold in sites.groupby("cv_fold")
    ]
    row = measures.loc["auroc"]
    assert [row["cv-fold-1"], row["cv-fold-2"]] == pytest.approx(aurocs)
    assert row["mean"] == pytest.approx(np.mean(aurocs))
    assert row["sd"] == pytest.approx(np.std(aurocs, ddof=1))
    pooled = metrics.auroc(sites["label"], sites["probability"])
    assert row["pooled"] == pytest.approx(pooled)
    thresholds = {
        number: fold["threshold"]
        for number, fold in enumerate(found.contents["cv_folds"], start=1)
    }
    called = sites["probability"] >= sites["cv_fold"].map(thresholds)
    accuracy = (called == sites["label"]).mean()
    assert measures.loc["accuracy", "pooled"] == pytest.approx(accuracy)


def test_threshold_and_calibration_of_the_final_model_are_out_of_fold(found):
    run = dk.load_run(found.final)
    labels, probabilities = found.sites["label"], found.sites["probability"]
    assert run.threshold == metrics.best_threshold(labels, probabilities)
    assert run.calibration == calibration_fit.fit(labels, probabilities)
    assert (run.validation[1] == probabilities).all()
    measured = files.read_json(found.final / layout.METRICS)
    assert measured["split"] == "out_of_fold" and measured["n_sites"] == 180


def test_the_final_model_is_a_run_of_all_sites_with_its_origin(found, data):
    run = dk.load_run(found.final)
    assert len(run.predict(["GGUGUAUAUACCACC"])) == 1
    manifest, info = run.manifest, description.read(data)
    assert manifest["data"]["dataset_sha256"] == info.sha256
    assert manifest["data"]["splits"]["train"]["n_sites"] == 180
    assert manifest["data"]["splits"]["test"] == info.contents["splits"]["test"]
    best = [fold["best_epoch"] for fold in found.contents["cv_folds"]]
    n_epochs = round(np.median(best))
    assert manifest["n_epochs"] == manifest["best_epoch"] == n_epochs
    assert len(pd.read_csv(found.final / "history.csv")) == n_epochs
    origin = manifest["crossvalidation"]
    dealt = [origin[name] for name in ("folds", "groups", "n_groups")]
    assert dealt == [2, "chromosome", 7]
    assert origin["measures"] == found.contents["measures"]
    # As `evaluate` writes the measures on the test split, which nothing has read.
    assert run.evaluate(data, n_bootstrap=1).usual_place == found.final
    card = as_markdown(model_card(run, "QKI", "not stated"))
    assert "threshold_chosen_on: out-of-fold MCC" in card
    assert "crossvalidation: 2 folds by chromosome, AUROC" in card


def test_the_files_are_those_described_and_a_second_call_does_nothing(
    made, data, capsys, monkeypatch
):
    assert {path.name for path in made.iterdir()} == {
        *("data", "runs", "final", "figures"),
        *("out_of_fold.tsv", "crossvalidation.json"),
    }
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    monkeypatch.setattr(many, "train_datasets", None)
    assert crossvalidate(data, made) == 0
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before
    shown = capsys.readouterr().out
    assert "180 sites (60 bound) in 7 groups, by chromosome" in shown
    assert "AUROC " in shown and f"final model                {made}/final" in shown


def test_what_was_interrupted_is_resumed_with_the_same_result(
    made, copied, data, monkeypatch
):
    for name in ("crossvalidation.json", "out_of_fold.tsv"):
        (copied / name).unlink()
    shutil.rmtree(copied / "final")
    # As if killed between training and evaluation.
    second = copied / "runs" / "cv-fold-2"
    (second / "predictions.tsv").unlink()
    on_validation = layout.validation_measures(second)
    files.write_json(second / layout.METRICS, on_validation)
    networks = [*copied.glob("runs/*/model.keras")]
    before = [path.stat().st_mtime_ns for path in networks]
    with monkeypatch.context() as patch:
        interrupt_after_first_epoch(patch)
        assert crossvalidate(data, copied) == 130
    assert (copied / "final" / "state").exists()
    assert crossvalidate(data, copied) == 0
    assert [path.stat().st_mtime_ns for path in networks] == before
    for name in ("out_of_fold.tsv", "crossvalidation.json", "final/validation.csv"):
        assert (copied / name).read_bytes() == (made / name).read_bytes()
    sequences = ["GGUGUAUAUACCACC", "ACGUACGUACGUACGU"]
    of_both = [dk.load_run(cv / "final").predict(sequences) for cv in (made, copied)]
    pd.testing.assert_frame_equal(*of_both)


def test_a_process_waits_for_what_another_one_trains(
    made, copied, data, tmp_path, monkeypatch
):
    (copied / "crossvalidation.json").unlink()
    run = copied / "runs" / "cv-fold-2"
    shutil.move(run, tmp_path / "trained elsewhere")
    monkeypatch.setattr(training_run, "train_run", None)
    waits, held = threading.Event(), threading.Event()
    log = logging.getLogger(engine.__name__)
    monkeypatch.setattr(log, "info", lambda *_: waits.set())

    def train_elsewhere():
        with directories.only_process(run):
            held.set()
            waits.wait(60)
            shutil.move(tmp_path / "trained elsewhere", run)

    thread = threading.Thread(target=train_elsewhere)
    thread.start()
    held.wait(60)
    assert crossvalidate(data, copied) == 0
    thread.join()
    name = "crossvalidation.json"
    assert (copied / name).read_bytes() == (made / name).read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--folds", "1"), "--folds must be at least 2, got 1"),
        (("--folds", "3"), "is a cross-validation with other folds; name another"),
        (("--seed", "2"), "with other settings"),
        (("--groups", "overlap", "--seed", "2"), "with other groups and settings"),
    ],
)
def test_other_settings_are_refused(flags, message, made, data, capsys):
    assert crossvalidate(data, made, *flags) == 1
    assert message in capsys.readouterr().err


def test_a_directory_of_other_files_is_refused(data, tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    assert crossvalidate(data, tmp_path) == 1
    assert "is not empty and no cross-validation" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_api_says_what_cannot_be(data, tmp_path):
    with pytest.raises(dk.UserError, match=r"'gene', but no site of .* has one"):
        dk.crossvalidate(data, tmp_path / "cv", groups="gene", structure=False)
    assert not any((tmp_path / "cv").iterdir())


def test_the_api_reads_what_the_command_made(made, data, found):
    config = made / "final" / "config.json"
    again = dk.crossvalidate(data, made, folds=2, config=config)
    assert again == found
    assert repr(again).startswith(
        "<CrossValidation of 180 sites, 2 folds by chromosome"
    )
