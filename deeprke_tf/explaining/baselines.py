"""Sites without what the model looks for: the same dinucleotides in another order."""

import random
from collections.abc import Sequence

from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.shuffling import shuffle_dinucleotides
from deeprke_tf.rna.structure import all_loop_contexts


def shuffled(
    site: FoldedSite, n: int, seed: int, pool: FoldingPool | None
) -> list[FoldedSite]:
    """Returns dinucleotide shuffles of a site, folded where there is a pool."""
    rng = random.Random(f"{seed} {site.sequence}")
    sequences = [shuffle_dinucleotides(site.sequence, rng) for _ in range(n)]
    contexts = folded_contexts(sequences, pool) if pool else [""] * n
    return [
        FoldedSite(site.name, *texts) for texts in zip(sequences, contexts, strict=True)
    ]


def folded_contexts(sequences: Sequence[str], pool: FoldingPool) -> list[str]:
    """Returns the loop contexts of the MFE structures of sequences."""
    folds = pool.structures(sequences)
    return all_loop_contexts([folds[sequence] for sequence in sequences])
