"""What a search tells: trials as they end, the leaderboard, the best settings."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.system import files, tables
from deeprke_tf.tuning import results as tune_results
from deeprke_tf.tuning.results import TrialResult
from deeprke_tf.tuning.space import Space

_SHOWN = 10


class Report:
    """Keeps the files of a search up to date, and tells what is new.

    Args:
      search: Its directory.
      space: The settings that vary.
      start: The settings that it starts from.
      writes: Whether this process writes the files, as the chief does, and one alone.
    """

    def __init__(self, search: Path, space: Space, start: RunConfig, writes: bool):
        self._search = search
        self._space = space
        self._start = start
        self._writes = writes
        # Trials of earlier parts of the search were told then.
        self._told = {result.trial for result in tune_results.read_results(search)}

    def update(self) -> None:
        """Tells of trials that ended since the last call; brings the files up to date.

        Only whole files are read and written: any number of processes may do so.
        """
        results = tune_results.read_results(self._search)
        new = [result for result in results if result.trial not in self._told]
        if not new:
            return
        for result in sorted(new, key=lambda result: result.trial):
            is_best = result.trial == results[0].trial and not result.failed
            print(_line(result) + ("  best so far" if is_best else ""), flush=True)
        self._told |= {result.trial for result in new}
        tune_results.keep_best_run(results, self._search)
        if self._writes:
            self._write(results)

    def finish(self) -> None:
        """Writes all files and shows the leaderboard.

        Raises:
          UserError: No trial came to an end, or all failed.
        """
        from deeprke_tf.tuning import figure

        results = tune_results.read_results(self._search)
        tune_results.keep_best_run(results, self._search)
        if not results:
            raise UserError("No trial was finished; give the same command again.")
        self._write(results)
        done = [result for result in results if not result.failed]
        if not done:
            raise UserError(
                f"All {len(results)} trials failed; see "
                f"{self._search / tune_results.LEADERBOARD}. The first said: "
                f"{min(results, key=lambda r: r.trial).message}"
            )
        configs = [self._config(result) for result in results]
        starts = [i for i, c in enumerate(configs) if self._is_start(c)]
        figure.objective_figure(
            self._search / tune_results.FIGURE,
            self._space,
            [tune_results.settings_of(run_config) for run_config in configs],
            [result.auroc for result in results],
            start=starts[0] if starts else None,
            title=f"{len(results)} trials, {len(results) - len(done)} failed",
        )
        print(self._table(results))
        best = tune_results.trial_directory(self._search, done[0].trial)
        print(
            tables.text_table(
                [
                    ["best trial", _line(done[0])],
                    ["its run", str(best / "run-1")],
                    ["wrote", str(self._search / tune_results.LEADERBOARD)],
                    ["wrote", str(self._search / tune_results.FIGURE)],
                    ["wrote", str(self._search / tune_results.BEST_CONFIG)],
                ]
            )
        )

    def _config(self, result: TrialResult) -> RunConfig:
        return tune_results.read_config(self._search, result.trial)

    def _is_start(self, run_config: RunConfig) -> bool:
        """Whether these are the starting settings, but for Hyperband's epochs."""
        return self._with_all_epochs(run_config) == self._start

    def _with_all_epochs(self, run_config: RunConfig) -> RunConfig:
        start = self._start.train
        train = dataclasses.replace(
            run_config.train, epochs=start.epochs, min_steps=start.min_steps
        )
        return dataclasses.replace(run_config, train=train)

    def _write(self, results: Sequence[TrialResult]) -> None:
        """Writes the leaderboard and, when there is one, the best config."""
        import pandas as pd

        path = self._search / tune_results.LEADERBOARD
        rows = [self._row(rank, result) for rank, result in enumerate(results, 1)]
        with files.written_aside(path) as file:
            pd.DataFrame(rows).to_csv(file, index=False)
        if not results[0].failed:
            best = self._with_all_epochs(self._config(results[0]))
            files.write_json(
                self._search / tune_results.BEST_CONFIG, dataclasses.asdict(best)
            )

    def _row(self, rank: int, result: TrialResult) -> dict[str, Any]:
        settings = tune_results.settings_of(self._config(result))
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
            **{name: _text(settings[name]) for name in self._space},
            "message": result.message,
        }

    def _table(self, results: Sequence[TrialResult]) -> str:
        """Returns the best trials, and the start wherever it is, for the terminal."""
        rows = [["rank", "trial", "AUROC", *self._space]]
        for rank, result in enumerate(results, 1):
            run_config = self._config(result)
            is_start = self._is_start(run_config)
            if result.failed or (rank > _SHOWN and not is_start):
                continue
            settings = tune_results.settings_of(run_config)
            auroc = f"{result.auroc:.4f}" + (" (start)" if is_start else "")
            cells = [_text(settings[name]) for name in self._space]
            rows.append([str(rank), result.trial, auroc, *cells])
        return tables.text_table(rows)


def _line(result: TrialResult) -> str:
    if result.failed:
        return f"trial {result.trial}  failed: {result.message}"
    epochs = " and ".join(
        f"{best} of {n}"
        for best, n in zip(result.best_epochs, result.n_epochs, strict=True)
    )
    return (
        f"trial {result.trial}  validation AUROC {result.auroc:.4f}, best epoch "
        f"{epochs}, {result.seconds:.0f} s, {result.worker}"
    )


def _text(value: Any) -> str:
    """Returns a setting as one writes it on a command line."""
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
