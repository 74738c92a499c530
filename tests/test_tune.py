import json
import shutil
import signal

import pandas as pd
import pytest

from deeprke_tf import tune
from deeprke_tf.config import RunConfig, load
from deeprke_tf.tuning import process
from deeprke_tf.tuning import trial as tune_trial
from tests.support import fresh_processes
from tests.support.small_runs import QUICK, SEQUENCE_RUN

pytest_plugins = ["tests.support.run_fixtures"]

SPACE = """
filters = [[8, 6], [4, 4]]
kernel_sizes = "fixed"
lstm_units = "fixed"
dense_units = "fixed"
dropout = "fixed"
batch_norm = [false, true]
learning_rate = {min = 1e-3, max = 1e38, sampling = "log"}
batch_size = "fixed"
vector_size = [5, 6]
"""


@pytest.fixture
def without_test_split(data, tmp_path):
    """The same data without test shards: reading the test split fails."""
    copy = shutil.copytree(data, tmp_path / "data")
    for shard in copy.glob("test-*"):
        shard.unlink()
    return copy


@pytest.fixture
def flags(without_test_split, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    given = ["--data", without_test_split, "--out", tmp_path / "search"]
    return [*map(str, [*given, "--space", tmp_path / "space.toml"]), *QUICK]


@pytest.fixture
def pretended(monkeypatch):
    """Pretends to train; returns the names of the trials that were trained."""
    trained = []

    def pretend(_plan, run, run_config):
        trained.append(run.parent.name)
        return pretend_to_train(run, run_config)

    monkeypatch.setattr(tune_trial, "train_apart", pretend)
    return trained


def pretend_to_train(run, run_config):
    run.mkdir(exist_ok=True)
    auroc = 1 / (1 + run_config.train.learning_rate)
    (run / "metrics.json").write_text(json.dumps({"auroc": auroc}))
    ended = {"best_epoch": 1, "n_epochs": run_config.train.epochs}
    (run / "manifest.json").write_text(json.dumps(ended))
    return ""


def test_a_search_leaves_a_leaderboard_a_figure_and_a_config_to_train_with(
    flags, sequence_run, tmp_path, capsys, monkeypatch
):
    def train_here(*arguments):
        return process.failure_here(tune_trial.train, *arguments)

    monkeypatch.setattr(tune_trial, "train_apart", train_here)
    assert tune.main([*flags, *SEQUENCE_RUN, "--trials", "2"]) == 0
    shown = capsys.readouterr().out
    search = tmp_path / "search"
    board = pd.read_csv(search / "leaderboard.csv", dtype={"trial": str})
    # Nearly all of these learning rates are far too high.
    assert list(board["status"]) == ["completed", "failed"]
    assert "training diverged" in board["message"][1]
    best = board["trial"][0]
    assert best == "0"
    assert (search / "objective.png").exists()
    assert "(start)" in shown and "trial 1  failed: In epoch 1" in shown
    assert [path.parent.name for path in search.glob("trials/*/run-1")] == [best]
    # `deeprke train` with the best config gives the same run.
    config = load(RunConfig, search / "best_config.json")
    assert config == load(RunConfig, sequence_run / "config.json")
    trained = json.loads((sequence_run / "metrics.json").read_text())["auroc"]
    assert trained == pytest.approx(board["auroc"][0], abs=1e-12)
    history = search / "trials" / best / "history-1.csv"
    assert history.read_text() == (sequence_run / "history.csv").read_text()


def test_the_same_command_resumes_a_search_and_more_trials_extend_it(
    flags, pretended, tmp_path, capsys
):
    search = tmp_path / "search"
    assert tune.main([*flags, "--trials", "2"]) == 0
    # As if it had been begun before a setting was added.
    begun_with = json.loads((search / "search.json").read_text())
    del begun_with["start"]["model"]["kmer_weight"]
    (search / "search.json").write_text(json.dumps(begun_with))
    assert tune.main([*flags, "--trials", "2"]) == 0
    assert pretended == ["0", "1"]
    assert tune.main([*flags, "--trials", "3"]) == 0
    assert pretended == ["0", "1", "2"]
    assert len(pd.read_csv(search / "leaderboard.csv")) == 3
    capsys.readouterr()
    assert tune.main([*flags, "--trials", "4", "--seed", "2"]) == 1
    assert "is a search with other start; choose another --out." in (
        capsys.readouterr().err
    )


def test_hyperband_gives_the_best_config_all_epochs(flags, pretended, tmp_path):
    assert tune.main([*flags, "--tuner", "hyperband", "--epochs", "3"]) == 0
    board = pd.read_csv(tmp_path / "search" / "leaderboard.csv")
    assert set(board["n_epochs"]) == {1, 3}
    assert load(RunConfig, tmp_path / "search" / "best_config.json").train.epochs == 3


def test_the_reason_is_shown_if_all_trials_fail(flags, monkeypatch, capsys):
    monkeypatch.setattr(tune_trial, "train_apart", lambda *_arguments: "it diverged")
    assert tune.main([*flags, "--trials", "2"]) == 1
    error = capsys.readouterr().err
    assert "All 2 trials failed; see" in error
    assert "The first error: it diverged" in error


def test_without_time_no_trial_is_finished(flags, capsys):
    assert tune.main([*flags, "--max-time", "1e-9"]) == 1
    assert "No trial has finished; give the same command again." in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--trials", "0"], "--trials must be at least 1, got 0."),
        (["--executions-per-trial", "0"], "--executions-per-trial must be at least 1"),
        (["--max-time", "0"], "--max-time must be above 0, got 0.0."),
        (["--space", "none.toml"], "Cannot read the space none.toml"),
        (["--data", "none"], "none has no dataset.json"),
        (["--preset", "papre"], "No preset 'papre'"),
        (["--tuner", "hyperband", "--epochs", "30", "--trials", "20"], "90 trials"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line_and_leave_nothing(
    given, message, flags, tmp_path, capsys
):
    try:
        status = tune.main([*flags, *given])
    except SystemExit as ended:
        status = ended.code
    assert status in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "search").exists()


def test_a_model_that_the_data_do_not_suit_is_refused_before_the_search(
    joint_data, tmp_path, capsys
):
    flags = ["--data", str(joint_data / "A"), "--preset", "deeprke"]
    assert tune.main([*flags, "--out", str(tmp_path / "search")]) == 1
    assert "A holds no structures, and the model reads them" in capsys.readouterr().err
    assert not (tmp_path / "search").exists()


def test_a_directory_with_something_else_is_not_written_to(flags, tmp_path, capsys):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "notes.txt").write_text("mine")
    assert tune.main(flags) == 1
    assert "is not empty and not a search; choose another --out." in (
        capsys.readouterr().err
    )


def test_damaged_data_are_found_before_the_search(flags, tmp_path, capsys):
    (shard,) = (tmp_path / "data").glob("validation-*")
    shard.write_bytes(shard.read_bytes()[:-20])
    assert tune.main(flags) == 1
    assert f"The shard {shard} is damaged" in capsys.readouterr().err


# === Several processes ===


def take_part(log, blocks, flags):
    """Takes part in a search with pretended trainings; enters each in a log."""

    def pretend(_plan, run, run_config):
        with open(log, "a") as file:
            file.write(f"{run.parent.name}\n")
        if blocks:
            signal.pause()
        return pretend_to_train(run, run_config)

    tune_trial.train_apart = pretend
    return tune.main(flags)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_the_trial_of_a_killed_process_is_resumed_by_another(flags, tmp_path):
    flags = [*flags, "--trials", "3"]
    out = {name: tmp_path / f"{name}.out" for name in ("lost", "other")}
    log = {name: tmp_path / f"{name}.log" for name in out}

    def trained(name):
        return log[name].read_text().split() if log[name].exists() else []

    running = []
    try:
        for name in out:
            arguments = (take_part, log[name], name == "lost", flags)
            running.append(fresh_processes.start(*arguments, out=out[name]))
            fresh_processes.wait_until(lambda name=name: trained(name), *running)
        fresh_processes.wait_until(lambda: len(trained("other")) == 2, *running)
        running[0].kill()
        fresh_processes.finish(running[1], out["other"])
    finally:
        for started in running:
            started.kill()

    assert trained("lost") == ["0"]
    assert trained("other") == ["1", "2", "0"]
    assert "resuming trial 0" in out["other"].read_text()
    board = pd.read_csv(tmp_path / "search" / "leaderboard.csv", dtype={"trial": str})
    assert sorted(board["trial"]) == ["0", "1", "2"]
    assert set(board["status"]) == {"completed"}
