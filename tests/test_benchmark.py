"""The command, on simulated experiments laid out as RBP-31 and RBP-24."""

import dataclasses
import shutil

import numpy as np
import pytest

from deeprke_tf import benchmark, presets
from deeprke_tf.benchmarking import experiments, linear_baselines, tasks, training
from deeprke_tf.benchmarking.results import REQUIRED
from deeprke_tf.data import description, stored_sites
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation import metrics
from deeprke_tf.system import locks
from tests.support.benchmark_fixtures import (
    NAME,
    SMALL,
    labelled,
    predictions,
    run,
    write,
)

pytest_plugins = ["tests.support.benchmark_fixtures"]


def test_each_task_leaves_one_result_and_a_second_run_does_none_again(
    small_preset, rbp_data, tmp_path, capsys
):
    flags = ["--presets", "oli", "small", "--seeds", 2]
    results = run("rbp31", rbp_data, tmp_path, *flags)
    assert list(results) == ["oli.frozen.seed2.none", "small.frozen.seed2.none"]
    for result in results.values():
        assert set(REQUIRED) < set(result)
        assert result["experiment"] == NAME and result["number"] == 18
        assert result["auroc_ci"][0] <= result["auroc"] <= result["auroc_ci"][1]
        assert (result["n_sites"], result["n_positive"]) == (60, 20)
        assert len(result["data"]["inputs"]) == 2
    assert results["oli.frozen.seed2.none"]["auroc"] > 0.95
    assert results["small.frozen.seed2.none"]["config"]["train"]["seed"] == 2
    shown = capsys.readouterr().out
    assert "missing: 19_B has no training sites" in shown
    assert "2 tasks, 0 of them done before" in shown
    paths = list((tmp_path / "rbp31" / "results").glob("*/*.json"))
    before = [path.stat().st_mtime_ns for path in paths]
    assert run("rbp31", rbp_data, tmp_path, *flags) == results
    assert [path.stat().st_mtime_ns for path in paths] == before
    assert "2 tasks, 2 of them done before" in capsys.readouterr().out
    report = (tmp_path / "rbp31" / "report.md").read_text()
    assert NAME in report and "`19_B`: no training sites" in report


def test_predictions_are_in_the_order_of_names(rbp_data, tmp_path):
    run("rbp31", rbp_data, tmp_path, "--presets", "oli")
    names = sorted(name for name, _sequence in labelled(60, 2))
    expected = [int(name.endswith("class:1")) for name in names]
    assert predictions(tmp_path, "oli", 1)["test_labels"].tolist() == expected


def test_the_grouped_protocol_keeps_overlapping_sites_together(rbp_data, tmp_path):
    flags = ["--presets", "oli", "--protocols", "grouped"]
    assert list(run("rbp31", rbp_data, tmp_path, *flags)) == ["oli.grouped.seed1.none"]
    data = tmp_path / "rbp31" / "data" / NAME / "grouped.none.k3.unfolded"
    assert description.read(data).contents["validation_groups"] == "overlap"
    report = (tmp_path / "rbp31" / "report.md").read_text()
    assert "| grouped" in report and "| frozen" not in report


def test_the_report_can_be_on_some_experiments_alone(rbp_data, tmp_path):
    run("rbp31", rbp_data, tmp_path, "--presets", "oli")
    argv = ["rbp31", "--data-dir", str(rbp_data), "--out", str(tmp_path)]
    report = tmp_path / "rbp31" / "report.md"
    assert benchmark.main([*argv, "--report-only", "--experiments", "19"]) == 0
    assert NAME not in report.read_text() and "`19_B`" in report.read_text()
    assert benchmark.main([*argv, "--report-only"]) == 0
    assert NAME in report.read_text()


def test_masking_the_edge_removes_the_leak(rbp_data, tmp_path):
    results = run("rbp24", rbp_data, tmp_path, "--presets", "position-kmer")
    plain, debiased = (
        results[f"position-kmer.frozen.seed1.{mask}"]
        for mask in ("none", "3prime-edge")
    )
    assert plain["auroc"] > 0.75 and debiased["auroc"] < 0.65
    report = (tmp_path / "rbp24" / "report.md").read_text()
    assert "## Mean AUROC, with the 3' edge masked" in report


def drawn(task, dataset, _directory):
    """Stands for a training: draws the probabilities of the sites by its seed."""
    rng = np.random.default_rng(task.seed)
    labels = [
        stored_sites.sample_labels(dataset, split, -1)
        for split in ("validation", "test")
    ]
    scored = [training.Scored(each, rng.random(len(each))) for each in labels]
    facts = {"config": dataclasses.asdict(task.settings)}
    return training.Trained(*scored, facts)


def test_an_ensemble_is_measured_again_when_its_seeds_change(
    small_preset, rbp_data, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "train_network", drawn)
    found = [
        run(
            "rbp31",
            rbp_data,
            tmp_path,
            "--presets",
            "small",
            "--ensembles",
            *seeds,
        )
        for seeds in (["--seeds", 1, 2], ["--seeds", 1, 2], ["--seeds", 1, 3])
    ]
    means = [results["small-x2.frozen.seed1.none"] for results in found]
    assert means[0] == means[1]
    assert [mean["seeds"] for mean in means] == [[1, 2], [1, 2], [1, 3]]
    members = [predictions(tmp_path, "small", seed) for seed in (1, 3)]
    mean = np.mean([each["test_probabilities"] for each in members], axis=0)
    expected = metrics.auroc(members[0]["test_labels"], mean)
    assert means[2]["auroc"] == pytest.approx(expected, abs=1e-12)


def test_a_result_of_other_settings_is_neither_done_nor_a_member_of_an_ensemble(
    small_preset, rbp_data, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "train_network", drawn)
    run("rbp31", rbp_data, tmp_path, "--presets", "small")
    train = dataclasses.replace(SMALL.train, epochs=2)
    changed = dataclasses.replace(SMALL, train=train)
    monkeypatch.setitem(presets.PRESETS, "small", changed)
    flags = ["--data-dir", rbp_data, "--out", tmp_path, "--presets", "small"]
    flags += ["--seeds", 1, 2, "--ensembles", "--workers", 1]
    assert benchmark.main(["rbp31", *map(str, flags)]) == 1
    error = capsys.readouterr().err
    assert "small.frozen.seed1.none.json was trained with other settings" in error
    names = {path.name for path in (tmp_path / "rbp31" / "results").glob("*/*.json")}
    assert names == {f"small.frozen.seed{seed}.none.json" for seed in (1, 2)}


def test_precision_is_a_setting_but_no_other_task(
    small_preset, rbp_data, tmp_path, monkeypatch
):
    monkeypatch.setattr(training, "train_network", drawn)
    flags = ["--presets", "small", "--mixed-precision"]
    results = run("rbp31", rbp_data, tmp_path, *flags)
    (result,) = results.values()
    assert result["config"]["train"]["mixed_precision"] is True
    assert run("rbp31", rbp_data, tmp_path, "--presets", "small") == results


def test_an_experiment_whose_files_have_changed_is_refused(rbp_data, tmp_path, capsys):
    data = shutil.copytree(rbp_data, tmp_path / "data")
    out = tmp_path / "out"
    run("rbp31", data, out, "--presets", "oli")
    write(data / "rbp31" / f"{NAME}.train.fa.gz", labelled(90, 9))
    flags = ["--data-dir", data, "--out", out, "--presets", "position-kmer"]
    assert benchmark.main(["rbp31", *map(str, flags)]) == 1
    assert f"The files of {NAME} have changed" in capsys.readouterr().err


def test_a_task_that_another_process_runs_is_skipped(rbp_data, tmp_path, capsys):
    found = experiments.find("rbp31", rbp_data)
    (task,) = tasks.plan("rbp31", found, ["oli"], [1], ["frozen"], ["none"])
    lock = task.lock_path(tmp_path)
    lock.parent.mkdir(parents=True)
    with locks.held(lock):
        assert run("rbp31", rbp_data, tmp_path, "--presets", "oli") == {}
    assert "1 tasks are run by other processes" in capsys.readouterr().out


def test_a_task_that_fails_does_not_stop_the_others(
    rbp_data, tmp_path, capsys, monkeypatch
):
    fit = linear_baselines.fit

    def fail_for_oli(name, *sites):
        if name == "oli":
            raise UserError("training diverged.")
        return fit(name, *sites)

    monkeypatch.setattr(linear_baselines, "fit", fail_for_oli)
    argv = ["rbp31", "--data-dir", str(rbp_data), "--out", str(tmp_path)]
    argv += ["--workers", "1", "--presets", "oli", "position-kmer"]
    assert benchmark.main(argv) == 1
    error = capsys.readouterr().err
    assert "1 of 2 tasks failed" in error and "training diverged." in error
    (result,) = (tmp_path / "rbp31" / "results").glob("*/*.json")
    assert result.name.startswith("position-kmer")
    assert (tmp_path / "rbp31" / "report.md").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--experiments", "7"], "No experiment '7'"),
        (["--presets", "papr"], "No preset 'papr'"),
        (
            ["--protocols", "best"],
            "protocols: no 'best'; there are: frozen, grouped",
        ),
        (["--masks", "all"], "masks: no 'all'; there are: none, 3prime-edge"),
        (["--seeds", "-1"], "seeds must not be negative"),
        (["--seeds", "1", "1"], "seeds: give each once, got (1, 1)."),
        (["--shard", "3/2"], "shard must be such as 1/3"),
        (["--published", "none.csv"], "Cannot read the published table none.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line(flags, message, rbp_data, tmp_path, capsys):
    argv = ["rbp31", "--data-dir", str(rbp_data), "--out", str(tmp_path), *flags]
    assert benchmark.main(argv) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke benchmark: error: ") and message in error
