"""What the trials of a search leave, on disk: the directory of a search.

search.json             what is searched, and from where
oracle/                 KerasTuner's own state, which a search goes on from
vectors/                k-mer vectors, a directory for each set of their settings
trials/NAME/            one trial
  config.json           its settings
  run-1/ ...            an ordinary run for each execution; in the end only the best
                        trial has them still
  history-1.csv ...     of each execution, as `deeprke train` writes it
  starts.json           how far it was each time that it was begun
  result.json           how it ended; a trial is over when it is there
leaderboard.csv         all trials, the best first
objective.png           validation AUROC against each setting
best_config.json        the settings of the best trial, for `deeprke train --config`
"""

import dataclasses
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import config
from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files

SEARCH = "search.json"
ORACLE = "oracle"
VECTORS = "vectors"
TRIALS = "trials"
LEADERBOARD = "leaderboard.csv"
FIGURE = "objective.png"
BEST_CONFIG = "best_config.json"

_RESULT = "result.json"


@dataclasses.dataclass(frozen=True)
class TrialResult:
    """How a trial ended.

    Attributes:
      trial: Its name.
      aurocs: Validation AUROC of each execution; none where the trial failed.
      best_epochs: The epoch that each is of.
      n_epochs: Epochs that each execution trained.
      seconds: Since the trial was last begun.
      worker: Which process ran it.
      message: Why it failed; empty where it did not.
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
        """The objective: the mean over the executions; NaN where the trial failed."""
        return math.fsum(self.aurocs) / len(self.aurocs) if self.aurocs else math.nan


def trial_directory(search: Path, trial: str) -> Path:
    """Returns the directory of a trial."""
    return search / TRIALS / trial


def write_result(search: Path, result: TrialResult) -> None:
    """Ends a trial."""
    path = trial_directory(search, result.trial) / _RESULT
    files.write_json(path, dataclasses.asdict(result))


def read_result(search: Path, trial: str) -> TrialResult | None:
    """Returns how a trial ended, or None where it has not.

    Raises:
      UserError: Its file is damaged.
    """
    path = trial_directory(search, trial) / _RESULT
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
    """Returns the trials that are over, the best first, failed ones last."""
    names = sorted(path.parent.name for path in search.glob(f"{TRIALS}/*/{_RESULT}"))
    results = [result for name in names if (result := read_result(search, name))]
    # Of equals the first tried: with --seed it is the same one every time.
    return sorted(results, key=lambda r: (r.failed, -r.auroc if r.aurocs else 0.0))


def read_config(search: Path, trial: str) -> RunConfig:
    """Returns the settings of a trial."""
    return config.load(RunConfig, trial_directory(search, trial) / layout.CONFIG)


def keep_best_run(results: Sequence[TrialResult], search: Path) -> None:
    """Deletes the runs of all trials that are over but the best one.

    Each worker does so after each of its trials: what is deleted is worse than a trial
    that is over, so that it never was the best.
    """
    for result in [r for i, r in enumerate(results) if i or r.failed]:
        for run in trial_directory(search, result.trial).glob("run-*"):
            shutil.rmtree(run, ignore_errors=True)


def settings_of(run_config: RunConfig) -> dict[str, Any]:
    """Returns all settings by name."""
    return {
        name: value
        for part in dataclasses.asdict(run_config).values()
        for name, value in part.items()
    }
