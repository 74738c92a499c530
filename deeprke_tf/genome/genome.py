"""A genome, read at any position: FASTA (plain, gzip, bgzip) or UCSC 2bit.

Positions count from 0, ends are exclusive. Letters are DNA as in the file, with their
case, which marks repeats in genomes of UCSC and Ensembl.
"""

from collections.abc import Callable
from pathlib import Path

import py2bit
import pysam

from deeprke_tf.errors import UserError
from deeprke_tf.genome.fasta_index import indexed
from deeprke_tf.rna.loci import Locus

_COMPLEMENT = str.maketrans(
    "ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn"
)
# Little and big endian.
_TWO_BIT = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")


def reverse_complement(sequence: str) -> str:
    """Returns the other strand, 5' to 3', in DNA letters of the same case.

    >>> reverse_complement("ACGTnrY")
    'RynACGT'
    """
    return sequence.translate(_COMPLEMENT)[::-1]


class Genome:
    """A genome; a context manager. `open_genome` makes it.

    Attributes:
      path: Its file, as given.
      sizes: Length of each chromosome, in nucleotides, in the order of the file.
    """

    def __init__(
        self,
        path: Path,
        sizes: dict[str, int],
        letters: Callable[[str, int, int], str],
        close: Callable[[], object],
    ):
        self.path = path
        self.sizes = sizes
        self._letters = letters
        self._close = close

    def __enter__(self) -> "Genome":
        return self

    def __exit__(self, *_error: object) -> None:
        self._close()

    def fetch(self, chrom: str, start: int, end: int, strand: str = "+") -> str:
        """Returns the letters of a stretch, 5' to 3' on its strand.

        Args:
          chrom: Chromosome, one of `sizes`.
          start: First position, from 0.
          end: Position behind the last; at most the chromosome's length.
          strand: `+` or `-`.

        Raises:
          ValueError: The stretch does not lie on the chromosome.
          UserError: The file is damaged.
        """
        if not 0 <= start <= end <= self.sizes.get(chrom, -1):
            raise ValueError(f"{chrom}:{start}-{end} does not lie on the genome")
        if start == end:
            return ""
        try:
            letters = self._letters(chrom, start, end)
        except (OSError, RuntimeError, ValueError) as error:
            raise self._damaged(chrom, start, end) from error
        if len(letters) != end - start:
            raise self._damaged(chrom, start, end)
        return reverse_complement(letters) if strand == "-" else letters

    def fetch_locus(self, locus: Locus) -> str:
        """Returns the letters of a locus, 5' to 3', its blocks joined."""
        letters = "".join(self.fetch(locus.chrom, *block) for block in locus.blocks)
        return reverse_complement(letters) if locus.strand == "-" else letters

    def _damaged(self, chrom: str, start: int, end: int) -> UserError:
        return UserError(
            f"The genome {self.path} cannot be read at {chrom}:{start}-{end}: the file "
            "is damaged, or its index is of another file."
        )


def open_genome(path: str | Path) -> Genome:
    """Opens a genome.

    Args:
      path: FASTA, plain, bgzip, gzip, bzip2 or xz, or UCSC 2bit; recognized from the
        content. A missing index is made, beside the file or in the cache directory;
        what is compressed, but not by bgzip, is recompressed there, once.

    Raises:
      UserError: The file cannot be read, or is neither.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no genome {path}; name a FASTA or UCSC 2bit file.")
    try:
        with open(path, "rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UserError(f"Cannot read the genome {path}: {error.strerror}.") from error
    return _open_2bit(path) if head in _TWO_BIT else _open_fasta(path)


def _open_fasta(path: Path) -> Genome:
    index = indexed(path)
    verbosity = pysam.set_verbosity(0)
    try:
        file = pysam.FastaFile(
            str(index.fasta),
            filepath_index=str(index.fai),
            filepath_index_compressed=str(index.gzi) if index.gzi.exists() else None,
        )
    except (OSError, ValueError) as error:
        raise UserError(
            f"Cannot open the genome {path} with its index {index.fai}: {error}; if "
            "the index is of another file, delete it."
        ) from error
    finally:
        pysam.set_verbosity(verbosity)
    sizes = dict(zip(file.references, file.lengths, strict=True))
    return Genome(path, sizes, file.fetch, file.close)


def _open_2bit(path: Path) -> Genome:
    try:
        file = py2bit.open(str(path), True)
        sizes = dict(file.chroms())
    except RuntimeError as error:
        raise UserError(
            f"Cannot read the genome {path}: the 2bit file is damaged."
        ) from error
    return Genome(path, sizes, file.sequence, file.close)
