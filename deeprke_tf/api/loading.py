"""Loads finished runs and ensembles."""

import sys
from pathlib import Path

from deeprke_tf.api.run import Run
from deeprke_tf.errors import UserError
from deeprke_tf.system import tensorflow
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike


@checked
def load_run(*paths: PathLike) -> Run:
    """Loads a finished run or an ensemble, or several of them as one model.

    Args:
      paths: Directories of `deeprke train`; the probabilities of several are averaged.

    Raises:
      UserError: None is given, a directory is neither, a file is damaged, or the runs
        do not read the same k-mers.
    """
    if not paths:
        raise UserError("No run: give a directory, such as load_run('runs/QKI').")
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    return Run.load(*map(Path, paths))
