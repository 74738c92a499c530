import time

import grpc
import pytest
from keras_tuner.engine.trial import Trial

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.tuning import oracle as tune_oracle
from deeprke_tf.tuning import search
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.space import Choices
from deeprke_tf.tuning.trial import TrialLostError


@pytest.fixture
def plan(tmp_path):
    space = {"lstm_units": Choices((8, 16, 32))}
    return tune_oracle.SearchPlan(tmp_path, space, RunConfig(), "random", 3)


@pytest.fixture
def environment(monkeypatch):
    def set_role(name, ip="127.0.0.1"):
        monkeypatch.setenv("KERASTUNER_ORACLE_IP", ip)
        monkeypatch.setenv("KERASTUNER_ORACLE_PORT", "8000")
        monkeypatch.setenv("KERASTUNER_TUNER_ID", name)

    return set_role


def test_each_end_of_a_trial_is_told(plan):
    calls = []

    def run_trial(trial, on_wait):
        calls.append(trial.trial_id)
        return TrialResult(trial.trial_id, (0.5,), (1,), (1,))

    oracle = tune_oracle.make_oracle(plan)
    search.search(oracle, plan, run_trial, lambda: calls.append("told"))
    assert calls == ["0", "told", "1", "told", "2", "told"]


def test_a_trial_that_was_given_to_another_is_dropped(plan, monkeypatch):
    begun = []

    def run_trial(trial, on_wait):
        begun.append(trial.trial_id)
        if len(begun) == 1:
            raise TrialLostError
        return TrialResult(trial.trial_id, (0.5,), (1,), (1,))

    oracle = tune_oracle.make_oracle(plan)
    search.search(oracle, plan, run_trial, lambda: None)
    assert begun == ["0", "0", "1", "2"]


def test_a_worker_knows_when_it_was_silent_for_too_long(plan, environment, monkeypatch):
    environment("worker")
    oracle = tune_oracle.make_oracle(plan)
    tuner = search._Tuner(oracle, directory=str(plan.out), project_name="oracle")
    tuner.lost_after = 60
    asked = []
    monkeypatch.setattr(
        tuner, "oracle", type("Client", (), {"get_trial": asked.append})
    )
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    sign = tuner._sign_of_life(Trial(oracle.get_space(), trial_id="7"))
    clock[0] = 50
    sign()
    clock[0] = 100
    sign()
    clock[0] = 161
    with pytest.raises(TrialLostError):
        sign()
    assert asked == ["7", "7", "7"]


def test_a_chief_that_is_gone_is_told_in_one_line(plan, environment, monkeypatch):
    environment("worker")

    class Gone(grpc.RpcError):
        def details(self):
            return "Deadline Exceeded"

    def create_trial(self, tuner_id):
        raise Gone

    monkeypatch.setattr(
        "keras_tuner.src.distribute.oracle_client.OracleClient.create_trial",
        create_trial,
    )
    oracle = tune_oracle.make_oracle(plan)
    with pytest.raises(UserError, match=r"chief at 127\.0\.0\.1:8000: Deadline"):
        search.search(oracle, plan, lambda *_: None, lambda: None)


def test_a_chief_that_cannot_listen_says_so(plan, environment):
    environment("chief", ip="256.0.0.1")
    oracle = tune_oracle.make_oracle(plan)
    with pytest.raises(UserError, match=r"Cannot listen at 256\.0\.0\.1:8000"):
        search.search(oracle, plan, lambda *_: None, lambda: None)
