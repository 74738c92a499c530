"""`train --ensemble`: its files, resuming, refusals."""

import gc
import json
import shutil
import weakref

import numpy as np
import pytest

from deeprke_tf import train
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import calibration_fit, metrics
from deeprke_tf.runs import layout, scorer
from deeprke_tf.runs.run import Run
from deeprke_tf.system import directories, files
from deeprke_tf.training import epochs
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_models import batch_of, random_sites
from tests.support.small_runs import ENSEMBLE

pytest_plugins = ["tests.support.run_fixtures"]

MEMBERS = ("seed-7", "seed-8")


@pytest.fixture(scope="module")
def loaded(ensemble):
    return Run.load(ensemble)


def mean_of_members(ensemble):
    """Labels and mean probabilities of the validation sites."""
    labels, probabilities = zip(
        *(layout.read_validation(ensemble / name) for name in MEMBERS), strict=True
    )
    assert (labels[0] == labels[1]).all()
    return labels[0], np.mean(probabilities, axis=0)


# === The files of an ensemble ===


def test_an_ensemble_holds_its_members_and_their_joint_results(ensemble, sequence_run):
    of_a_run = {path.name for path in sequence_run.iterdir()}
    for name in MEMBERS:
        assert {path.name for path in (ensemble / name).iterdir()} == of_a_run
    assert {path.name for path in ensemble.iterdir()} == {
        *MEMBERS,
        *("config.json", "metrics.json", "validation.csv", "figures", "manifest.json"),
    }


def test_the_mean_gives_threshold_calibration_and_measures(ensemble, loaded):
    labels, mean = mean_of_members(ensemble)
    kept_labels, kept = layout.read_validation(ensemble)
    assert (kept_labels == labels).all()
    assert kept == pytest.approx(mean, abs=1e-7)
    assert loaded.threshold == metrics.best_threshold(labels, kept)
    assert loaded.calibration == calibration_fit.fit(labels, kept)
    measured = json.loads((ensemble / "metrics.json").read_text())
    assert measured["split"] == "validation"
    assert measured["auroc"] == pytest.approx(metrics.auroc(labels, mean))
    assert measured["auroc_ci"][0] <= measured["auroc"] <= measured["auroc_ci"][1]


def test_the_manifest_names_the_members(ensemble, loaded):
    found = loaded.manifest["members"]
    assert [member["directory"] for member in found] == list(MEMBERS)
    assert [member["seed"] for member in found] == [7, 8]
    for member in found:
        directory = ensemble / member["directory"]
        digest = files.sha256(directory / "model.keras")
        assert member["model_sha256"] == digest != loaded.manifest["model_sha256"]
        auroc = json.loads((directory / "metrics.json").read_text())["auroc"]
        assert member["validation_auroc"] == pytest.approx(auroc)


def test_the_network_of_an_ensemble_gives_the_mean(loaded):
    batch = batch_of(random_sites([3, 9, 14]), loaded.config.model.views)
    each = [scorer.scorer(member.model)(batch) for member in loaded.members]
    assert np.abs(each[0] - each[1]).max() > 1e-4
    mean = scorer.scorer(loaded.model)(batch)
    assert mean == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    n_weights = [member.model.count_params() for member in loaded.members]
    assert loaded.model.count_params() == sum(n_weights)


# === Resuming ===


def test_members_trained_before_or_interrupted_make_the_same_ensemble(
    ensemble, data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "run"
    shutil.copytree(ensemble / "seed-8", out / "seed-8")
    flags = ["--data", str(data), "--out", str(out), *ENSEMBLE]
    with directories.only_process(out / "seed-7"):
        assert train.main(flags) == 1
    captured = capsys.readouterr()
    assert "another process is training it" in captured.out
    assert f"seed-7 of {out} are being trained by other" in captured.err
    with directories.only_process(out / "seed-7"):
        assert train.main([*flags, "--overwrite"]) == 1
    assert f"would delete {out / 'seed-7'}, which another" in capsys.readouterr().err
    assert (out / "seed-8" / "manifest.json").exists()
    with monkeypatch.context() as patch:
        interrupt_after_first_epoch(patch)
        assert train.main(flags) == 130
    assert "train: interrupted." in capsys.readouterr().err
    with pytest.raises(UserError, match="is an unfinished run; give the same"):
        Run.load(out)
    assert train.main([*flags, "--ensemble", "3"]) == 1
    assert "is an unfinished run of other --ensemble" in capsys.readouterr().err
    networks, fit = [], epochs.fit

    def fit_and_watch(*arguments, **settings):
        network = fit(*arguments, **settings)
        networks.append(weakref.ref(network))
        return network

    monkeypatch.setattr(epochs, "fit", fit_and_watch)
    assert train.main(flags) == 0
    gc.collect()
    # Memory does not grow with every member.
    assert [network() for network in networks] == [None]
    shown = capsys.readouterr().out
    assert "resuming after epoch 1" in shown
    assert f"member 2 of 2: {out / 'seed-8'}, finished before" in shown
    for name in (
        "validation.csv",
        "metrics.json",
        *(f"{m}/history.csv" for m in MEMBERS),
    ):
        assert (out / name).read_bytes() == (ensemble / name).read_bytes()
    assert train.main(flags) == 1
    assert f"{out} is a finished run; name another --out" in capsys.readouterr().err


# === Refusals ===


def test_a_run_that_is_no_member_is_refused(ensemble, data, tmp_path, capsys):
    member = shutil.copytree(ensemble / "seed-7", tmp_path / "run" / "seed-7")
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *ENSEMBLE]
    assert train.main([*flags, "--dropout", "0.5"]) == 1
    assert f"{member} is a finished run of other settings" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "run" / "state")
    (tmp_path / "run" / "config.json").unlink()
    manifest = json.loads((member / "manifest.json").read_text())
    for part, name, word in (
        ("data", "dataset_sha256", "data"),
        ("vectors", "from", "--vectors-from"),
    ):
        other = manifest | {part: manifest[part] | {name: "other"}}
        (member / "manifest.json").write_text(json.dumps(other))
        assert train.main(flags) == 1
        assert f"is a finished run of other {word}" in capsys.readouterr().err


def test_a_member_that_was_replaced_is_noticed(ensemble, tmp_path):
    copied = shutil.copytree(ensemble, tmp_path / "copied")
    shutil.rmtree(copied / "seed-7")
    shutil.copytree(copied / "seed-8", copied / "seed-7")
    message = "copied is damaged: seed-7 is not the run that the ensemble was made of"
    with pytest.raises(UserError, match=message):
        Run.load(copied)
    shutil.rmtree(copied / "seed-7")
    with pytest.raises(UserError, match="seed-7 is not a run of `deeprke train`"):
        Run.load(copied)
