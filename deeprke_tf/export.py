"""Exports a trained model as a SavedModel that TF Serving can load.

python -m deeprke_tf.export --model runs/QKI --out serving/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

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
    """

    model: Path
    """Run or ensemble of `deeprke train`, or a name that `deeprke models` lists."""
    out: Path
    """Directory of the served model, such as serving/QKI, that holds its versions."""
    rbp: str | None = None
    """Of a joint run: the one RBP to export; by default all."""
    license: str = "not stated"
    """License of the model, for its card, such as CC-BY-4.0."""


def export(flags: ExportFlags) -> None:
    """Writes the next version of a served model and prints what was written."""
    from deeprke_tf.serving.export import export_run

    run = api.load_run(flags.model, rbp=flags.rbp)
    path, configs = export_run(run, flags.out, flags.license)
    for written in [*configs, path]:
        print(f"wrote {written}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("export", ExportFlags, export, argv, uses_tensorflow=True)


if __name__ == "__main__":
    sys.exit(main())
