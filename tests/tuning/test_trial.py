import contextlib
import dataclasses
import multiprocessing
import signal
import time

import numpy as np
import pytest

from deeprke_tf import config
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.runs import layout
from deeprke_tf.system import directories, files
from deeprke_tf.training import run as train_run
from deeprke_tf.tuning import results
from deeprke_tf.tuning import trial as tune_trial
from deeprke_tf.tuning.trial import TrialLostError, TrialTask
from tests.support import trial_children

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
def task(data, tmp_path):
    return TrialTask(data, tmp_path, worker="w1")


@pytest.fixture
def here(monkeypatch):
    """Trains in this process, not in one of its own; counts the trainings."""
    trained = []

    def train_here(task, run, run_config, _on_wait, _seconds):
        trained.append(run.name)
        return tune_trial._failure(task, run, run_config)

    monkeypatch.setattr(tune_trial, "_train_apart", train_here)
    return trained


def run_trial(task, trial="0", run_config=TINY):
    return tune_trial.run_trial(task, trial, run_config, lambda: None, 0.05)


def with_training(**settings):
    train = dataclasses.replace(TINY.train, **settings)
    return dataclasses.replace(TINY, train=train)


# === A trial is a training ===


@pytest.fixture
def pretended(monkeypatch):
    """Pretends to train; keeps which vectors were given to each training."""
    given = []

    def pretend(_data, run, run_config, *, vectors_from, n_devices):
        given.append(vectors_from)
        run.mkdir()
        files.write_json(run / layout.CONFIG, dataclasses.asdict(run_config))
        seed = run_config.train.seed
        (run / layout.HISTORY).write_text(f"epoch,seed\n1,{seed}\n")
        files.write_json(run / layout.METRICS, {"auroc": seed / 10})
        files.write_json(run / layout.MANIFEST, {"best_epoch": 1, "n_epochs": 2})

    monkeypatch.setattr(train_run, "train_run", pretend)
    return given


def test_a_trial_keeps_what_its_training_measured(task, here, pretended):
    result = run_trial(task)
    assert (result.aurocs, result.best_epochs, result.n_epochs) == ((0.1,), (1,), (2,))
    assert result.worker == "w1"
    kept = results.trial_directory(task.search, "0") / "history-1.csv"
    assert kept.read_text() == "epoch,seed\n1,1\n"


@pytest.mark.parametrize("finishes", [False, True])
def test_a_trial_waits_for_a_worker_that_was_only_slow(
    finishes, task, here, pretended, monkeypatch
):
    run = results.trial_directory(task.search, "0") / "run-1"
    slow = contextlib.ExitStack()
    slow.enter_context(directories.only_process(run))

    def come_to_an_end(_seconds):
        assert pretended == []
        if finishes:
            train_run.train_run(task.data, run, TINY, vectors_from=None, n_devices=1)
        slow.close()

    monkeypatch.setattr(time, "sleep", come_to_an_end)
    assert run_trial(task).aurocs == (0.1,)
    assert len(pretended) == 1


def test_executions_have_seeds_of_their_own_and_their_mean_counts(
    task, here, pretended
):
    result = run_trial(dataclasses.replace(task, executions=2))
    assert here == ["run-1", "run-2"]
    trial = task.search / "trials" / "0"
    seeds = [
        config.load(RunConfig, trial / run / "config.json").train.seed for run in here
    ]
    assert seeds == [1, 2]
    histories = [trial / f"history-{number}.csv" for number in (1, 2)]
    assert len({path.read_text() for path in histories}) == 2
    assert result.aurocs == (0.1, 0.2)
    assert result.auroc == pytest.approx(0.15)


def test_vectors_are_made_once_for_their_settings(task, here, pretended):
    other = dataclasses.replace(TINY, vectors=VectorConfig(6, vector_sites=50))
    for trial, run_config in [("0", TINY), ("1", TINY), ("2", other)]:
        assert not run_trial(task, trial, run_config).failed
        if trial == "0":
            (kept,) = (task.search / "vectors").iterdir()
            made = (kept / "sequence_vectors.npy").stat().st_mtime_ns
    assert (kept / "sequence_vectors.npy").stat().st_mtime_ns == made
    assert len(list((task.search / "vectors").iterdir())) == 2
    first, second, third = pretended
    assert first == second == kept.resolve() != third
    sizes = [np.load(of / "sequence_vectors.npy").shape[1] for of in (first, third)]
    assert sizes == [5, 6]


def test_a_trial_that_is_over_is_not_run_again(task, here, pretended):
    first = run_trial(task)
    assert run_trial(dataclasses.replace(task, worker="w2")) == first
    assert here == ["run-1"]


# === What can go wrong ===


def test_a_training_that_diverges_is_a_failed_trial(task, here):
    result = run_trial(task, run_config=with_training(learning_rate=1e38))
    assert result.failed and "training diverged" in result.message
    assert results.read_result(task.search, "0") == result


def test_a_lack_of_memory_is_a_failed_trial(task, here, monkeypatch):
    import tensorflow as tf

    errors = [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"),
        MemoryError("Unable to allocate 9 GiB"),
        ZeroDivisionError("division by zero"),
    ]

    def fail(*_arguments, **_options):
        raise errors.pop(0)

    monkeypatch.setattr(train_run, "train_run", fail)
    messages = [run_trial(task, trial).message for trial in "012"]
    assert messages == [
        "out of memory: OOM when allocating",
        "out of memory: Unable to allocate 9 GiB",
        "ZeroDivisionError: division by zero",
    ]


def test_a_trial_that_takes_the_machine_down_is_given_up(task, monkeypatch):
    starts = []

    def die(*_arguments):
        starts.append(1)
        raise SystemExit

    monkeypatch.setattr(tune_trial, "_train_apart", die)
    for _ in range(3):
        with pytest.raises(SystemExit):
            run_trial(task)
    result = run_trial(task)
    assert len(starts) == 3
    assert "begun 3 times without finishing another epoch" in result.message


def test_a_trial_that_gets_on_may_be_killed_as_often_as_one_likes(task, monkeypatch):
    starts = []

    def get_on_and_die(_task, run, *_rest):
        starts.append(1)
        run.mkdir(exist_ok=True)
        (run / "history.csv").write_text("epoch\n" + "1\n" * len(starts))
        raise SystemExit

    monkeypatch.setattr(tune_trial, "_train_apart", get_on_and_die)
    for _ in range(6):
        with pytest.raises(SystemExit):
            run_trial(task)
    assert len(starts) == 6


def test_an_interrupt_is_not_held_against_the_trial(task, monkeypatch):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_trial, "_train_apart", interrupt)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run_trial(task)
    assert results.read_result(task.search, "0") is None


# === The process that trains ===


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.parametrize(
    ("child", "message"),
    [
        (trial_children.succeeds, ""),
        (trial_children.fails, "out of memory"),
        (
            trial_children.is_killed,
            "killed by the system, most likely for lack of memory",
        ),
        (trial_children.crashes, "ended by SIGABRT"),
        (trial_children.ends, "ended with status 3"),
    ],
)
def test_the_end_of_the_process_is_told(child, message, task, tmp_path, monkeypatch):
    monkeypatch.setattr(tune_trial, "_train", child)
    told = tune_trial._train_apart(task, tmp_path / "run", TINY, lambda: None, 0.05)
    assert told == message


def test_a_lost_trial_ends_its_process(task, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def lose_it_once_begun():
        if run.exists():
            raise TrialLostError

    monkeypatch.setattr(tune_trial, "_train", trial_children.sleeps)
    with pytest.raises(TrialLostError):
        tune_trial._train_apart(task, run, TINY, lose_it_once_begun, 0.05)
    assert not multiprocessing.active_children()


def test_a_finished_run_needs_no_process(task, tmp_path, monkeypatch):
    monkeypatch.setattr(tune_trial, "_train", None)
    (tmp_path / layout.MANIFEST).write_text("{}")
    assert tune_trial._train_apart(task, tmp_path, TINY, lambda: None, 0.05) == ""
