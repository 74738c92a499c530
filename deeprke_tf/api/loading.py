"""Loads finished runs and ensembles."""

import sys

from deeprke_tf.api.run import Run
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog
from deeprke_tf.system import tensorflow
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike


@checked
def load_run(*paths: PathLike) -> Run:
    """Loads a finished run or an ensemble, or several of them as one model.

    Args:
      paths: Directories of `deeprke train`, or names of models such as "rbp31/QKI"
        (`deeprke models` lists them); the probabilities of several are averaged.

    Raises:
      UserError: None is given, there is no such model, a file is damaged, or the runs
        do not read the same k-mers.
    """
    if not paths:
        raise UserError("No run: give a directory, such as load_run('runs/QKI').")
    directories = [catalog.resolve(path) for path in paths]
    if "tensorflow" not in sys.modules:
        tensorflow.import_tensorflow()
    return Run.load(*directories)
