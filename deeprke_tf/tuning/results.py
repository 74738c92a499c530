"""The directory of a search, and the results of its trials.

search.json             the plan: data, tuner, starting settings and space
oracle/                 state of KerasTuner's oracle, which a search resumes from
vectors/                k-mer vectors, one directory for each of their settings
trials/NAME/            one trial
  config.json           its settings
  run-1/ ...            one ordinary run per execution; kept for the best trial only
  history-1.csv ...     history of each execution, as `deeprke train` writes it
  starts.json           its progress each time that it was started
  result.json           its result; a trial has ended if this file is there
leaderboard.csv         all trials, the best first
objective.png           validation AUROC against each setting
best_config.json        settings of the best trial, for `deeprke train --config`
"""

import dataclasses
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files

SEARCH = "search.json"
ORACLE = "oracle"
VECTORS = "vectors"
TRIALS = "trials"
RESULT = "result.json"
LEADERBOARD = "leaderboard.csv"
FIGURE = "objective.png"
BEST_CONFIG = "best_config.json"


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
      trial: Name of the trial.
      aurocs: Validation AUROC of each execution; empty if the trial failed.
      best_epochs: Best epoch of each execution.
      n_epochs: Epochs that each execution trained.
      seconds: Duration since the trial was last started or resumed.
      worker: Process that ended it, as HOST-PID.
      message: Why it failed; empty if it did not.
    """

    trial: str
    aurocs: tuple[float, ...] = ()
    best_epochs: tuple[int, ...] = ()
    n_epochs: tuple[int, ...] = ()
    seconds: float = 0.0
    worker: str = ""
    message: str = ""

    @property
    def failed(self) -> bool:
        """Whether there is no AUROC."""
        return bool(self.message)

    @property
    def auroc(self) -> float:
        """The objective, the mean over the executions; NaN if the trial failed."""
        return math.fsum(self.aurocs) / len(self.aurocs) if self.aurocs else math.nan

    def __str__(self) -> str:
        if self.failed:
            return f"trial {self.trial}  failed: {self.message}"
        pairs = zip(self.best_epochs, self.n_epochs, strict=True)
        epochs = " and ".join(f"{best} of {n}" for best, n in pairs)
        return (
            f"trial {self.trial}  validation AUROC {self.auroc:.4f}, best epoch "
            f"{epochs}, {self.seconds:.0f} s, {self.worker}"
        )


def trial_directory(search: Path, trial: str) -> Path:
    """Returns the directory of a trial."""
    return search / TRIALS / trial


def write_result(search: Path, result: TrialResult) -> None:
    """Writes the result of a trial, which ends it."""
    path = trial_directory(search, result.trial) / RESULT
    files.write_json(path, dataclasses.asdict(result))


def read_result(search: Path, trial: str) -> TrialResult | None:
    """Returns the result of a trial, or None if it has not ended.

    Raises:
      UserError: The file is damaged.
    """
    path = trial_directory(search, trial) / RESULT
    if not path.exists():
        return None
    contents = files.read_json(path)
    try:
        for name in ("aurocs", "best_epochs", "n_epochs"):
            contents[name] = tuple(contents[name])
        return TrialResult(**contents)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path} is not the result of a trial: {error}.") from error


def read_results(search: Path) -> list[TrialResult]:
    """Returns the trials that have ended, the best first, failed ones last."""
    names = sorted(path.parent.name for path in search.glob(f"{TRIALS}/*/{RESULT}"))
    found = [result for name in names if (result := read_result(search, name))]
    # Ties go to the first trial, so that a seed always gives the same best trial.
    return sorted(found, key=lambda r: (r.failed, -r.auroc if r.aurocs else 0.0))


def read_config(directory: Path) -> RunConfig:
    """Returns the settings of a trial."""
    return config.load(RunConfig, directory / layout.CONFIG)


def keep_best_run(results: Sequence[TrialResult], search: Path) -> None:
    """Deletes the runs of all trials that have ended, except the best trial.

    Any process may do so at any time: a trial that is worse than another stays worse.

    Args:
      results: The trials that have ended, the best first.
      search: Directory of the search.
    """
    for rank, result in enumerate(results):
        if rank or result.failed:
            for run in trial_directory(search, result.trial).glob("run-*"):
                shutil.rmtree(run, ignore_errors=True)
