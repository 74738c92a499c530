"""What an unfinished training run goes on from, safe against being killed."""

import shutil
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deeprke_tf.config import TrainConfig
from deeprke_tf.system import files
from deeprke_tf.training import objective

_PROGRESS = "progress.json"


class TrainingState:
    """The last and the best epoch of a run, and the history up to there.

    `progress.json` names the files of both epochs; it is replaced in one step after
    they are complete, so that at any moment it tells of a whole state.

    Args:
      directory: Where it is kept; made when it does not exist.
      history_path: The CSV file that shows the history.
    """

    def __init__(self, directory: Path, history_path: Path):
        self._directory = directory
        self._history_path = history_path
        self.history: list[dict[str, Any]] = []
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / _PROGRESS).exists():
            self.history = files.read_json(directory / _PROGRESS)
            # A run killed between the two files would lack its last row for good.
            self._write_history()

    @property
    def n_epochs(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch with the highest validation AUROC, the first of equals; from 1."""
        return objective.best_epoch(self.history)

    def is_finished(self, settings: TrainConfig) -> bool:
        """Whether all epochs are done or the last ones were no better."""
        return objective.is_finished(self.history, settings)

    def load_model(self) -> keras.Model | None:
        """Returns the network of the last epoch with its optimizer, if there is one."""
        return (
            keras.models.load_model(self._model(self.n_epochs))
            if self.history
            else None
        )

    def load_best_model(self) -> keras.Model:
        """Returns the network of the best epoch."""
        return keras.models.load_model(self._model(self.best_epoch), compile=False)

    def end_epoch(self, row: dict[str, Any], model: keras.Model) -> None:
        """Keeps an epoch: its row of the history, weights and optimizer."""
        self.history.append(row)
        path = self._model(self.n_epochs)
        with files.path_aside(path) as partial:
            model.save(partial)
        files.write_json(self._directory / _PROGRESS, self.history)
        self._write_history()
        kept = {self._model(self.n_epochs), self._model(self.best_epoch)}
        for old in set(self._directory.glob("*.keras")) - kept:
            old.unlink()

    def remove(self) -> None:
        """Deletes the state, when the run is finished."""
        shutil.rmtree(self._directory)

    def _write_history(self) -> None:
        with files.written_aside(self._history_path) as file:
            pd.DataFrame(self.history).to_csv(file, index=False)

    def _model(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch:04d}.keras"
