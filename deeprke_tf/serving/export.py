"""Export of a run: the next version of a served model, with all that belongs to it."""

import os
import re
import shutil
from pathlib import Path

import tensorflow as tf

from deeprke_tf.errors import UserError
from deeprke_tf.runs.joint import JointRun
from deeprke_tf.runs.run import Run
from deeprke_tf.serving import calibration_graph, model_card, signatures, warm_up
from deeprke_tf.serving.config import BATCHING, MODELS, write_serving_config
from deeprke_tf.system.directories import make_directory, only_process


def export_run(
    run: Run | JointRun, directory: Path, license_name: str = "not stated"
) -> tuple[Path, list[Path]]:
    """Writes a SavedModel, its card and warm-up requests as the next free version.

    The version appears when it is whole. Several processes take turns.

    Args:
      run: A finished run, ensemble or joint run.
      directory: TF Serving's `model_base_path`; its name is the name of the served
        model.
      license_name: License of the model for its card, an SPDX identifier.

    Returns:
      The directory of the new version, and the configuration files of TF Serving that
      were not there yet.

    Raises:
      UserError: `directory` is a file, cannot be written to or holds something else,
        or the metrics of the run cannot be read.
    """
    make_directory(directory)
    with only_process(directory, wait=True):
        _require_place(directory)
        versions = [int(p.name) for p in directory.iterdir() if p.name.isdecimal()]
        path = directory / str(max(versions, default=0) + 1)
        # TF Serving looks at integer names only: it never sees this one.
        partial = directory / f"{path.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _write(run, directory.resolve().name, partial, license_name)
            os.replace(partial, path)
        except tf.errors.OpError as error:
            # TensorFlow's own error of a full disk or of a lost one, without the names
            # of its operations.
            cause = re.sub(r"\{\{.*?\}\}\s*|\s*\[Op:\w+\]", "", error.message)
            raise UserError(f"Cannot write {path}: {cause}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return path, write_serving_config(directory)


def _require_place(directory: Path) -> None:
    """Refuses a directory of other files, which is named by mistake.

    A served model may have them: a license, or notes of its user.

    Raises:
      UserError: It holds other files, and no version of a served model.
    """
    names = sorted(path.name for path in directory.iterdir())
    if any((directory / name / "saved_model.pb").exists() for name in names):
        return
    # A killed export leaves some of these.
    own = rf"\..*|{MODELS}|{BATCHING}|\d+(\.partial)?"
    others = [name for name in names if not re.fullmatch(own, name)]
    if others:
        raise UserError(
            f"`out` {directory} holds other files, such as {others[0]}, and no served "
            "model; name a new directory, which will be called as the model."
        )


def _write(run: Run | JointRun, name: str, path: Path, license_name: str) -> None:
    if isinstance(run, JointRun):
        calibrations = [run.run(rbp).calibration for rbp in run.names]
        calibrate = calibration_graph.each_in_graph(calibrations)
        first, *others = run.models
        specs = signatures.save(
            *(first, run.encoding, path, calibrate),
            members=[first, *others] if others else (),
            rbps=run.names,
        )
        warm_up.write_warmup(path, name, specs, run.encoding)
        model_card.write_joint_card(run, name, path, license_name)
        return
    calibrate = calibration_graph.in_graph(run.calibration)
    members = [member.model for member in run.members]
    specs = signatures.save(run.model, run.encoding, path, calibrate, members)
    warm_up.write_warmup(path, name, specs, run.encoding)
    model_card.write_model_card(run, name, path, license_name)
