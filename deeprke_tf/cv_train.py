"""Cross-validates a model by groups of sites, then trains it on all of them.

python -m deeprke_tf.cv_train --data tfrecords/QKI --folds 5 --out runs/QKI-cv
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from deeprke_tf import cli, presets
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, VectorConfig
from deeprke_tf.system import tables
from deeprke_tf.training.settings import SAMPLE, defaults_of_data


@dataclasses.dataclass(frozen=True)
class CrossvalidateFlags:
    """Cross-validates a model by groups of sites, then trains a final one on all sites.

    Each fold holds out some groups: a model is trained on the others, with a tenth of
    them as its validation split, and gives the held-out sites their out-of-fold
    probabilities. The final model, OUT/final, is trained on all sites; threshold and
    calibration are fitted to the out-of-fold probabilities. The test split is left
    alone: evaluate the final model on it.

    The same command resumes what was interrupted. Several processes or machines may run
    it at once: each model is trained by one of them.
    """

    data: Path = SAMPLE
    """Directory that `deeprke preprocess` made; its training and validation sites are
    dealt anew."""
    out: Path | None = None
    """Directory to make; if not given, runs/<data>-<preset>-cv."""
    folds: int = 5
    """Number of folds."""
    groups: Literal["auto", "chromosome", "gene", "overlap"] = "auto"
    """Sites that stay together: of one chromosome, of one gene, or with sequences that
    share 38 letters; auto: gene where most sites have one, else chromosome where all
    have coordinates, else overlap."""
    preset: str = presets.DEFAULT
    """Settings to start from: deeprke, deeprke-no-structure, paper, no-structure,
    one-hot, cnn-only, deepbind, ideepv, ideeps. On RBP-31 deeprke-no-structure is as
    good as deeprke, and needs no folding; for a dataset without structure it is the
    default."""
    config: Path | None = None
    """File of settings such as a run's config.json, in place of a preset."""
    vectors_from: Path | None = None
    """Directory that `deeprke vectors` made; the k-mer vectors are not trained here."""
    devices: int | None = None
    """Number of GPUs, by default all; without a GPU, number of logical CPU devices."""
    model: ModelConfig = ModelConfig()
    vectors: VectorConfig = VectorConfig()
    train: TrainConfig = TrainConfig()


def crossvalidate(flags: CrossvalidateFlags) -> None:
    """Cross-validates and prints the measures.

    Raises:
      UserError: An argument cannot be used, or a training failed.
    """
    from deeprke_tf import api

    settings = flags.config.stem if flags.config else flags.preset
    found = api.crossvalidate(
        flags.data,
        flags.out or Path("runs") / f"{flags.data.resolve().name}-{settings}-cv",
        folds=flags.folds,
        groups=flags.groups,
        config=RunConfig(flags.model, flags.vectors, flags.train),
        vectors_from=flags.vectors_from,
        devices=flags.devices,
        progress=True,
    )
    written = [["out-of-fold probabilities", str(found.table)]]
    written += [["ROC curves", str(found.figure)], ["final model", str(found.final)]]
    print(f"\n{found.summary}\n\n{tables.text_table(written)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run(
        "crossvalidate",
        CrossvalidateFlags,
        crossvalidate,
        argv,
        default=lambda argv: CrossvalidateFlags(**defaults_of_data(argv)),
        uses_tensorflow=True,
    )


if __name__ == "__main__":
    sys.exit(main())
