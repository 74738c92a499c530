import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics

from deeprke_tf import evaluate, fit, load_run
from deeprke_tf.data import batches as dataset
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, packing, scorer
from deeprke_tf.runs.run import Run
from tests.support.small_runs import make_data, make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]

N_BOOTSTRAP = ("--n-bootstrap", "50")


@pytest.fixture
def copied(sequence_run, tmp_path):
    return shutil.copytree(sequence_run, tmp_path / "copied")


@pytest.fixture
def evaluated(data):
    """Evaluates a run; returns its metrics.json, or that of `out`."""

    def evaluate_run(model, *flags, out=None, found=None):
        argv = ["--model", model, "--data", data, *N_BOOTSTRAP, *flags]
        if out is not None:
            argv += ["--out", out]
        assert evaluate.main([str(value) for value in argv]) == 0
        return json.loads(((found or out or model) / "metrics.json").read_text())

    return evaluate_run


def scored(model, data):
    """Labels and probabilities of the test sites, in one order."""
    views = ("sequence_kmers", "structure_kmers")
    views = views[: len(model.inputs)]
    batches = dataset.read_split(description.read(data), "test", views, 9)
    return scorer.score_labelled(scorer.scorer(model), batches)


def test_measures_equal_scikit_learn_at_the_threshold_of_the_run(
    run, data, evaluated, tmp_path
):
    measured = evaluated(run, out=tmp_path / "out")
    loaded = Run.load(run)
    labels, probabilities = scored(loaded.model, data)
    calls = probabilities >= loaded.threshold
    for name, expected in {
        "auroc": sklearn_metrics.roc_auc_score(labels, probabilities),
        "auprc": sklearn_metrics.average_precision_score(labels, probabilities),
        "accuracy": sklearn_metrics.accuracy_score(labels, calls),
        "mcc": sklearn_metrics.matthews_corrcoef(labels, calls),
        "f1": sklearn_metrics.f1_score(labels, calls),
    }.items():
        assert measured[name] == pytest.approx(expected, abs=1e-9)
        low, high = measured[f"{name}_ci"]
        assert 0 <= (low + 1) / 2 <= (high + 1) / 2 <= 1
    matrix = sklearn_metrics.confusion_matrix(labels, calls).ravel().tolist()
    names = ("true_negative", "false_positive", "false_negative", "true_positive")
    assert measured["confusion"] == dict(zip(names, matrix, strict=True))
    assert measured["threshold"] == loaded.threshold
    assert (measured["n_sites"], measured["n_positive"]) == (40, 14)
    assert (measured["split"], measured["data"]) == ("test", "data")
    assert measured["model"] == "run"
    calibration = measured["calibration"]
    assert calibration["method"] == loaded.calibration.method
    assert calibration["before"]["n_sites"] == calibration["after"]["n_sites"] == 40
    assert 0 <= calibration["after"]["ece"] <= 1


def test_an_ensemble_is_measured_by_its_mean_and_each_member_beside_it(
    ensemble, data, evaluated, tmp_path
):
    measured = evaluated(ensemble, out=tmp_path / "out")
    loaded = Run.load(ensemble)
    labels, mean = scored(loaded.model, data)
    auroc = sklearn_metrics.roc_auc_score(labels, mean)
    assert measured["auroc"] == pytest.approx(auroc, abs=1e-9)
    assert measured["threshold"] == loaded.threshold
    assert measured["model"] == "ensemble"
    assert list(measured["members_auroc"]) == ["seed-7", "seed-8"]
    for member in loaded.members:
        auroc = sklearn_metrics.roc_auc_score(*scored(member.model, data))
        found = measured["members_auroc"][member.directory.name]
        assert found == pytest.approx(auroc, abs=1e-9)


def test_an_evaluation_keeps_the_measures_of_training(copied, evaluated):
    of_training = json.loads((copied / "metrics.json").read_text())
    for _ in range(2):
        measured = evaluated(copied)
        assert measured["split"] == "test"
        assert measured["validation"] == of_training
    # `out` may name the run directory, too.
    assert evaluated(copied, out=copied)["validation"] == of_training


def test_out_leaves_the_run_as_it_was(copied, evaluated, tmp_path, capsys):
    before = (copied / "metrics.json").read_bytes()
    out = tmp_path / "new" / "elsewhere"
    assert "validation" not in evaluated(copied, "--split", "train", out=out)
    assert (copied / "metrics.json").read_bytes() == before
    assert {path.name for path in (out / "figures").iterdir()} == {
        "roc_train.png",
        "precision_recall_train.png",
        "reliability_train.png",
    }
    assert f"wrote {out / 'metrics.json'}" in capsys.readouterr().out


def test_other_splits_and_data_leave_the_measures_of_the_test_split(
    copied, data, evaluated, tmp_path
):
    evaluated(copied)
    before = (copied / "metrics.json").read_bytes()
    other = shutil.copytree(data, tmp_path / "other")
    with (other / "dataset.json").open("a") as file:
        file.write("\n")
    evaluated(copied, "--split", "train")
    evaluated(copied, "--data", other)
    assert (copied / "metrics.json").read_bytes() == before
    for name, split in (("data-train", "train"), ("other-test", "test")):
        measured = json.loads((copied / f"evaluated/{name}/metrics.json").read_text())
        assert measured["split"] == split
        assert (copied / f"evaluated/{name}/figures/roc_{split}.png").exists()
    Run.load(copied)


def test_a_model_given_by_its_name_is_not_written_into(
    sequence_run, evaluated, tmp_path, monkeypatch
):
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    entry = packing.add(sequence_run, "QKI-K562")
    evaluated("QKI-K562", found=Path("evaluated/QKI-K562-data-test"))
    assert not catalog.damage_of(entry.directory)
    assert not (entry.directory / "predictions.tsv").exists()


@pytest.mark.parametrize("batch_size", ["1", "512"])
def test_every_site_is_listed_with_its_label_and_probabilities(
    ensemble, data, sites_files, evaluated, tmp_path, batch_size
):
    out = tmp_path / "out"
    measured = evaluated(ensemble, "--batch-size", batch_size, out=out)
    sites = pd.read_csv(out / "predictions.tsv", sep="\t")
    assert list(sites.columns) == [
        *("name", "label", "probability", "calibrated_probability", "probability_sd"),
    ]
    labels = {name: label for name, _, label, _ in make_sites(40, seed=2)}
    assert dict(zip(sites["name"], sites["label"], strict=True)) == labels
    predicted = load_run(ensemble).predict(sites_files / "test.tsv").set_index("name")
    for column in ("probability", "calibrated_probability", "probability_sd"):
        expected = predicted.loc[sites["name"], column].tolist()
        assert sites[column].tolist() == pytest.approx(expected, abs=1e-5)
    auroc = sklearn_metrics.roc_auc_score(sites["label"], sites["probability"])
    assert measured["auroc"] == pytest.approx(auroc)


def test_python_gives_the_measures_without_writing_anything(copied, data):
    before = sorted(path.name for path in copied.iterdir())
    evaluation = load_run(copied).evaluate(data, "validation", n_bootstrap=5)
    assert evaluation.auroc == evaluation.measures["auroc"]
    n_sites = description.read(data).split("validation").n_sites
    assert evaluation.measures["n_sites"] == len(evaluation.sites) == n_sites
    assert f"{n_sites} validation sites: auroc 0." in repr(evaluation)
    assert sorted(path.name for path in copied.iterdir()) == before


def test_a_split_of_one_class_has_no_areas_but_a_note(run, tmp_path, capsys):
    bound = [site for site in make_sites(30, seed=5) if site[2] == 1]
    table = write_table(tmp_path / "bound.tsv", bound)
    data = make_data(tmp_path / "data", "--test-sites", table)
    flags = ["--model", str(run), "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main(flags) == 0
    measured = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert measured["auroc"] is measured["auroc_ci"] is measured["auprc"] is None
    assert measured["n_positive"] == measured["n_sites"] == 10
    assert "got 10 bound and 0 background;" in measured["note"]
    assert "note: " in capsys.readouterr().out


def test_data_of_another_k_are_refused(run, sites_files, tmp_path, capsys):
    data = make_data(
        tmp_path / "data", "--test-sites", sites_files / "test.tsv", "--k", 2
    )
    assert evaluate.main(["--model", str(run), "--data", str(data)]) == 1
    assert "was preprocessed with k 2, but the model was trained with 3" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "{tmp}/none"], "none is not a run of `deeprke train`"),
        (["--data", "{tmp}"], "has no dataset.json"),
        (["--out", "{tmp}/notes.txt"], "notes.txt is a file; name a directory."),
        (["--n-bootstrap", "0"], "--n-bootstrap must be at least 1, got 0."),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line(flags, message, run, data, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    given = [flag.format(tmp=tmp_path) for flag in flags]
    base = ["--model", str(run), "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main([*base, *given]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke evaluate: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_metrics_that_cannot_be_read_are_named(copied, data, capsys):
    (copied / "metrics.json").write_text("{")
    flags = ["--model", str(copied), "--data", str(data), *N_BOOTSTRAP]
    assert evaluate.main(flags) == 1
    assert f"{copied / 'metrics.json'} is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("n_more", [{"n_sites": 1}, {"n_positive": 1}])
def test_shards_of_other_records_than_described_are_refused(
    n_more, run, data, tmp_path
):
    copied = shutil.copytree(data, tmp_path / "data")
    path = copied / "dataset.json"
    contents = json.loads(path.read_text())
    for split in contents["splits"].values():
        for name, n in n_more.items():
            split[name] += n
            if name == "n_sites":
                split["shards"][0][name] += n
    path.write_text(json.dumps(contents))
    words = "The shards do not hold the records"
    with pytest.raises(UserError, match=words):
        load_run(run).evaluate(copied, n_bootstrap=50)
    with pytest.raises(UserError, match=words):
        fit(copied, tmp_path / "run", epochs=1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("n_positive", [-1, 10_000, "x"])
def test_an_impossible_count_of_bound_sites_is_refused(n_positive, data, tmp_path):
    contents = json.loads((data / "dataset.json").read_text())
    contents["splits"]["test"]["n_positive"] = n_positive
    (tmp_path / "dataset.json").write_text(json.dumps(contents))
    with pytest.raises(UserError, match="is not a dataset description"):
        description.read(tmp_path)
