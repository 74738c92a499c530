"""The leaderboard of a search: a table, a figure and the best settings."""

import dataclasses
import logging
from typing import Any

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import files, tables
from deeprke_tf.system.messages import counted
from deeprke_tf.tuning import results
from deeprke_tf.tuning.plan import SearchPlan
from deeprke_tf.tuning.results import TrialResult

_SHOWN = 10

logger = logging.getLogger(__name__)


class Leaderboard:
    """The trials that have ended, the best first, and the files that show them.

    Only whole files are read and written, so any number of processes may have one.

    Args:
      plan: The search.

    Attributes:
      results: The trials, failed ones last.
    """

    def __init__(self, plan: SearchPlan):
        self._plan = plan
        # Trials of earlier parts of the search were logged then.
        self.results = results.read_results(plan.out)

    def update(self) -> None:
        """Logs the trials that ended since the last call, and updates the files."""
        logged = {result.trial for result in self.results}
        self.results = results.read_results(self._plan.out)
        new = [result for result in self.results if result.trial not in logged]
        for result in sorted(new, key=lambda result: result.trial):
            is_best = result is self.results[0] and not result.failed
            logger.info("%s%s", result, "  best so far" if is_best else "")
        if new:
            self._write()

    def finish(self) -> None:
        """Brings all files up to date.

        Raises:
          UserError: No trial has ended, or all failed.
        """
        from deeprke_tf.tuning import figure

        self.results = results.read_results(self._plan.out)
        if not self.results:
            raise UserError("No trial has finished; give the same command again.")
        self._write()
        n_failed = sum(result.failed for result in self.results)
        if n_failed == len(self.results):
            first = min(self.results, key=lambda result: result.trial)
            raise UserError(
                f"All {n_failed} trials failed; see "
                f"{self._plan.out / results.LEADERBOARD}. The first error: "
                f"{first.message}"
            )
        configs = [self._config(result) for result in self.results]
        figure.objective_figure(
            self._plan.out / results.FIGURE,
            self._plan.space,
            [_by_name(run_config) for run_config in configs],
            [result.auroc for result in self.results],
            start=next((i for i, c in enumerate(configs) if self._is_start(c)), None),
            title=f"{counted(len(self.results), 'trial')}, {n_failed} failed",
        )

    def __str__(self) -> str:
        """The best trials and the start, for the terminal."""
        out, best = self._plan.out, self.results[0]
        rows = [["rank", "trial", "AUROC", *self._plan.space]]
        for rank, result in enumerate(self.results, 1):
            is_start = self._is_start(self._config(result))
            if not result.failed and (rank <= _SHOWN or is_start):
                auroc = f"{result.auroc:.4f}" + (" (start)" if is_start else "")
                cells = self._varied(result).values()
                rows.append([str(rank), result.trial, auroc, *cells])
        names = (results.LEADERBOARD, results.FIGURE, results.BEST_CONFIG)
        summary = [
            ["best trial", str(best)],
            ["its run", str(results.trial_directory(out, best.trial) / "run-1")],
            *(["wrote", str(out / name)] for name in names),
        ]
        return f"{tables.text_table(rows)}\n{tables.text_table(summary)}"

    def _write(self) -> None:
        """Writes the table and the best settings; deletes the runs of other trials."""
        import pandas as pd

        out, best = self._plan.out, self.results[0]
        results.keep_best_run(self.results, out)
        rows = [self._row(rank, result) for rank, result in enumerate(self.results, 1)]
        with files.written_aside(out / results.LEADERBOARD) as file:
            pd.DataFrame(rows).to_csv(file, index=False)
        if not best.failed:
            settings = dataclasses.asdict(self._with_all_epochs(self._config(best)))
            files.write_json(out / results.BEST_CONFIG, settings)

    def _row(self, rank: int, result: TrialResult) -> dict[str, Any]:
        return {
            "rank": None if result.failed else rank,
            "trial": result.trial,
            "status": "failed" if result.failed else "completed",
            "auroc": result.auroc,
            "aurocs": _text(result.aurocs),
            "best_epochs": _text(result.best_epochs),
            "n_epochs": _text(result.n_epochs),
            "seconds": round(result.seconds, 1),
            "worker": result.worker,
            **self._varied(result),
            "message": result.message,
        }

    def _config(self, result: TrialResult) -> RunConfig:
        directory = results.trial_directory(self._plan.out, result.trial)
        return results.read_config(directory)

    def _varied(self, result: TrialResult) -> dict[str, str]:
        """Returns the settings of a trial that vary, as text."""
        settings = _by_name(self._config(result))
        return {name: _text(settings[name]) for name in self._plan.space}

    def _is_start(self, run_config: RunConfig) -> bool:
        return self._with_all_epochs(run_config) == self._plan.start

    def _with_all_epochs(self, run_config: RunConfig) -> RunConfig:
        """Returns settings with the epochs of the start; Hyperband may give fewer."""
        start = self._plan.start.train
        train = dataclasses.replace(
            run_config.train, epochs=start.epochs, min_steps=start.min_steps
        )
        return dataclasses.replace(run_config, train=train)


def _by_name(run_config: RunConfig) -> dict[str, Any]:
    parts = dataclasses.asdict(run_config).values()
    return {name: value for part in parts for name, value in part.items()}


def _text(value: Any) -> str:
    """Returns a setting as a command line has it."""
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
