"""Loads finished runs, ensembles and joint runs."""

from pathlib import Path

from deeprke_tf.api.joint import JointRun
from deeprke_tf.api.run import Run
from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog, joint_network
from deeprke_tf.system.arguments import checked
from deeprke_tf.system.paths import PathLike


@checked
def load_run(*paths: PathLike, rbp: str | None = None) -> Run | JointRun:
    """Loads a finished run, an ensemble or a joint run, or several as one model.

    Args:
      paths: Directories of `deeprke train`, or names of models such as "rbp31"
        (`deeprke models` lists them); the probabilities of several are averaged.
      rbp: Of joint runs: the RBP whose run to load. "rbp31/QKI" does the same. Runs of
        one RBP beside them are taken as they are.

    Returns:
      A `JointRun` for joint runs without `rbp`, else a `Run`.

    Raises:
      UserError: None is given, there is no such model or RBP, a file is damaged, or the
        runs do not read the same k-mers.
    """
    directories = _directories(paths)
    are_joint = [joint_network.is_joint(directory) for directory in directories]
    if rbp is None and all(are_joint):
        return JointRun.load(*directories)
    return load_single(*directories, rbp=rbp)


def load_single(*paths: PathLike, rbp: str | None = None) -> Run:
    """Loads the run of one RBP; the arguments are as for `load_run`.

    Raises:
      UserError: As for `load_run`; a joint run is given without `rbp`, or `rbp`
        without one.
    """
    directories = _directories(paths)
    are_joint = [joint_network.is_joint(path) for path in directories]
    if any(are_joint):
        rbps = [rbp if is_joint else None for is_joint in are_joint]
    else:
        rbps = [rbp] * len(directories)  # refused
    return Run.load(*map(joint_network.directory_of, directories, rbps))


def _directories(paths: tuple[PathLike, ...]) -> list[Path]:
    """Returns the directories of models.

    Raises:
      UserError: None is given, or there is no such model.
    """
    if not paths:
        raise UserError("No run: give a directory, such as load_run('runs/QKI').")
    return [catalog.resolve(path) for path in paths]
