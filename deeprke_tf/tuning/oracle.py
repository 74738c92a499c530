"""KerasTuner's oracles, which choose the settings of each trial, made resumable.

The state of an oracle is one file, replaced atomically. A process takes the lock, loads
the file and asks for a trial. No process keeps an oracle in memory, so any number of
processes can work on one search.
"""

import copy
import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import files
from deeprke_tf.system.directories import only_process
from deeprke_tf.tuning import results
from deeprke_tf.tuning.plan import HYPERBAND_FACTOR, SearchPlan, hyperband_size
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.space import sample

OBJECTIVE = "val_auroc"
STATE = "oracle.json"


class ResumableOracle(keras_tuner.Oracle):
    """Adds to each of KerasTuner's oracles; the first trial has the starting settings.

    Attributes:
      path: State file. It is replaced after each change.
    """

    path: Path
    trials: dict[str, Trial]
    ongoing_trials: dict[str, Trial]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the settings of a new trial, as KerasTuner wants them."""
        filled = super().populate_space(trial_id)
        if not self.trials:
            # The defaults of the space; Hyperband adds other values.
            defaults = {hp.name: hp.default for hp in self.hyperparameters.space}
            filled["values"] = filled["values"] | defaults
        return filled

    def next_trial(self) -> Trial:
        """Returns a new trial to train; its status may also be IDLE or STOPPED."""
        # KerasTuner repeats the running trial of a known worker: take a new name.
        return self.create_trial(f"trial-{len(self.trials)}")

    def record(self, result: TrialResult) -> None:
        """Records the result of a trial, unless it is known already."""
        trial = self.trials.get(result.trial)
        if trial is None or trial.status != TrialStatus.RUNNING:
            return
        if result.failed:
            trial.status, trial.message = TrialStatus.FAILED, result.message
        else:
            self.update_trial(trial.trial_id, {OBJECTIVE: result.auroc})
            trial.status = TrialStatus.COMPLETED
        self.end_trial(trial)

    def save(self) -> None:
        """Writes the state; KerasTuner calls this after each change."""
        trials = [trial.get_state() for trial in self.trials.values()]
        files.write_json(self.path, {**self.get_state(), "trials": trials})

    def reload(self) -> None:
        """Loads the state, if there is any.

        Raises:
          UserError: The file is damaged.
        """
        if not self.path.exists():
            return
        state = files.read_json(self.path)
        try:
            # 0.1.0 kept each trial in a separate file, as KerasTuner does.
            trials = state.get("trials") or [
                files.read_json(path)
                for path in sorted(self.path.parent.glob("trial_*/trial.json"))
            ]
            self.trials = {t["trial_id"]: Trial.from_state(t) for t in trials}
            ongoing = {
                f"trial-{name}": name
                for name, trial in self.trials.items()
                if trial.status == TrialStatus.RUNNING
            }
            # Running trials are found by their locks, not in KerasTuner's queue.
            self.set_state({**state, "ongoing_trials": ongoing, "retry_queue": []})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.path} is damaged ({error!r}); delete {self.path.parent}."
            ) from error


class _Random(ResumableOracle, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Hyperband(ResumableOracle, keras_tuner.oracles.HyperbandOracle):
    pass


class _Bayesian(ResumableOracle, keras_tuner.oracles.BayesianOptimizationOracle):
    """Supposes the lowest score for trials that are still running ("constant liar")."""

    num_initial_points: float

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        trials, ongoing = self.trials, self.ongoing_trials
        n_random = self.num_initial_points
        scores = [t.score for t in trials.values() if t.status == TrialStatus.COMPLETED]
        if len(scores) >= n_random:
            self.ongoing_trials = {}
            self.trials = {
                name: _with_score(trial, min(scores)) for name, trial in trials.items()
            }
        filled = super().populate_space(trial_id)
        tried = [trial.hyperparameters.values for trial in trials.values()]
        if filled.get("values") in tried:
            # The process may converge on a trial that was done: draw at random instead.
            self.num_initial_points = math.inf
            filled = super().populate_space(trial_id)
        self.trials, self.ongoing_trials = trials, ongoing
        self.num_initial_points = n_random
        return filled


def _with_score(trial: Trial, score: float) -> Trial:
    """Returns a trial; a running one as a copy that has ended with the score."""
    if trial.status == TrialStatus.RUNNING:
        trial = copy.copy(trial)
        trial.status, trial.score = TrialStatus.COMPLETED, score
    return trial


@contextmanager
def opened(plan: SearchPlan) -> Iterator[ResumableOracle]:
    """Loads the oracle of a search; other processes wait meanwhile.

    Raises:
      UserError: Its state is damaged.
    """
    with only_process(plan.out / results.ORACLE, wait=True):
        oracle = _new_oracle(plan)
        oracle.verbose = 0
        # A tuner alone tells an oracle where its files are.
        BaseTuner(oracle, directory=str(plan.out), project_name=results.ORACLE)
        oracle.path = plan.out / results.ORACLE / STATE
        oracle.reload()
        oracle.max_trials = plan.max_trials
        if isinstance(oracle, _Hyperband):
            rounds = plan.max_trials / hyperband_size(plan.start.train.epochs)
            oracle.hyperband_iterations = math.ceil(rounds)
        yield oracle


def _new_oracle(plan: SearchPlan) -> ResumableOracle:
    space = keras_tuner.HyperParameters()
    sample(space, plan.space, plan.start)
    settings = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": space,
        "seed": plan.start.train.seed % 2**31 + 1,  # KerasTuner takes 0 for none.
        # Failed trials are recorded; they do not end the search.
        "max_consecutive_failed_trials": 2**31,
    }
    if plan.tuner == "random":
        return _Random(**settings)
    if plan.tuner == "bayesian":
        # KerasTuner's default is three random trials for each setting.
        return _Bayesian(num_initial_points=max(4, plan.max_trials // 4), **settings)
    return _Hyperband(
        max_epochs=plan.start.train.epochs, factor=HYPERBAND_FACTOR, **settings
    )


def trial_settings(trial: Trial, plan: SearchPlan) -> RunConfig:
    """Returns the settings of a trial."""
    run_config = sample(trial.hyperparameters, plan.space, plan.start)
    epochs = trial.hyperparameters.values.get("tuner/epochs")  # Hyperband's
    if epochs is None:
        return run_config
    train = dataclasses.replace(run_config.train, epochs=int(epochs), min_steps=0)
    return dataclasses.replace(run_config, train=train)
