import dataclasses
import errno
import re

import numpy as np
import pytest

from deeprke_tf import config
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files
from deeprke_tf.training import run as train_run
from deeprke_tf.tuning import process, results
from deeprke_tf.tuning import trial as tune_trial
from deeprke_tf.tuning.plan import SearchPlan
from deeprke_tf.tuning.space import Choices

pytest_plugins = ["tests.support.run_fixtures"]

TINY = RunConfig(
    ModelConfig(
        structure=False,
        filters=(8, 6),
        kernel_sizes=(6, 3),
        lstm_units=0,
        dense_units=4,
    ),
    VectorConfig(vector_size=5, vector_sites=50),
    TrainConfig(batch_size=15, learning_rate=0.02, epochs=2, warmup_epochs=0),
)


@pytest.fixture
def plan(data, tmp_path):
    return SearchPlan(data, tmp_path, TINY, {"dense_units": Choices((4, 8))})


@pytest.fixture
def here(monkeypatch):
    """Trains in this process; returns the names of the runs that were trained."""
    trained = []

    def train_here(plan, run, run_config):
        trained.append(run.name)
        return process.failure_here(tune_trial.train, plan, run, run_config)

    monkeypatch.setattr(tune_trial, "train_apart", train_here)
    return trained


@pytest.fixture
def pretended(monkeypatch):
    """Pretends to train; returns the vectors that each training was given."""
    given = []

    def pretend(_data, run, run_config, *, vectors_from, **_settings):
        given.append(vectors_from)
        run.mkdir()
        files.write_json(run / layout.CONFIG, dataclasses.asdict(run_config))
        seed = run_config.train.seed
        (run / layout.HISTORY).write_text(f"epoch,seed\n1,{seed}\n")
        files.write_json(run / layout.METRICS, {"auroc": seed / 10})
        files.write_json(run / layout.MANIFEST, {"best_epoch": 1, "n_epochs": 2})

    monkeypatch.setattr(train_run, "train_run", pretend)
    return given


def run_trial(plan, trial="0", run_config=TINY):
    return tune_trial.run_trial(plan, trial, run_config)


def test_a_trial_keeps_what_its_training_measured(plan, here, pretended):
    result = run_trial(plan)
    assert (result.aurocs, result.best_epochs, result.n_epochs) == ((0.1,), (1,), (2,))
    assert re.fullmatch(r".+-\d+", result.worker)
    kept = results.trial_directory(plan.out, "0") / "history-1.csv"
    assert kept.read_text() == "epoch,seed\n1,1\n"


def test_a_trial_that_has_ended_is_not_run_again(plan, here, pretended):
    assert run_trial(plan) == run_trial(plan)
    assert here == ["run-1"]


def test_a_run_that_is_finished_is_not_trained_again(plan, here, pretended):
    run = results.trial_directory(plan.out, "0") / "run-1"
    run.parent.mkdir(parents=True)
    for _ in range(2):
        tune_trial.train(plan, run, TINY)
    assert len(pretended) == 1
    assert run_trial(plan).aurocs == (0.1,)
    assert here == []


def test_the_mean_of_executions_with_seeds_of_their_own_counts(plan, here, pretended):
    result = run_trial(dataclasses.replace(plan, executions=2))
    assert here == ["run-1", "run-2"]
    trial = results.trial_directory(plan.out, "0")
    assert [
        config.load(RunConfig, trial / run / "config.json").train.seed for run in here
    ] == [1, 2]
    histories = [trial / f"history-{number}.csv" for number in (1, 2)]
    assert len({path.read_text() for path in histories}) == 2
    assert result.aurocs == (0.1, 0.2)
    assert result.auroc == pytest.approx(0.15)


def test_trials_share_the_vectors_of_the_same_settings(plan, here, pretended):
    other = dataclasses.replace(TINY, vectors=VectorConfig(6, vector_sites=50))
    vectors = plan.out / "vectors"
    (vectors / "left.partial").mkdir(parents=True)
    for trial, run_config in [("0", TINY), ("1", TINY), ("2", other)]:
        assert not run_trial(plan, trial, run_config).failed
    first, second, third = pretended
    assert first == second != third
    sizes = [np.load(of / "sequence_vectors.npy").shape[1] for of in (first, third)]
    assert sizes == [5, 6]


def test_a_directory_of_another_trial_is_not_overwritten(plan, here, pretended):
    run_trial(plan)
    other = dataclasses.replace(TINY, vectors=VectorConfig(6, vector_sites=50))
    with pytest.raises(UserError, match="0 holds a trial with other settings"):
        run_trial(plan, "0", other)


# === Failures ===


def test_a_training_that_fails_is_a_failed_trial(plan, here, monkeypatch):
    def diverge(*_arguments, **_settings):
        raise UserError("training diverged")

    monkeypatch.setattr(train_run, "train_run", diverge)
    result = run_trial(plan)
    assert result.failed and result.message == "training diverged"
    assert results.read_result(plan.out, "0") == result


def test_a_full_disk_is_not_held_against_the_trial(plan, here, pretended, monkeypatch):
    def fill(*_arguments, **_settings):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise UserError("Cannot write epoch-0002.keras.") from error

    with monkeypatch.context() as patch:
        patch.setattr(train_run, "train_run", fill)
        for _ in range(5):
            with pytest.raises(UserError, match="no room on the disk: Cannot write"):
                run_trial(plan)
    assert not run_trial(plan).failed


def interrupted(plan, monkeypatch, interruption, n_times, on_start=lambda run: None):
    """Interrupts a trial several times; returns how often it was started."""
    starts = []

    def interrupt(_plan, run, _run_config):
        starts.append(1)
        on_start(run)
        raise interruption

    monkeypatch.setattr(tune_trial, "train_apart", interrupt)
    for _ in range(n_times):
        with pytest.raises(interruption):
            run_trial(plan)
    return len(starts)


def test_a_trial_that_takes_the_machine_down_is_given_up(plan, monkeypatch):
    assert interrupted(plan, monkeypatch, SystemExit, 3) == 3
    message = run_trial(plan).message
    assert "started 3 times without finishing another epoch" in message


def test_a_trial_that_makes_progress_may_be_killed_any_number_of_times(
    plan, monkeypatch
):
    def finish_an_epoch(run):
        run.mkdir(exist_ok=True)
        with open(run / "history.csv", "a") as history:
            history.write("1\n")

    assert interrupted(plan, monkeypatch, SystemExit, 6, finish_an_epoch) == 6


def test_interrupts_are_not_held_against_the_trial(plan, monkeypatch):
    assert interrupted(plan, monkeypatch, KeyboardInterrupt, 5) == 5
    assert results.read_result(plan.out, "0") is None
