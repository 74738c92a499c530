"""Trains a run of each of several datasets, alongside other processes that do so."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf.config import RunConfig
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.system.directories import only_process
from deeprke_tf.system.progress import Progress, no_progress

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome for one dataset.

    Attributes:
      run: Directory of its run.
      state: "elsewhere": another process is training it.
      auroc: AUROC on validation; None unless the run is finished.
      message: Why training failed; empty if it did not.
    """

    run: Path
    state: Literal["trained", "done before", "elsewhere", "failed"]
    auroc: float | None = None
    message: str = ""


def run_directories(datasets: Sequence[Path], out: Path, settings: str) -> list[Path]:
    """Returns the run directory of each dataset, `<out>/<dataset>-<settings>`.

    Args:
      datasets: Their directories.
      out: Directory of the runs.
      settings: Name of the settings.

    Raises:
      UserError: Two of them would have one run.
    """
    by_name: dict[str, Path] = {}
    for path in datasets:
        name = path.resolve().name
        if name in by_name:
            raise UserError(
                f"The datasets {by_name[name]} and {path} would both be trained as "
                f"{name}-{settings}; give them to one `deeprke train` each, with an "
                "`out` of its own."
            )
        by_name[name] = path
    return [out / f"{name}-{settings}" for name in by_name]


def train_datasets(
    datasets: Sequence[Path],
    directories: Sequence[Path],
    run_config: RunConfig,
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    progress: Progress = no_progress,
) -> list[Outcome]:
    """Trains the runs that are not finished; a failure does not stop the others.

    Each dataset has its run directory in `directories`; all other arguments are as for
    `run.train_run`.

    Returns:
      The outcome for each dataset.
    """
    import keras

    from deeprke_tf.training import run, start

    def train(data: Path, out: Path) -> Outcome:
        with only_process(out) as is_free:
            if not is_free:
                return Outcome(out, "elsewhere")
            if (out / layout.MANIFEST).exists():
                info = description.read(data)
                start.require_same(out, run_config, info, vectors_from)
                auroc = layout.validation_measures(out)["auroc"]
                return Outcome(out, "done before", auroc)
            # Keras keeps graphs of the networks of earlier datasets.
            keras.utils.clear_session()
            measured = run.train_run(
                *(data, out, run_config),
                vectors_from=vectors_from,
                n_devices=n_devices,
                progress=progress,
            )
            return Outcome(out, "trained", measured["auroc"])

    outcomes = []
    for number, (data, out) in enumerate(zip(datasets, directories, strict=True), 1):
        _logger.info("dataset %d of %d: %s", number, len(datasets), data)
        try:
            outcomes.append(train(data, out))
        except UserError as error:
            _logger.info("failed: %s", error)
            outcomes.append(Outcome(out, "failed", message=str(error)))
    return outcomes
