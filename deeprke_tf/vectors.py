"""Trains k-mer vectors on a corpus of one's own, such as all UTRs.

python -m deeprke_tf.vectors --fasta utrs.fa.gz --out vectors/utr
"""

import dataclasses
import hashlib
import heapq
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.config import FoldSettings, VectorConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.rna.structure import loop_contexts
from deeprke_tf.system import directories, files
from deeprke_tf.system.files import sha256
from deeprke_tf.system.progress import progress_bar

DESCRIPTION = "vectors.json"

_LEFT_BY_A_KILL = {
    *(DESCRIPTION, *files.unfinished_names(DESCRIPTION)),
    *files.unfinished_names("sequence_vectors.npy"),
    *("structure_vectors.npy", *files.unfinished_names("structure_vectors.npy")),
}


@dataclasses.dataclass(frozen=True)
class VectorsFlags:
    """Trains word2vec vectors of k-mers on any RNA, for `deeprke train --vectors-from`.

    The structure vectors need the corpus folded; --no-structure does without.
    """

    fasta: Path
    """FASTA or table of RNAs, plain or gzip."""
    out: Path
    """Directory to make."""
    no_structure: bool = False
    """Train the vectors of sequence k-mers alone; nothing is folded."""
    k: int = 3
    """Letters in a k-mer."""
    fold: FoldSettings = FoldSettings()
    vectors: VectorConfig = VectorConfig()
    max_length: int = 5000
    """Longest RNA to use, in nucleotides; longer ones are skipped and counted."""
    seed: int = 1
    """Settles which RNAs are sampled, and word2vec."""
    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""


def train_on_corpus(flags: VectorsFlags) -> None:
    """Writes the vectors that the flags ask for.

    Raises:
      UserError: The corpus cannot be read or holds no usable RNA.
    """
    from deeprke_tf.networks import word2vec

    if flags.max_length < 1:
        raise UserError(f"max_length must be at least 1, got {flags.max_length}.")
    if str(flags.fasta) == "-" or flags.fasta.is_fifo():
        raise UserError("Save the corpus to a file: vectors.json keeps its digest.")
    _make_place(flags.out)
    encoding = Encoding(k=flags.k, fold=flags.fold)
    corpus = SitesFile(flags.fasta, k=flags.k, labelled=False)
    rnas, n_read = _sample(corpus, flags)
    if not rnas:
        raise UserError(f"{flags.fasta}: none of {n_read} RNAs can be used.")
    letters = {"sequence": [rna.sequence for rna in rnas]}
    if not flags.no_structure:
        letters["structure"] = _contexts(rnas, flags)
    vectors = {}
    for view, strings in letters.items():
        vocabulary = getattr(encoding, f"{view}_vocabulary")
        vectors[view] = word2vec.train_vectors(
            map(vocabulary.encode, strings), vocabulary, flags.vectors, flags.seed
        )
    description = {
        "corpus": flags.fasta.name,
        "corpus_sha256": sha256(flags.fasta),
        "n_read": n_read,
        "n_used": len(rnas),
        "encoding": dataclasses.asdict(encoding),
        "vectors": dataclasses.asdict(flags.vectors),
        "seed": flags.seed,
    }
    files.write_json(flags.out / DESCRIPTION, description)
    # That of the sequence, which every network wants, is the last: it tells that the
    # others are there.
    for view in reversed(vectors):
        path = flags.out / f"{view}_vectors.npy"
        word2vec.save(vectors[view], path)
        print(f"wrote {path}: {vectors[view].shape}")


def _make_place(out: Path) -> None:
    """Makes the directory, or clears it of what a killed command left.

    Raises:
      UserError: It holds anything else.
    """
    directories.make_directory(out)
    found = list(out.iterdir())
    if {path.name for path in found} - _LEFT_BY_A_KILL:
        raise UserError(f"--out {out} is not empty; name another.")
    for path in found:
        path.unlink()


def _sample(corpus: SitesFile, flags: VectorsFlags) -> tuple[list[Site], int]:
    """Returns the RNAs with the smallest hashes, whatever their order in the file."""
    counts = {"read": 0, "skipped": 0}

    def hashed() -> Iterator[tuple[bytes, str, int, Site]]:
        key = f"seed {flags.seed}".encode()
        for row, read in enumerate(corpus, start=1):
            site = refuse_long(read, row, flags.max_length)
            counts["read"] += 1
            counts["skipped"] += isinstance(site, SkippedSite)
            if isinstance(site, Site):
                digest = hashlib.blake2b(site.sequence.encode(), key=key).digest()
                yield digest, site.dot_bracket or "", row, site

    smallest = heapq.nsmallest(flags.vectors.vector_sites, hashed())
    print(
        f"read {flags.fasta}: {corpus.format}, {counts['read']} RNAs, "
        f"{counts['skipped']} skipped, {len(smallest)} sampled"
    )
    return [site for _digest, _dot_bracket, _row, site in smallest], counts["read"]


def _contexts(rnas: list[Site], flags: VectorsFlags) -> list[str]:
    """Returns the loop contexts of each RNA, folding those that came without."""
    sequences = [rna.sequence for rna in rnas if rna.dot_bracket is None]
    with FoldingPool(flags.fold, flags.fold_cache, flags.workers) as pool:
        known = pool.cache.known(sequences)
        missing = [s for s in dict.fromkeys(sequences) if s not in known]
        with progress_bar(len(missing), "fold", "folding") as bar:
            pool.fill(missing, bar.update)
        return [loop_contexts(dot_bracket) for dot_bracket in pool.structures_of(rnas)]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("vectors", VectorsFlags, train_on_corpus, argv)


if __name__ == "__main__":
    sys.exit(main())
