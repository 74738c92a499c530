"""Exports a trained model for TF Serving, or as one file for ONNX runtimes.

python -m deeprke_tf.export --model runs/QKI --out serving/QKI
python -m deeprke_tf.export --model runs/QKI --format onnx --out QKI.onnx
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf import api, cli


@dataclasses.dataclass(frozen=True)
class ExportFlags:
    """Writes a trained model as a SavedModel, under the next free version number.

    Its signatures:
    - serving_default: `sequence` and `dot_bracket`, string [batch]
    - contexts: `sequence` and `contexts`, string [batch]
    - ids: `sequence_kmers` and `structure_kmers`, int64 [batch, n_kmers], padded with 0
    - records: `records`, serialized tf.train.Example, string [batch]

    Each returns `probability` and `calibrated_probability`, float32 [batch, 1], NaN for
    a row that is no valid site. For an ensemble, `probability` is the mean over its
    members and a third output, `probability_sd`, the sample standard deviation. A model
    without structure takes no structure and has no signature `contexts`.

    A joint run returns float32 [batch, n_rbps]; another signature, `rbps`, takes any
    string [batch] and returns `rbp`, the names of the RBPs, string [batch, n_rbps].

    A model card, warm-up requests and configuration files of TF Serving are written as
    well.

    With --format onnx, one file: inputs as of the signature `ids`, output
    `probability`, float32 [batch, 1] or [batch, n_rbps], not calibrated. Encoding,
    thresholds, calibrations and RBPs are in its metadata.
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    out: Path
    """Directory of the served model, such as serving/QKI, that holds its versions;
    with --format onnx, the file, such as QKI.onnx."""
    format: Literal["savedmodel", "onnx"] = "savedmodel"
    """A SavedModel for TensorFlow, or a file for onnxruntime and other runtimes."""
    rbp: str | None = None
    """Of a joint run: the one RBP to export; by default all."""
    license: str | None = None
    """License of the model, for its card or metadata, such as CC-BY-4.0; by default the
    one that card.json of the model states."""


def export(flags: ExportFlags) -> None:
    """Writes the next version of a served model and prints what was written."""
    run = api.load_run(flags.model, rbp=flags.rbp)
    license_name = flags.license or run.license
    if flags.format == "onnx":
        from deeprke_tf.serving.onnx_export import export_onnx

        export_onnx(run, flags.out, license_name)
        print(f"wrote {flags.out}")
        return
    from deeprke_tf.serving.export import export_run

    path, configs = export_run(run, flags.out, license_name)
    for written in [*configs, path]:
        print(f"wrote {written}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("export", ExportFlags, export, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
