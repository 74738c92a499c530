"""The final model of a cross-validation: trained on all sites, without validation.

Its epochs, threshold and calibration come from the models of the cross-validation. Its
directory is that of any run; `validation.csv` holds the out-of-fold probabilities.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.config import RunConfig
from deeprke_tf.data.description import Dataset
from deeprke_tf.runs import layout
from deeprke_tf.system.progress import Progress, no_progress
from deeprke_tf.training import devices, epochs, network_files, report, start, vectors
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.task import SingleTask

_logger = logging.getLogger(__name__)

OUT_OF_FOLD = "out_of_fold"


def train_final(
    info: Dataset,
    out: Path,
    run_config: RunConfig,
    n_epochs: int,
    held_out: tuple[np.ndarray, np.ndarray],
    origin: dict[str, Any],
    *,
    vectors_from: Path | None = None,
    n_devices: int | None = None,
    progress: Progress = no_progress,
) -> None:
    """Trains for some epochs, or resumes a training that was interrupted.

    Args:
      info: The dataset; its train split is read, which has all sites.
      out: Run directory.
      run_config: All settings.
      n_epochs: Epochs to train.
      held_out: Labels, int [n_sites], and probabilities, float32 [n_sites], of sites
        that the models which gave them have not seen.
      origin: Facts about these models, for the manifest.
      vectors_from: Directory of ready k-mer vectors, or None to train them.
      n_devices: Devices to train on; see `devices.strategy`.
      progress: Shows the sites of each epoch.

    Raises:
      UserError: Vectors or `out` cannot be used; training diverged.
    """
    given = vectors.given_vectors(info, run_config, vectors_from)
    strategy = devices.strategy(n_devices)
    start.prepare(out, run_config, info, vectors_from, overwrite=False)
    _logger.info(
        "final model: all %d sites, %d epochs", info.split("train").n_sites, n_epochs
    )
    kmer_vectors = vectors.make_vectors(info, out, run_config, given)
    state = TrainingState(out / layout.STATE, out / layout.HISTORY)
    model = epochs.fit(
        *(SingleTask(info, run_config), run_config, kmer_vectors, strategy, state),
        log_dir=out / layout.LOGS,
        progress=progress,
        n_epochs=n_epochs,
    )
    measured = report.write_measures(out, info, *held_out, split=OUT_OF_FOLD)
    network_files.write(out, model, run_config.model)
    own = report.facts(out, state, strategy, kmer_vectors, vectors_from)
    own["crossvalidation"] = origin
    report.write_manifest(out, info, run_config, measured, own)
    state.remove()
