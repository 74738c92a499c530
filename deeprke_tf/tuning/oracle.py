"""Which trial comes next: KerasTuner's oracles, and what they lack.

The first trial is the start. State on disk is replaced in one step, and no trial that
was begun is forgotten when it is read again. Among several workers, a trial whose
worker went silent goes to another one; none is ended twice; and workers stay until all
trials have ended, so that there is one to take over.
"""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import files
from deeprke_tf.tuning import space as tune_space
from deeprke_tf.tuning.roles import role
from deeprke_tf.tuning.space import Space

OBJECTIVE = "val_auroc"

_FACTOR = 3  # Hyperband keeps one trial of so many


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """What is searched.

    Attributes:
      out: Directory of the search.
      space: What varies.
      start: The settings of the first trial; its epochs are the most of any trial.
      tuner: "random", "bayesian" or "hyperband".
      trials: Most trials; None, for Hyperband alone, stands for one round.
      lost_after: Seconds without a sign after which a worker is given up for lost.
      seconds_left: After which no more trials are begun.
    """

    out: Path
    space: Space
    start: RunConfig
    tuner: str
    trials: int | None
    lost_after: float = 60.0
    seconds_left: float = math.inf


class Ledger(keras_tuner.Oracle):
    """What is added to each of KerasTuner's oracles; it lives in the chief, or alone.

    Args:
      lost_after: Seconds without a sign after which a worker is given up for lost.
      seconds_left: After which no more trials are begun.
      **settings: Of KerasTuner's oracle.
    """

    # The clock; seconds.
    _now: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, *, lost_after: float, seconds_left: float, **settings: Any):
        super().__init__(**settings)
        self.verbose = 0  # What KerasTuner prints is printed better here.
        self.lost_after = lost_after
        self._ends_at = self._now() + seconds_left
        self._heard_at: dict[str, float] = {}  # by worker
        self._were_ongoing: dict[str, str] = {}  # trial by worker, before a restart

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Returns the settings of a new trial, as KerasTuner wants them."""
        filled = super().populate_space(trial_id)
        values = filled.get("values")
        if not self.trials:
            # The defaults of the space; Hyperband's own values stay.
            filled["values"] = values | {
                hp.name: hp.default for hp in self.hyperparameters.space
            }
        elif values and self._duplicate(values):
            # Bayesian optimization may settle on what it knows already.
            values = self._random_values()
            status = TrialStatus.RUNNING if values else TrialStatus.STOPPED
            return {"status": status, "values": values}
        return filled

    @keras_tuner.synchronized
    def create_trial(self, tuner_id: str) -> Trial:
        """Returns the next trial of a worker; an idle one: ask again; or a stop."""
        self._heard_at[tuner_id] = self._now()
        self.give_up_silent_workers()
        if self._now() >= self._ends_at:
            self.tuner_ids.discard(tuner_id)
            return Trial(self.get_space(), status=TrialStatus.STOPPED)
        trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and self.ongoing_trials:
            # Somebody must be left to take over a trial whose worker dies.
            self.tuner_ids.add(tuner_id)
            trial.status = TrialStatus.IDLE
        return trial

    def get_trial(self, trial_id: str) -> Trial:
        """Returns a trial; to ask for it is a worker's sign of life."""
        self._hear(trial_id)
        return super().get_trial(trial_id)

    @keras_tuner.synchronized
    def _hear(self, trial_id: str) -> None:
        for tuner_id, trial in self.ongoing_trials.items():
            if trial.trial_id == trial_id:
                self._heard_at[tuner_id] = self._now()

    @keras_tuner.synchronized
    def end_trial(self, trial: Trial) -> None:
        """Takes the result of a trial."""
        trial_id = trial.trial_id
        if trial_id in self.end_order:
            return  # A worker given up for lost was only slow.
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
        super().end_trial(trial)

    @keras_tuner.synchronized
    def give_up_silent_workers(self) -> None:
        """Puts the trials of workers that went silent back, to be begun again."""
        for tuner_id in self.tuner_ids | set(self.ongoing_trials):
            heard_at = self._heard_at.setdefault(tuner_id, self._now())
            if self._now() - heard_at <= self.lost_after:
                continue
            self.tuner_ids.discard(tuner_id)
            lost = self.ongoing_trials.pop(tuner_id, None)
            if lost:
                print(f"{tuner_id} is silent; trial {lost.trial_id} is begun again")
                self._retry_queue.append(lost.trial_id)

    def reload(self) -> None:
        """Goes on from the state on disk; no trial that was begun is forgotten."""
        super().reload()
        begun = [
            trial.trial_id
            for trial in self.trials.values()
            if trial.status not in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        ]
        # Popped from the end: the first begun comes first.
        self._retry_queue = sorted(begun, reverse=True)
        if role() != "chief":
            return
        # Their workers may well be alive, and waiting for this chief.
        for tuner_id, trial_id in self._were_ongoing.items():
            if trial_id in self._retry_queue:
                self._retry_queue.remove(trial_id)
                self.ongoing_trials[tuner_id] = self.trials[trial_id]

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes the state that was on disk."""
        self._were_ongoing = dict(state["ongoing_trials"])
        super().set_state(state)

    def save(self) -> None:
        """Writes the state aside and renames it; trials have files of their own."""
        files.write_json(Path(self._get_oracle_fname()), self.get_state())

    def _save_trial(self, trial: Trial) -> None:
        directory = Path(self._get_trial_dir(trial.trial_id))
        files.write_json(directory / "trial.json", trial.get_state())


class _Random(Ledger, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(Ledger, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(Ledger, keras_tuner.oracles.HyperbandOracle):
    def round_size(self) -> int:
        """Returns the number of trials of one round over all brackets."""
        return sum(
            self._get_size(bracket, i)
            for bracket in range(self._get_num_brackets())
            for i in range(self._get_num_rounds(bracket))
        )


def make_oracle(plan: SearchPlan) -> Ledger:
    """Returns what chooses the settings of each trial.

    Raises:
      UserError: Fewer trials than a round of Hyperband has.
    """
    space = keras_tuner.HyperParameters()
    tune_space.sample(space, plan.space, plan.start)
    settings = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": space,
        "seed": plan.start.train.seed % 2**31 + 1,  # KerasTuner takes 0 for none.
        # Failed trials are recorded; they do not end the search.
        "max_consecutive_failed_trials": 2**31,
        "lost_after": plan.lost_after,
        "seconds_left": plan.seconds_left,
    }
    trials, epochs = plan.trials, plan.start.train.epochs
    if plan.tuner == "random":
        return _Random(max_trials=trials, **settings)
    if plan.tuner == "bayesian":
        # KerasTuner would begin with three random trials for each setting.
        n_random = max(4, (trials or 0) // 4)
        return _Bayesian(max_trials=trials, num_initial_points=n_random, **settings)
    oracle = _Hyperband(
        max_epochs=epochs, factor=_FACTOR, hyperband_iterations=1, **settings
    )
    size = oracle.round_size()
    if trials is not None and trials < size:
        raise UserError(
            f"A round of Hyperband over {epochs} epochs has {size} trials, the first "
            f"of an epoch or two: --trials {trials} would end it before any trial was "
            "trained well. Give no --trials, fewer --epochs, or another --tuner."
        )
    oracle.hyperband_iterations = -(-(trials or size) // size)
    oracle.max_trials = trials
    return oracle


def trial_settings(trial: Trial, plan: SearchPlan) -> RunConfig:
    """Returns the settings of a trial."""
    run_config = tune_space.sample(trial.hyperparameters, plan.space, plan.start)
    epochs = trial.hyperparameters.values.get("tuner/epochs")  # Hyperband's
    if epochs is None:
        return run_config
    train = dataclasses.replace(run_config.train, epochs=int(epochs), min_steps=0)
    return dataclasses.replace(run_config, train=train)
