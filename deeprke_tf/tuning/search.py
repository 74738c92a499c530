"""The search loop: each process takes one trial after the other until all have ended.

Any number of processes, on any machines with access to the directory, may search
together. A process holds the lock of the oracle while it asks for a trial, and the lock
of the trial while it trains. If a process dies, its locks are released, and another one
resumes its trial.
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
            "A search no longer has a chief process. Unset KERASTUNER_ORACLE_IP, and "
            "start all processes alike, with the same `out`."
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

    Its status is IDLE while other processes train the last trials, or trials that the
    next ones depend on, and STOPPED when all have ended.
    """
    with opened(plan) as oracle:
        unfinished = []
        for name, trial in list(oracle.trials.items()):
            if result := results.read_result(plan.out, name):
                oracle.record(result)
            else:
                unfinished.append(trial)
        for trial in unfinished:
            with contextlib.ExitStack() as own:
                if not _lock(plan, trial, own):
                    continue
                # Another process may have ended it after it was looked for above.
                if result := results.read_result(plan.out, trial.trial_id):
                    oracle.record(result)
                    continue
                logger.info("resuming trial %s", trial.trial_id)
                trial.status = TrialStatus.RUNNING  # if its directory was deleted
                locks.enter_context(own.pop_all())
                return trial
        trial = oracle.next_trial()
        if trial.status == TrialStatus.RUNNING:
            _lock(plan, trial, locks)
        elif unfinished:
            # Another process trains the last trial; this one waits, in case it dies.
            trial.status = TrialStatus.IDLE
        return trial


def _lock(plan: SearchPlan, trial: Trial, locks: contextlib.ExitStack) -> bool:
    directory = results.trial_directory(plan.out, trial.trial_id)
    return locks.enter_context(only_process(directory))
