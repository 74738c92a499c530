"""The search loop: each process takes one trial after the other until all have ended.

Any number of processes, on any machines that share the directory, may search together.
The lock of the oracle's state decides who asks for a trial, the lock of a trial who
trains it. The system frees the locks of a process that dies; another one resumes its
trial.
"""

import contextlib
import logging
import math
import os
import time

from keras_tuner.engine.trial import Trial, TrialStatus

from deeprke_tf.errors import UserError
from deeprke_tf.system.directories import only_process
from deeprke_tf.tuning import results
from deeprke_tf.tuning.leaderboard import Leaderboard
from deeprke_tf.tuning.oracle import opened, trial_settings
from deeprke_tf.tuning.plan import SearchPlan, begin
from deeprke_tf.tuning.trial import run_trial

SECONDS_IDLE = 2.0

logger = logging.getLogger(__name__)


def search(plan: SearchPlan, max_time: float | None = None) -> Leaderboard:
    """Searches for settings with a higher AUROC on the validation split.

    A search of the same plan in `plan.out` is resumed, alone or beside other processes.

    Args:
      plan: What to search, and where.
      max_time: Hours after which this process starts no more trials.

    Returns:
      The trials, the best first.

    Raises:
      UserError: An argument cannot be used, or no trial succeeded.
    """
    started = time.monotonic()
    if max_time is not None and not max_time > 0:
        raise UserError(f"`max_time` must be above 0, got {max_time}.")
    if "KERASTUNER_ORACLE_IP" in os.environ:
        raise UserError(
            "A search has no chief any more: all processes with the same `out` share "
            "it. Unset KERASTUNER_ORACLE_IP and start them alike."
        )
    begin(plan)
    board = Leaderboard(plan)
    run_trials(plan, board, started + 3600 * (max_time or math.inf))
    board.finish()
    return board


def run_trials(plan: SearchPlan, board: Leaderboard, ends_at: float = math.inf) -> None:
    """Runs trials until all have ended, here or in other processes.

    Args:
      plan: The search.
      board: Updated after each trial.
      ends_at: When to start no more trials, in seconds of `time.monotonic`.
    """
    while time.monotonic() < ends_at:
        with contextlib.ExitStack() as locks:
            trial = _take_trial(plan, locks)
            if trial.status == TrialStatus.STOPPED:
                return
            if trial.status != TrialStatus.IDLE:
                run_trial(plan, trial.trial_id, trial_settings(trial, plan))
        board.update()
        if trial.status == TrialStatus.IDLE:
            time.sleep(SECONDS_IDLE)


def _take_trial(plan: SearchPlan, locks: contextlib.ExitStack) -> Trial:
    """Returns the next trial for this process, with its lock added to `locks`.

    Its status is IDLE while other processes train the last trials, or those on which
    the next ones depend, and STOPPED when all have ended.
    """
    with opened(plan) as oracle:
        unfinished = []
        for name, trial in list(oracle.trials.items()):
            if result := results.read_result(plan.out, name):
                oracle.record(result)
            else:
                unfinished.append(trial)
        for trial in unfinished:
            if _lock(plan, trial, locks):
                logger.info("resuming trial %s", trial.trial_id)
                trial.status = TrialStatus.RUNNING  # if its directory was deleted
                return trial
        trial = oracle.next_trial()
        if trial.status == TrialStatus.RUNNING:
            _lock(plan, trial, locks)
        elif unfinished:
            # Another process trains it. If that one dies, somebody must be left.
            trial.status = TrialStatus.IDLE
        return trial


def _lock(plan: SearchPlan, trial: Trial, locks: contextlib.ExitStack) -> bool:
    directory = results.trial_directory(plan.out, trial.trial_id)
    return locks.enter_context(only_process(directory))
