import dataclasses
import json

import pytest
from keras_tuner.engine.trial import TrialStatus

from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.errors import UserError
from deeprke_tf.tuning import oracle as tune_oracle
from deeprke_tf.tuning import search as tune_search
from deeprke_tf.tuning.oracle import SearchPlan
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.space import Choices, Range

START = RunConfig(train=TrainConfig(epochs=9))
SPACE = {
    "lstm_units": Choices((8, 16, 32)),
    "learning_rate": Range(1e-4, 1e-2, sampling="log"),
}
TUNERS = ["random", "bayesian", "hyperband"]


def plan_of(out, tuner="random", trials=8, **settings):
    trials = None if tuner == "hyperband" else trials
    return SearchPlan(out, SPACE, START, tuner, trials, **settings)


def score(run_config):
    """Stands for training: the more LSTM units, the better."""
    return run_config.model.lstm_units / 100 + run_config.train.learning_rate


class Run:
    """Searches with `score` in place of training; keeps what was run."""

    def __init__(self, plan):
        self.plan = plan
        self.ran = []

    def search(self, interrupt_at=None, fails=()):
        def run_trial(trial, on_wait):
            run_config = tune_oracle.trial_settings(trial, self.plan)
            on_wait()
            if len(self.ran) == interrupt_at:
                raise KeyboardInterrupt
            self.ran.append((trial.trial_id, run_config))
            if len(self.ran) in fails:
                return TrialResult(trial.trial_id, message="out of memory")
            return TrialResult(trial.trial_id, (score(run_config),), (1,), (1,))

        oracle = tune_oracle.make_oracle(self.plan)
        tune_search.search(oracle, self.plan, run_trial, lambda: None)
        return self.ran


# === One process ===


@pytest.mark.parametrize("tuner", TUNERS)
def test_the_first_trial_is_the_start_and_no_settings_come_twice(tuner, tmp_path):
    ran = Run(plan_of(tmp_path, tuner)).search()
    first = ran[0][1]
    epochs = 1 if tuner == "hyperband" else START.train.epochs
    assert first == dataclasses.replace(
        START, train=dataclasses.replace(START.train, epochs=epochs)
    )
    assert len({run_config for _trial, run_config in ran}) == len(ran)
    assert [trial for trial, _config in ran] == sorted(trial for trial, _config in ran)


@pytest.mark.parametrize("tuner", ["random", "bayesian"])
def test_so_many_trials_are_run_as_asked_for(tuner, tmp_path):
    assert len(Run(plan_of(tmp_path, tuner, trials=7)).search()) == 7


def test_bayesian_optimization_learns_what_is_good(tmp_path):
    ran = Run(plan_of(tmp_path, "bayesian", trials=12)).search()
    scores = [score(run_config) for _trial, run_config in ran]
    assert sum(scores[8:]) / 4 > sum(scores[:4]) / 4
    assert max(scores[4:]) >= max(scores[:4])


def test_hyperband_trains_the_best_for_longer(tmp_path):
    ran = Run(plan_of(tmp_path, "hyperband")).search()
    epochs = [run_config.train.epochs for _trial, run_config in ran]
    assert set(epochs) == {1, 3, 9}
    short, long = (
        [score(run_config) for _t, run_config in ran if run_config.train.epochs == n]
        for n in (1, 9)
    )
    assert max(short) in long


def test_hyperband_refuses_to_stop_before_it_trained_anything_well(tmp_path):
    plan = dataclasses.replace(plan_of(tmp_path, "hyperband"), trials=20)
    with pytest.raises(UserError, match=r"has 23 trials, .*--trials 20 would end it"):
        tune_oracle.make_oracle(plan)


def test_the_search_ends_when_all_settings_were_tried(tmp_path):
    space = {"lstm_units": SPACE["lstm_units"]}
    plan = dataclasses.replace(plan_of(tmp_path, trials=20), space=space)
    assert len(Run(plan).search()) == 3


def test_failed_trials_do_not_end_the_search(tmp_path):
    ran = Run(plan_of(tmp_path, "bayesian")).search(fails=(1, 2, 3, 4, 6))
    assert len(ran) == 8


def test_no_trial_is_begun_after_the_time_is_over(tmp_path):
    assert Run(plan_of(tmp_path, seconds_left=0.0)).search() == []


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize("interrupt_at", [0, 3])
def test_a_killed_search_goes_on_as_if_nothing_had_happened(
    tuner, interrupt_at, tmp_path
):
    whole = Run(plan_of(tmp_path / "whole", tuner, trials=6)).search()
    killed = Run(plan_of(tmp_path / "killed", tuner, trials=6))
    with pytest.raises(KeyboardInterrupt):
        killed.search(interrupt_at=interrupt_at)
    killed.search()
    if tuner == "bayesian":  # Its random restarts are not kept.
        assert [trial for trial, _config in killed.ran] == [t for t, _config in whole]
    else:
        assert killed.ran == whole


def test_more_trials_go_on_with_a_finished_search(tmp_path):
    run = Run(plan_of(tmp_path, trials=3))
    run.search()
    run.plan = plan_of(tmp_path, trials=5)
    assert len(run.search()) == 5


def test_a_trial_that_only_its_own_file_tells_of_is_not_forgotten(
    tmp_path, monkeypatch
):
    run = Run(plan_of(tmp_path, trials=4))
    with pytest.raises(KeyboardInterrupt):
        run.search(interrupt_at=2)
    # As if killed after the file of the trial, before that of the oracle.
    state = tmp_path / "oracle" / "oracle.json"
    contents = json.loads(state.read_text())
    contents["ongoing_trials"] = {}
    state.write_text(json.dumps(contents))
    ran = run.search()
    assert sorted(trial for trial, _config in ran) == ["0", "1", "2", "3"]


# === Several workers ===


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Makes the oracle of a chief, with a clock that the test moves."""
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "1")
    monkeypatch.setenv("KERASTUNER_TUNER_ID", "chief")

    def make(trials=3):
        plan = plan_of(tmp_path, trials=trials, lost_after=60.0)
        oracle = tune_oracle.make_oracle(plan)
        oracle._set_project_dir(str(tmp_path), "oracle")
        oracle.time = 0.0
        oracle._now = lambda: oracle.time
        return oracle

    return make


def end(oracle, trial, value=0.5):
    oracle.update_trial(trial.trial_id, {"val_auroc": value})
    trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def test_the_trial_of_a_silent_worker_goes_to_another(ledger, capsys):
    oracle = ledger()
    lost = oracle.create_trial("a")
    kept = oracle.create_trial("b")
    oracle.time = 50
    oracle.get_trial(kept.trial_id)
    oracle.time = 70
    assert oracle.create_trial("c").trial_id == lost.trial_id
    assert "a is silent; trial 0 is begun again" in capsys.readouterr().out
    assert set(oracle.ongoing_trials) == {"b", "c"}


def test_a_worker_that_comes_back_gets_its_trial_again(ledger):
    oracle = ledger()
    trial = oracle.create_trial("a")
    oracle.time = 30
    assert oracle.create_trial("a").trial_id == trial.trial_id


@pytest.mark.parametrize("first", ["slow", "other"])
def test_a_trial_that_two_workers_finish_counts_once(first, ledger):
    oracle = ledger(trials=1)
    slow = oracle.create_trial("a")
    oracle.time = 100
    other = oracle.create_trial("b")
    assert other.trial_id == slow.trial_id
    trials = [slow, other] if first == "slow" else [other, slow]
    for trial in trials:
        end(oracle, trial)
    assert oracle.end_order == ["0"]
    assert not oracle.ongoing_trials
    assert oracle.create_trial("b").status == TrialStatus.STOPPED


def test_a_result_that_comes_before_the_trial_is_begun_again_is_taken(ledger):
    oracle = ledger(trials=1)
    slow = oracle.create_trial("a")
    oracle.time = 100
    oracle.give_up_silent_workers()
    end(oracle, slow)
    assert oracle.create_trial("b").status == TrialStatus.STOPPED


def test_workers_stay_until_all_trials_have_ended(ledger):
    oracle = ledger(trials=2)
    mine, lost = oracle.create_trial("a"), oracle.create_trial("b")
    end(oracle, mine)
    assert oracle.create_trial("a").status == TrialStatus.IDLE
    oracle.time = 100
    assert oracle.create_trial("a").trial_id == lost.trial_id
    end(oracle, lost)
    assert oracle.create_trial("a").status == TrialStatus.STOPPED
    # What the chief waits for before it ends.
    assert not oracle.tuner_ids and not oracle.ongoing_trials


def test_a_worker_that_dies_idle_does_not_keep_the_chief(ledger):
    oracle = ledger(trials=2)
    mine, other = oracle.create_trial("a"), oracle.create_trial("b")
    end(oracle, mine)
    assert oracle.create_trial("a").status == TrialStatus.IDLE
    oracle.time = 50
    oracle.get_trial(other.trial_id)
    oracle.time = 100
    oracle.give_up_silent_workers()
    assert oracle.tuner_ids == {"b"}


def test_a_chief_that_is_started_again_keeps_the_trials_of_its_workers(ledger):
    before = ledger()
    done, going = before.create_trial("a"), before.create_trial("b")
    end(before, done)
    again = ledger()
    again.reload()
    assert {w: t.trial_id for w, t in again.ongoing_trials.items()} == {
        "b": going.trial_id
    }
    assert again.create_trial("a").trial_id == "2"
    again.time = 30
    end(again, again.create_trial("b"))
    assert again.end_order == [done.trial_id, going.trial_id]


def test_state_is_never_half_written(ledger, tmp_path, monkeypatch):
    oracle = ledger()
    oracle.create_trial("a")
    whole = (tmp_path / "oracle" / "oracle.json").read_text()

    def interrupt(*_paths):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        oracle.save()
    assert (tmp_path / "oracle" / "oracle.json").read_text() == whole
