"""The RNAs to scan: records of a FASTA file, or stretches of a genome."""

import dataclasses
import functools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from deeprke_tf.errors import UserError
from deeprke_tf.rna.fasta import Rna, read_rnas
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.scanning.genome_rnas import GenomeRnas, regions_of, transcripts_of
from deeprke_tf.system.files import sha256

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class FastaRnas:
    """The records of a FASTA file.

    Attributes:
      path: The file.
    """

    path: Path
    how_named = "the first word of its header"

    def __str__(self) -> str:
        return str(self.path)

    def read(self, k: int, *, unique_names: bool) -> Iterator[Rna | SkippedSite]:
        """Yields the RNAs; the arguments are as for `rna.fasta.read_rnas`."""
        return read_rnas(self.path, k, unique_names=unique_names)

    @functools.cached_property
    def digest(self) -> str:
        """Differs for other RNAs, hexadecimal."""
        return sha256(self.path)

    def digests(self) -> dict[str, str]:
        """Returns the digests of the input, for `scan.json`."""
        return {"fasta_sha256": self.digest}


Rnas: TypeAlias = FastaRnas | GenomeRnas


def rnas_of(
    fasta: Path | None,
    genome: Path | None,
    *,
    gtf: Path | None,
    bed12: Path | None,
    genes: Sequence[str],
    regions: Path | None,
) -> Rnas:
    """Returns what a scan is asked to scan.

    Raises:
      UserError: Arguments are missing or do not go together, a file cannot be read, or
        nothing lies on the genome.
    """
    if gtf and bed12:
        raise UserError("Give `gtf` or `bed12`, not both.")
    if (fasta is None) == (genome is None):
        raise UserError("Give the RNAs as `fasta`, or `genome`: one of the two.")
    if genome is None:
        if genes or regions:
            given = "genes" if genes else "regions"
            raise UserError(f"`{given}` goes with `genome`, not with `fasta`.")
        return FastaRnas(Path(fasta or ""))
    if genes and regions:
        raise UserError("Give `genes` or `regions`, not both.")
    annotation = gtf or bed12
    if regions is not None:
        if annotation is not None:
            logger.info("note: %s is not read: regions are scanned whole", annotation)
        return regions_of(genome, regions)
    if annotation is None:
        raise UserError(
            "With `genome`, give the transcripts to scan as `gtf` or `bed12`, or "
            "`regions`."
        )
    return transcripts_of(genome, annotation, "gtf" if gtf else "bed12", genes)
