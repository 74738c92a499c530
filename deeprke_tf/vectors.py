"""Trains k-mer vectors on your own corpus, such as all UTRs.

python -m deeprke_tf.vectors --fasta utrs.fa.gz --out vectors/utr
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings, VectorConfig
from deeprke_tf.system.progress import progress_bar


@dataclasses.dataclass(frozen=True)
class VectorsFlags:
    """Trains word2vec vectors of k-mers on any RNA, for `deeprke train --vectors-from`.

    The vectors of structure k-mers need folding; --no-structure leaves them out.
    """

    fasta: Path
    """FASTA or table of RNAs, plain or gzip."""
    out: Path
    """Directory to make."""
    structure: bool = True
    """Whether to train vectors of structure k-mers, too; without, nothing is folded."""
    k: int = 3
    """Letters in a k-mer."""
    fold: FoldSettings = FoldSettings()
    vectors: VectorConfig = VectorConfig()
    max_length: int = 5000
    """Longest RNA to use, in nucleotides; longer ones are skipped and counted."""
    seed: int = 1
    """Random seed of the sample of RNAs and of word2vec."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    overwrite: bool = False
    """Replace the vectors that --out holds."""


def train_on_corpus(flags: VectorsFlags) -> None:
    """Trains the vectors that the flags ask for."""
    from deeprke_tf.training.corpus_vectors import train_corpus_vectors

    settings = {
        field.name: getattr(flags, field.name) for field in dataclasses.fields(flags)
    }
    trained = train_corpus_vectors(**settings, progress=progress_bar)
    for view, vectors in trained.items():
        print(f"wrote {flags.out / f'{view}_vectors.npy'}: {vectors.shape}")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("vectors", VectorsFlags, train_on_corpus, argv)


if __name__ == "__main__":
    sys.exit(main())
