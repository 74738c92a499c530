import json
import math
import os
import shutil
import signal
import socket
import time

import pandas as pd
import pytest

from deeprke_tf import train, tune
from deeprke_tf.config import RunConfig, load
from deeprke_tf.tuning import search as tune_search
from deeprke_tf.tuning import trial as tune_trial
from tests.support import fresh_processes
from tests.support.small_runs import QUICK

pytest_plugins = ["tests.support.run_fixtures"]

SPACE = """
filters = [[8, 6], [4, 4]]
kernel_sizes = "fixed"
lstm_units = "fixed"
dense_units = "fixed"
dropout = "fixed"
batch_norm = [false, true]
learning_rate = {min = 1e-3, max = 1e39, sampling = "log"}
batch_size = "fixed"
vector_size = [5, 6]
"""


@pytest.fixture
def without_test_split(data, tmp_path):
    """The same data; whoever reads their test split fails."""
    copy = shutil.copytree(data, tmp_path / "data")
    for shard in copy.glob("test-*"):
        shard.unlink()
    return copy


@pytest.fixture
def here(monkeypatch):
    """Trains in this process, not in one of its own."""

    def train_here(task, run, run_config, _on_wait, _seconds):
        return tune_trial._failure(task, run, run_config)

    monkeypatch.setattr(tune_trial, "_train_apart", train_here)


@pytest.fixture
def flags(without_test_split, tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    given = ["--data", without_test_split, "--out", tmp_path / "search"]
    return [*map(str, [*given, "--space", tmp_path / "space.toml"]), *QUICK]


def test_a_search_leaves_a_leaderboard_a_figure_and_a_config_to_train_with(
    flags, here, tmp_path, capsys, monkeypatch
):
    assert tune.main([*flags, "--trials", "2"]) == 0
    told = capsys.readouterr().out
    search = tmp_path / "search"
    board = pd.read_csv(search / "leaderboard.csv", dtype={"trial": str})
    # Nearly all of these learning rates are far too high.
    assert set(board["status"]) == {"completed", "failed"}
    done = board[board["status"] == "completed"]
    assert done["auroc"].is_monotonic_decreasing
    assert board["message"].dropna().str.contains("training diverged").all()
    assert len(board) == 2 and "0" in set(done["trial"])
    assert (search / "objective.png").exists()
    assert "(start)" in told and "failed: In epoch 1" in told
    assert [path.parent.name for path in search.glob("trials/*/run-1")] == [
        done["trial"].iloc[0]
    ]
    # What the search measured is what training with the best config gives.
    best = search / "best_config.json"
    out = tmp_path / "run"
    data = flags[flags.index("--data") + 1]
    train_flags = ["--data", data, "--out", str(out), "--config", str(best)]
    assert train.main(train_flags) == 0
    trained = json.loads((out / "metrics.json").read_text())["auroc"]
    assert trained == pytest.approx(done["auroc"].iloc[0], abs=1e-12)
    history = search / "trials" / done["trial"].iloc[0] / "history-1.csv"
    assert history.read_text() == (out / "history.csv").read_text()
    capsys.readouterr()

    # It was begun when a setting was not there yet.
    begun_with = json.loads((search / "search.json").read_text())
    del begun_with["start"]["model"]["kmer_weight"]
    (search / "search.json").write_text(json.dumps(begun_with))
    # The same command has nothing left to do; one with more trials goes on.
    begun = []

    def begin(_task, run, *_settings):
        begun.append(run.parent.name)
        return "not trained"

    monkeypatch.setattr(tune_trial, "_train_apart", begin)
    assert tune.main([*flags, "--trials", "2"]) == 0
    assert begun == []
    assert tune.main([*flags, "--trials", "3"]) == 0
    assert begun == ["2"]
    assert len(pd.read_csv(search / "leaderboard.csv")) == 3

    # But not one that searches something else.
    assert tune.main([*flags, "--trials", "4", "--seed", "2"]) == 1
    assert "is a search with another start; name another --out." in (
        capsys.readouterr().err
    )


def test_hyperband_gives_the_best_config_all_epochs(flags, tmp_path, monkeypatch):
    def pretend(_task, run, run_config, _on_wait, _seconds):
        run.mkdir()
        ended = {"best_epoch": 1, "n_epochs": run_config.train.epochs}
        (run / "manifest.json").write_text(json.dumps(ended))
        auroc = 1 / (1 + run_config.train.learning_rate)
        (run / "metrics.json").write_text(json.dumps({"auroc": auroc}))
        return ""

    monkeypatch.setattr(tune_trial, "_train_apart", pretend)
    assert tune.main([*flags, "--tuner", "hyperband", "--epochs", "3"]) == 0
    board = pd.read_csv(tmp_path / "search" / "leaderboard.csv")
    assert set(board["n_epochs"]) == {1, 3}
    assert load(RunConfig, tmp_path / "search" / "best_config.json").train.epochs == 3


def test_where_all_trials_fail_the_reason_is_told(flags, here, capsys):
    flags = [*flags, "--learning-rate", "1e38", "--trials", "1"]
    assert tune.main(flags) == 1
    error = capsys.readouterr().err
    assert "All 1 trials failed; see" in error and "training diverged" in error


def test_without_time_no_trial_is_finished(flags, here, capsys):
    assert tune.main([*flags, "--max-time", "1e-9"]) == 1
    assert "No trial was finished; give the same command again." in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--trials", "0"], "trials must be at least 1, got 0."),
        (["--executions-per-trial", "0"], "executions_per_trial must be at least 1"),
        (["--max-time", "0"], "max_time must be above 0, got 0.0."),
        (["--lost-after", "-1"], "lost_after must be above 0, got -1.0."),
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


def test_a_directory_with_something_else_is_not_written_to(flags, tmp_path, capsys):
    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "notes.txt").write_text("mine")
    assert tune.main(flags) == 1
    assert "is not empty and not a search; name another." in capsys.readouterr().err


def test_damaged_data_are_found_before_the_search(flags, tmp_path, capsys):
    (shard,) = (tmp_path / "data").glob("validation-*")
    shard.write_bytes(shard.read_bytes()[:-20])
    assert tune.main(flags) == 1
    assert f"The shard {shard} is damaged" in capsys.readouterr().err


# === Chief and workers ===


def pretend_to_train(task, run, run_config, on_wait, _seconds):
    """Takes a second; enters in a common log that it began."""
    with open(task.search.parent / "log", "a") as log:
        log.write(f"{task.worker} {run.parent.name}\n")
    run.mkdir(exist_ok=True)
    for _ in range(4):
        time.sleep(0.25)
        on_wait()
    auroc = run_config.model.filters[0] / 10
    (run / "metrics.json").write_text(json.dumps({"auroc": auroc}))
    (run / "manifest.json").write_text(json.dumps({"best_epoch": 1, "n_epochs": 1}))
    return ""


def take_part(name, port, flags):
    """Takes part in a search as the chief or as a worker, by its name."""
    os.environ["KERASTUNER_ORACLE_IP"] = "127.0.0.1"
    os.environ["KERASTUNER_ORACLE_PORT"] = str(port)
    os.environ["KERASTUNER_TUNER_ID"] = name
    os.environ["no_proxy"] = "127.0.0.1"  # gRPC heeds proxies even here.
    tune_trial._train_apart = pretend_to_train
    tune_search._SECONDS_IDLE = 0.2
    return tune.main(flags)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_worker_loses_no_trial_and_none_is_run_twice(flags, tmp_path):
    flags = [*flags, "--trials", "4", "--lost-after", "6"]
    log, port = tmp_path / "log", free_port()

    def out(name):
        return tmp_path / f"{name}.out"

    def start(name):
        arguments = take_part, name, port, flags
        return fresh_processes.start(*arguments, out=out(name))

    def begun(worker):
        lines = log.read_text().splitlines() if log.exists() else []
        return [line.split()[1] for line in lines if line.startswith(f"{worker} ")]

    def is_there():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    running = {"chief": start("chief")}
    try:
        # A worker that comes first waits too, but asks seldom.
        fresh_processes.wait_until(is_there, running["chief"])
        running |= {name: start(name) for name in ("worker-1", "worker-2")}
        fresh_processes.wait_until(lambda: begun("worker-1"), *running.values())
        running["worker-1"].kill()
        lost = begun("worker-1")[-1]
        running["worker-3"] = start("worker-3")
        for name in ("worker-2", "worker-3", "chief"):
            fresh_processes.finish(running[name], out(name))
    finally:
        for process in running.values():
            process.kill()

    assert f"worker-1 is silent; trial {lost} is begun again" in (
        out("chief").read_text()
    )
    board = pd.read_csv(tmp_path / "search" / "leaderboard.csv", dtype={"trial": str})
    assert sorted(board["trial"]) == ["0", "1", "2", "3"]
    assert set(board["status"]) == {"completed"}
    everything = [trial for name in running for trial in begun(name)]
    # The lost one was begun twice, and ended once; all others once.
    assert sorted(everything) == sorted([*"0123", lost])
    assert not math.isnan(board["auroc"].max())
