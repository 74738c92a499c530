"""The state of an unfinished training run, from which it resumes after a kill."""

import contextlib
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from deeprke_tf.config import TrainConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system import files
from deeprke_tf.training import objective

_PROGRESS = "progress.json"


@contextlib.contextmanager
def resuming(out: Path) -> Iterator[None]:
    """Adds what to do to an error about the files of an unfinished run.

    Raises:
      UserError: The block raised one.
    """
    try:
        yield
    except UserError as error:
        raise UserError(
            f"{error} The unfinished run {out} is damaged; give `overwrite=True` to "
            "start it again."
        ) from error


def require_digest(path: Path, sha256: str | None) -> None:
    """Refuses a file that is not as training wrote it.

    Args:
      path: The file.
      sha256: Its digest, or None if it is not known.

    Raises:
      UserError: The digest is another one.
    """
    if sha256 not in (None, files.sha256(path)):
        raise UserError(f"{path} is not the file that training wrote.")


def _require_whole(history: Sequence[Mapping[str, Any]]) -> None:
    """Raises an error unless each epoch has its row, all with the same measures."""
    for epoch, row in enumerate(history, start=1):
        whole = row["epoch"] == epoch and row.keys() == history[0].keys()
        if not whole or not all(map(math.isfinite, [row["loss"], *row.values()])):
            raise ValueError(f"row {epoch}: {row}")


class TrainingState:
    """The models of the last and the best epoch of a run, and the history so far.

    `progress.json` holds the history and the digests of both models. It is replaced
    atomically after they are complete, so that it always describes a whole state.

    Args:
      directory: Directory of the state, in the run directory; made if it is not there.
      history_path: CSV file that shows the history.
      choice: How the best epoch is chosen.

    Raises:
      UserError: The history is damaged.
    """

    def __init__(
        self,
        directory: Path,
        history_path: Path,
        choice: objective.EpochChoice = objective.BY_AUROC,
    ):
        self._directory = directory
        self._history_path = history_path
        self.choice = choice
        self.history: list[dict[str, Any]] = []
        self._sha256: dict[str, str] = {}
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / _PROGRESS).exists():
            with resuming(directory.parent):
                self._read_progress(directory / _PROGRESS)
            # A kill between the two files leaves the CSV without its last row.
            self._write_history()

    @property
    def n_epochs(self) -> int:
        """Epochs done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch that is best on validation, from 1; see `objective.best_epoch`."""
        return objective.best_epoch(self.history, self.choice)

    def is_finished(self, settings: TrainConfig) -> bool:
        """Whether all epochs are done, or early stopping applies."""
        return objective.is_finished(self.history, settings, self.choice)

    def load_model(self) -> keras.Model | None:
        """Returns the network of the last epoch with its optimizer, if there is one.

        Raises:
          UserError: Its file is missing or damaged.
        """
        if not self.history:
            return None
        layout.register_layers()
        return keras.models.load_model(self._whole_file(self.n_epochs))

    def load_best_weights(self, model: keras.Model) -> None:
        """Gives a network the weights of the best epoch.

        Raises:
          UserError: Their file is missing or damaged.
        """
        layout.register_layers()
        best = keras.models.load_model(self._whole_file(self.best_epoch), compile=False)
        # By name: Keras would look for the classes, of which earlier versions had
        # others.
        for layer in model.layers:
            layer.set_weights(best.get_layer(layer.name).get_weights())

    def end_epoch(self, row: dict[str, Any], model: keras.Model) -> None:
        """Saves an epoch: its row of the history, weights and optimizer."""
        self.history.append(row)
        path = self._model(self.n_epochs)
        with files.path_aside(path) as partial:
            model.save(partial)
        kept = {self._model(self.n_epochs), self._model(self.best_epoch)}
        digests = self._sha256 | {path.name: files.sha256(path)}
        self._sha256 = {k.name: digests[k.name] for k in kept if k.name in digests}
        progress = {"history": self.history, "sha256": self._sha256}
        files.write_json(self._directory / _PROGRESS, progress)
        self._write_history()
        for old in set(self._directory.glob("*.keras")) - kept:
            old.unlink()

    def remove(self) -> None:
        """Deletes the state, when the run is finished."""
        shutil.rmtree(self._directory)

    def _read_progress(self, path: Path) -> None:
        progress = files.read_json(path)
        if isinstance(progress, list):  # as version 0.1.0 wrote it
            progress = {"history": progress, "sha256": {}}
        try:
            self.history, self._sha256 = progress["history"], progress["sha256"]
            _require_whole(self.history)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{path} holds no history of a training.") from error

    def _whole_file(self, epoch: int) -> Path:
        """Returns the file of an epoch's network, checked against its digest."""
        path = self._model(epoch)
        with resuming(self._directory.parent):
            if not path.exists():
                raise UserError(f"{path} is missing.")
            require_digest(path, self._sha256.get(path.name))
        return path

    def _write_history(self) -> None:
        with files.written_aside(self._history_path) as file:
            pd.DataFrame(self.history).to_csv(file, index=False)

    def _model(self, epoch: int) -> Path:
        return self._directory / f"epoch-{epoch:04d}.keras"
