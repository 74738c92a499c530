"""The files that variants are read from: checked, opened, described."""

import contextlib
import dataclasses
import logging
from pathlib import Path
from typing import Literal, get_args

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.variants_alleles import Fault, Reason
from deeprke_tf.explaining.variants_places import OnGenome, OnRnas
from deeprke_tf.explaining.variants_reading import VariantsFile
from deeprke_tf.explaining.variants_stretches import InGenes, InRegions, OnStrands
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.genome import Genome, open_genome
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.spliced import SplicedTranscripts
from deeprke_tf.rna.fasta import Rna, read_rnas
from deeprke_tf.system.files import sha256

logger = logging.getLogger(__name__)

Strand = Literal["+", "-", "both"]


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Variants on a genome, or in RNAs without one.

    Attributes:
      vcf: VCF, or a table of variants.
      genome: FASTA or UCSC 2bit.
      gtf: Annotation: variants in transcripts are read on the strands of their genes.
      regions: BED: variants in regions are read on the regions' strands.
      strand: In place of both: the strands that every variant is read on.
      sites: In place of a genome: FASTA of RNAs.
      mutations: With `sites`: table of variants in them.
    """

    vcf: Path | None = None
    genome: Path | None = None
    gtf: Path | None = None
    regions: Path | None = None
    strand: Strand | None = None
    sites: Path | None = None
    mutations: Path | None = None

    def __post_init__(self):
        if self.strand not in (None, *get_args(Strand)):
            raise UserError(
                f"`strand` must be '+', '-' or 'both', got {self.strand!r}."
            )
        given = {
            field.name
            for field in dataclasses.fields(self)
            if getattr(self, field.name) is not None
        }
        if given == {"sites", "mutations"}:
            return
        if given & {"sites", "mutations"}:
            raise UserError(
                "Variants in RNAs need `sites` and `mutations`, and nothing else of a "
                f"genome; got {', '.join(f'`{name}`' for name in sorted(given))}."
            )
        if not {"vcf", "genome"} <= given:
            raise UserError(
                "Give `vcf` and `genome`; or, without a genome, `sites` and "
                "`mutations`."
            )
        if len(given & {"gtf", "regions", "strand"}) != 1:
            raise UserError(
                "Give one of `gtf`, `regions` and `strand`: they tell on which strands "
                "variants are read."
            )

    def described(self) -> list[dict[str, str]]:
        """Returns role, path and SHA-256 of each file."""
        names = ("vcf", "genome", "gtf", "regions", "sites", "mutations")
        files = {name: getattr(self, name) for name in names}
        return [
            {"role": name, "file": str(path), "sha256": sha256(path)}
            for name, path in files.items()
            if path is not None
        ]


def opened(
    inputs: Inputs, transcripts: bool, k: int, closing: contextlib.ExitStack
) -> tuple[VariantsFile, OnGenome | OnRnas]:
    """Opens the variants, and the genome or the RNAs that they lie on.

    Args:
      inputs: The files.
      transcripts: Whether variants in exons are read on spliced transcripts.
      k: Length of the k-mers; an RNA needs one without N.
      closing: Closes the genome.

    Raises:
      UserError: A file cannot be read, or `transcripts` lacks an annotation.
    """
    if transcripts and inputs.gtf is None:
        raise UserError("`transcripts` needs an annotation: give `gtf`.")
    if inputs.mutations is not None and inputs.sites is not None:
        file = VariantsFile(inputs.mutations, in_rnas=True)
        return file, OnRnas(_rnas(inputs.sites, k))
    assert inputs.vcf is not None and inputs.genome is not None
    file = VariantsFile(inputs.vcf)
    genome = closing.enter_context(open_genome(inputs.genome))
    return file, _on_genome(inputs, genome, transcripts)


def _on_genome(inputs: Inputs, genome: Genome, transcripts: bool) -> OnGenome:
    if inputs.regions is not None:
        return OnGenome(genome, InRegions(inputs.regions, genome.sizes))
    if inputs.gtf is None:
        strands = "+-" if inputs.strand == "both" else str(inputs.strand)
        return OnGenome(genome, OnStrands(genome.sizes, strands))
    annotation = read_annotation(inputs.gtf, sizes=genome.sizes)
    if not {*annotation.columns.chroms} & {*genome.sizes}:
        raise UserError(
            f"No transcript of `gtf` {inputs.gtf} lies on the genome {inputs.genome}: "
            "they name no chromosome alike."
        )
    regions = Regions(annotation)
    spliced = SplicedTranscripts(annotation, regions) if transcripts else None
    return OnGenome(genome, InGenes(annotation, regions), spliced)


def _rnas(path: Path, k: int) -> dict[str, str | Fault]:
    """Reads RNAs as DNA letters by name; the first of a name counts."""
    found: dict[str, str | Fault] = {}
    n_repeated = 0
    for rna in read_rnas(path, k):
        if isinstance(rna, Rna):
            found[rna.name] = rna.sequence.replace("U", "T")
        elif rna.name in found:
            n_repeated += 1
        else:
            detail = f"{rna.reason} {rna.detail}".strip()
            found[rna.name] = Fault(Reason.RNA, detail)
    if n_repeated:
        logger.warning(
            "%s RNAs of %s have the name of an earlier one: variants lie in the first",
            *(f"{n_repeated:,}", path),
        )
    return found
