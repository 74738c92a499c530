"""The search itself: trials one after the other, here or by workers of a chief.

Chief and workers are KerasTuner's: processes that speak gRPC, the chief with the
oracle, the workers with the trials.
"""

import contextlib
import io
import threading
import time
from collections.abc import Callable

import grpc
from keras_tuner.engine import base_tuner
from keras_tuner.engine.trial import Trial, TrialStatus

from deeprke_tf.errors import UserError
from deeprke_tf.tuning import results
from deeprke_tf.tuning.oracle import OBJECTIVE, Ledger, SearchPlan
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.roles import address, role
from deeprke_tf.tuning.trial import TrialLostError

_SECONDS_IDLE = 2.0


def search(
    oracle: Ledger,
    plan: SearchPlan,
    run_trial: Callable[[Trial, Callable[[], None]], TrialResult],
    on_change: Callable[[], None],
) -> None:
    """Runs trials until there are no more, or, as the chief, has workers run them.

    Args:
      oracle: What chooses their settings; goes on from its state on disk.
      plan: The search.
      run_trial: Runs one; gets a function to call now and then meanwhile.
      on_change: Called when trials may have ended.

    Raises:
      UserError: The chief cannot be reached, or cannot listen.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        tuner = _Tuner(oracle, directory=str(plan.out), project_name=results.ORACLE)
    tuner.lost_after = plan.lost_after
    state = plan.out / results.ORACLE / "oracle.json"
    if role() != "worker" and state.exists():
        oracle.reload()
    if role() == "chief":
        _serve(tuner, oracle, on_change)
        return
    try:
        tuner.run(run_trial, on_change)
    except grpc.RpcError as error:
        raise UserError(
            f"Lost the chief at {address()}: {error.details() or error.code()}. "
            "Where it is still at work, give this command again."
        ) from error


class _Tuner(base_tuner.BaseTuner):
    """Asks for trials and runs them, alone or as a worker.

    Attributes:
      lost_after: Seconds without a sign after which the chief gives up a worker.
    """

    lost_after = float("inf")

    def save(self) -> None:
        """Keeps the state of the oracle; a tuner has none of its own."""
        if role() != "worker":
            self.oracle.save()

    def run(
        self,
        run_trial: Callable[[Trial, Callable[[], None]], TrialResult],
        on_change: Callable[[], None],
    ) -> None:
        if role() == "worker":
            print(f"{self.tuner_id}: waiting for the chief at {address()}", flush=True)
        while True:
            trial = self.oracle.create_trial(self.tuner_id)
            if trial.status == TrialStatus.STOPPED:
                return
            if trial.status == TrialStatus.IDLE:
                time.sleep(_SECONDS_IDLE)
                continue
            # Between its signs of life, a trial may be given to another worker.
            with contextlib.suppress(TrialLostError):
                self._end(trial, run_trial(trial, self._sign_of_life(trial)))
                on_change()

    def _sign_of_life(self, trial: Trial) -> Callable[[], None]:
        """Returns what tells the chief that the trial is at work."""
        if role() == "alone":
            return lambda: None
        last = time.monotonic()

        def sign() -> None:
            nonlocal last
            self.oracle.get_trial(trial.trial_id)
            # The chief may have been away, or this process asleep.
            if time.monotonic() - last > self.lost_after:
                raise TrialLostError
            last = time.monotonic()

        return sign

    def _end(self, trial: Trial, result: TrialResult) -> None:
        if result.failed:
            trial.status = TrialStatus.FAILED
            trial.message = result.message
        else:
            trial.status = TrialStatus.COMPLETED
            self.oracle.update_trial(trial.trial_id, {OBJECTIVE: result.auroc})
        self.oracle.end_trial(trial)
        self.save()


def _serve(tuner: _Tuner, oracle: Ledger, on_change: Callable[[], None]) -> None:
    """Gives trials to workers until there are no more."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SECONDS_IDLE):
            oracle.give_up_silent_workers()
            try:
                on_change()
            except (OSError, UserError) as error:
                # The search must go on; the next change tries again.
                print(f"cannot tell of the trials: {error}", flush=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    print(f"waiting for workers at {address()}", flush=True)
    try:
        tuner.search()
    except RuntimeError as error:
        raise UserError(f"Cannot listen at {address()}: {error}.") from error
    finally:
        ended.set()
        watcher.join()
