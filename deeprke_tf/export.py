"""Exports a trained model as a SavedModel that TF Serving can load.

python -m deeprke_tf.export --model runs/QKI --out serving/QKI
"""

import dataclasses
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.runs import run as runs
from deeprke_tf.system import directories
from deeprke_tf.system.directories import only_process


@dataclasses.dataclass(frozen=True)
class ExportFlags:
    """Writes a trained model as a SavedModel, under the next free version number.

    Signatures: `serving_default` takes `sequence` and `dot_bracket`, `contexts` takes
    `sequence` and `contexts`, both string [batch]; `ids` takes `sequence_kmers` and
    `structure_kmers`, int64 [batch, n_kmers] padded with 0; `records` takes serialized
    tf.train.Example `records`, string [batch]. Each gives `probability` and
    `calibrated_probability`, float32 [batch, 1], NaN for a row that is no site; of an
    ensemble `probability` is the mean, and `probability_sd` the sample standard
    deviation over its members. A model without structure takes none, and lacks
    `contexts`.

    Beside it: a model card, warm-up requests, and configuration files of TF Serving.
    """

    model: Path
    """Run or ensemble of `deeprke train`."""
    out: Path
    """Directory of the served model, such as serving/QKI; versions lie in it."""
    license: str = "not stated"
    """License of the model for its card, such as CC-BY-4.0; that of the data counts."""


def export(flags: ExportFlags) -> None:
    """Writes the next version of a served model and says where.

    Raises:
      UserError: The run cannot be read, or `out` cannot be written to.
    """
    from deeprke_tf.serving.config import write_serving_config

    run = runs.load(flags.model)
    path = write_version(run, flags.out, flags.license)
    for written in [*write_serving_config(flags.out), path]:
        print(f"wrote {written}")


def write_version(run: runs.Run, directory: Path, license_name: str) -> Path:
    """Writes a SavedModel with all that belongs to it, under the next version number.

    Of several processes each waits until the one before has its version.

    Args:
      run: A finished run or ensemble.
      directory: TF Serving's `model_base_path`; its name is the served model's.
      license_name: Of the model, for its card.

    Returns:
      The path of the new version.

    Raises:
      UserError: `directory` is a file or cannot be written to, or the run lacks its
        metrics.
    """
    directories.make_directory(directory)
    with only_process(directory, wait=True):
        versions = [int(p.name) for p in directory.iterdir() if p.name.isdecimal()]
        path = directory / str(max(versions, default=0) + 1)
        # TF Serving looks at integer names only: it never sees this one.
        partial = directory / f"{path.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            _write(run, directory.resolve().name, partial, license_name)
            os.replace(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return path


def _write(run: runs.Run, name: str, path: Path, license_name: str) -> None:
    from deeprke_tf.serving import calibration_graph, model_card, signatures, warm_up

    calibrate = calibration_graph.in_graph(run.calibration)
    members = [member.model for member in run.members]
    specs = signatures.save(run.model, run.encoding, path, calibrate, members)
    warm_up.write_warmup(path, name, specs, run.encoding)
    model_card.write_model_card(run, name, path, license_name)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("export", ExportFlags, export, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
