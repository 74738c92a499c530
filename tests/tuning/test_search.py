import contextlib
import dataclasses
import json
import logging
import shutil

import pytest

from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import directories, files
from deeprke_tf.tuning import plan as tune_plan
from deeprke_tf.tuning import results
from deeprke_tf.tuning import search as tune_search
from deeprke_tf.tuning.leaderboard import Leaderboard
from deeprke_tf.tuning.plan import SearchPlan
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.space import Choices, Range

START = RunConfig(train=TrainConfig(epochs=3))
SPACE = {
    "lstm_units": Choices((8, 16, 32)),
    "learning_rate": Range(1e-4, 1e-2, sampling="log"),
}
TUNERS = ["random", "bayesian", "hyperband"]


def plan_of(out, tuner="random", trials=8, **settings):
    trials = None if tuner == "hyperband" else trials
    return SearchPlan(out, out, START, SPACE, tuner, trials, **settings)


def score(run_config):
    """Replaces training: the more LSTM units, the better."""
    return run_config.model.lstm_units / 100 + run_config.train.learning_rate


class Run:
    """Searches with `score` in place of training; keeps what was run."""

    def __init__(self, monkeypatch, out, tuner="random", trials=8):
        self.plan = plan_of(out, tuner, trials)
        self.ran = []
        self.fails = ()
        self.interrupt_at = None
        self.interruption = KeyboardInterrupt
        monkeypatch.setattr(tune_search, "run_trial", self.run_trial)

    def run_trial(self, plan, trial, run_config):
        directory = results.trial_directory(plan.out, trial)
        directory.mkdir(parents=True, exist_ok=True)
        files.write_json(directory / layout.CONFIG, dataclasses.asdict(run_config))
        if len(self.ran) == self.interrupt_at:
            self.interrupt_at = None
            raise self.interruption
        self.ran.append((trial, run_config))
        if len(self.ran) in self.fails:
            result = TrialResult(trial, message="out of memory")
        else:
            result = TrialResult(trial, (score(run_config),), (1,), (1,))
        results.write_result(plan.out, result)

    def search(self, **settings):
        tune_search.run_trials(self.plan, Leaderboard(self.plan), **settings)
        return self.ran

    @property
    def trials(self):
        return [trial for trial, _config in self.ran]


@pytest.fixture
def run(monkeypatch, tmp_path):
    return lambda *settings, **named: Run(monkeypatch, tmp_path, *settings, **named)


@pytest.fixture
def killed(run):
    """A search that was killed in its third trial."""
    killed = run(trials=4)
    killed.interrupt_at = 2
    with pytest.raises(KeyboardInterrupt):
        killed.search()
    return killed


# === One process ===


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_first_trial_is_the_start_and_no_settings_come_twice(tuner, run):
    searched = run(tuner, 6)
    ran = searched.search()
    epochs = 1 if tuner == "hyperband" else START.train.epochs
    train = dataclasses.replace(START.train, epochs=epochs)
    assert ran[0][1] == dataclasses.replace(START, train=train)
    assert len({run_config for _trial, run_config in ran}) == len(ran)
    assert searched.trials == sorted(searched.trials)
    assert len(ran) == searched.plan.max_trials


def test_bayesian_optimization_learns_what_is_good(run):
    scores = [score(run_config) for _trial, run_config in run("bayesian", 6).search()]
    assert sum(scores[4:]) / 2 > sum(scores[:4]) / 4
    assert max(scores[4:]) >= max(scores[:4])


def test_hyperband_trains_the_best_for_longer(run):
    ran = run("hyperband").search()
    epochs = [run_config.train.epochs for _trial, run_config in ran]
    assert set(epochs) == {1, 3}
    assert len(ran) == tune_plan.hyperband_size(3)
    short, long = (
        [score(run_config) for _t, run_config in ran if run_config.train.epochs == n]
        for n in (1, 3)
    )
    assert max(short) in long


def test_hyperband_needs_the_trials_of_a_round(tmp_path):
    with pytest.raises(UserError, match=r"has 6 trials, .*`trials=5` would end"):
        SearchPlan(tmp_path, tmp_path, START, SPACE, "hyperband", 5)


def test_the_search_ends_when_all_settings_were_tried(run):
    small = run(trials=20)
    small.plan = dataclasses.replace(
        small.plan, space={"lstm_units": SPACE["lstm_units"]}
    )
    assert len(small.search()) == 3


def test_failed_trials_do_not_end_the_search(run):
    failing = run("bayesian", 6)
    failing.fails = (1, 2, 3, 4, 6)
    assert len(failing.search()) == 6


def test_no_trial_is_started_when_the_time_is_over(run):
    assert run().search(ends_at=0.0) == []


def test_the_end_of_each_trial_is_logged(run, caplog):
    caplog.set_level(logging.INFO, "deeprke_tf")
    run(trials=2).search()
    assert caplog.messages[0] == (
        "trial 0  validation AUROC 0.3210, best epoch 1 of 1, 0 s,   best so far"
    )
    assert len(caplog.messages) == 2


# === Interrupted and resumed ===


@pytest.mark.parametrize(
    ("tuner", "interrupt_at"),
    [("random", 0), ("random", 3), ("bayesian", 4), ("hyperband", 3)],
)
def test_a_killed_search_is_resumed_as_if_nothing_had_happened(
    tuner, interrupt_at, monkeypatch, tmp_path
):
    whole = Run(monkeypatch, tmp_path / "whole", tuner, 5).search()
    killed = Run(monkeypatch, tmp_path / "killed", tuner, 5)
    killed.interrupt_at = interrupt_at
    with pytest.raises(KeyboardInterrupt):
        killed.search()
    assert killed.search() == whole


def test_a_finished_search_is_extended_by_more_trials(run):
    first = run(trials=2)
    first.search()
    first.plan = plan_of(first.plan.out, trials=4)
    assert len(first.search()) == 4


@pytest.mark.parametrize("deleted", ["0", "2"], ids=["finished", "unfinished"])
def test_a_trial_whose_directory_was_deleted_is_trained_again(deleted, killed):
    shutil.rmtree(results.trial_directory(killed.plan.out, deleted))
    killed.search()
    assert sorted(killed.trials) == sorted(
        ["0", "1", "2", "3", *(["0"] if deleted == "0" else [])]
    )
    assert len(results.read_results(killed.plan.out)) == 4


def test_a_search_without_the_state_of_its_oracle_keeps_its_results(
    killed, monkeypatch
):
    shutil.rmtree(killed.plan.out / results.ORACLE)
    repeated = killed.search()
    assert repeated[2:4] == repeated[:2]
    assert killed.trials[4:] == ["2", "3"]


def test_a_search_of_version_0_1_0_is_resumed(killed):
    """Version 0.1.0 kept each trial in a file, as KerasTuner does."""
    state = killed.plan.out / "oracle" / "oracle.json"
    contents = json.loads(state.read_text())
    del contents["trials"]
    contents["ongoing_trials"] = {"tuner0": "2"}
    contents["retry_queue"] = ["2"]
    state.write_text(json.dumps(contents))
    killed.search()
    assert killed.trials == ["0", "1", "2", "3"]


@pytest.mark.parametrize("text", ["{", "[]", '{"trials": [{}]}', '{"trials": []}'])
def test_a_damaged_state_is_named(text, killed):
    (killed.plan.out / "oracle" / "oracle.json").write_text(text)
    with pytest.raises(UserError, match=r"oracle\.json"):
        killed.search()


def test_the_state_is_never_half_written(killed, monkeypatch):
    state = killed.plan.out / "oracle" / "oracle.json"
    whole = state.read_text()

    def interrupt(*_paths):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        killed.search()
    assert state.read_text() == whole


# === Several processes ===


@contextlib.contextmanager
def held_elsewhere(plan, trial):
    """Holds the lock of a trial, as another process that trains it does."""
    with directories.only_process(results.trial_directory(plan.out, trial)) as is_held:
        assert is_held
        yield


@pytest.mark.parametrize("tuner", TUNERS)
def test_trials_that_others_train_are_left_to_them_until_they_die(
    tuner, run, monkeypatch, caplog
):
    caplog.set_level(logging.INFO, "deeprke_tf")
    mine = run(tuner, 6)
    mine.interrupt_at = 4
    with pytest.raises(KeyboardInterrupt):
        mine.search()
    (other,) = [path.parent.name for path in mine.plan.out.glob("trials/*/config.json")
                if not (path.parent / "result.json").exists()]  # fmt: skip
    lock = contextlib.ExitStack()
    lock.enter_context(held_elsewhere(mine.plan, other))
    monkeypatch.setattr("time.sleep", lambda _seconds: lock.close())  # it dies
    mine.search()
    assert mine.trials.index(other) == 5
    assert len(mine.trials) == len(set(mine.trials)) == mine.plan.max_trials
    assert f"resuming trial {other}" in caplog.messages


def test_a_result_of_another_process_is_taken(killed):
    with held_elsewhere(killed.plan, "2"):
        other = TrialResult("2", (0.9,), (1,), (1,))
        results.write_result(killed.plan.out, other)
        killed.search()
    assert killed.trials == ["0", "1", "3"]
    assert results.read_results(killed.plan.out)[0] == other


def test_a_trial_that_another_process_ends_just_now_is_not_tried_again(
    killed, monkeypatch
):
    """It ends between the look for its result and the attempt to take its lock."""
    other = TrialResult("2", (0.9,), (1,), (1,))

    @contextlib.contextmanager
    def freed_by_the_other(directory, **settings):
        with directories.only_process(directory, **settings) as is_held:
            if directory == results.trial_directory(killed.plan.out, "2"):
                results.write_result(killed.plan.out, other)
            yield is_held

    monkeypatch.setattr(tune_search, "only_process", freed_by_the_other)
    killed.search()
    assert killed.trials == ["0", "1", "3"]
    assert results.read_results(killed.plan.out)[0] == other


def test_a_chief_of_kerastuner_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(UserError, match="no longer has a chief process"):
        tune_search.search(plan_of(tmp_path))
