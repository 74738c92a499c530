"""Where random background windows come from: the peaks' genes, or whole chromosomes.

A source is divided into groups of pieces. Each bound site has a group of its own, such
as the introns of its gene; a wider one, such as the introns of all genes with peaks;
and one to compare with, which disregards its region.
"""

import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from deeprke_tf.genome.annotation import Annotation, Transcript
from deeprke_tf.genome.drawing import Pieces
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.regions import (
    CDS,
    INTERGENIC,
    INTRON,
    NCRNA,
    UTR3,
    UTR5,
    Regions,
)
from deeprke_tf.genome.templates import Templates
from deeprke_tf.rna.loci import Locus

if TYPE_CHECKING:
    import pandas as pd

Segment: TypeAlias = tuple[int, int, str]
# Group, template, start, end, strand, gene.
_Row: TypeAlias = tuple[Hashable, int, int, int, int, str]


@dataclasses.dataclass(frozen=True)
class Source:
    """What the background of some bound sites is drawn from.

    Attributes:
      templates: Chromosomes and, for spliced windows, transcripts.
      pieces: Their stretches, in groups.
      genes: Gene of each piece; empty: none or unknown, [n_pieces].
      own: Group of each bound site, int64 [n_sites].
      wider: The group to draw from where the own one has not enough, [n_sites].
      unmatched: The group that disregards the region, [n_sites].
    """

    templates: Templates
    pieces: Pieces
    genes: np.ndarray
    own: np.ndarray
    wider: np.ndarray
    unmatched: np.ndarray


def whole_chromosomes(bound: "pd.DataFrame", genome: Genome) -> Source:
    """Returns either strand of the chromosomes that have bound sites.

    Args:
      bound: The bound sites.
      genome: The genome.
    """
    chroms = _chromosomes(bound["chrom"], genome)
    rows = [(0, i, 0, genome.sizes[chrom], 0, "") for i, chrom in enumerate(chroms)]
    group = [0] * len(bound)
    return _source(
        [_whole(chrom, genome) for chrom in chroms], rows, group, group, group
    )


def same_genes(
    bound: "pd.DataFrame",
    genome: Genome,
    annotation: Annotation,
    regions: Regions,
    spliced: bool,
) -> Source:
    """Returns the genes of the bound sites, or their spliced transcripts.

    A site in no gene gets the strand of its chromosome.

    Args:
      bound: The bound sites.
      genome: The genome.
      annotation: Transcripts on its chromosomes.
      regions: Their regions.
      spliced: Whether exonic sites lie on the gene's canonical transcript.
    """
    genes = [gene for gene in bound["gene"].unique() if gene in annotation.genes]
    transcripts = [annotation.canonical(gene) for gene in genes]
    chroms = _chromosomes([*bound["chrom"], *(t.chrom for t in transcripts)], genome)
    number = {chrom: i for i, chrom in enumerate(chroms)}
    loci = [_whole(chrom, genome) for chrom in chroms]
    rows: list[_Row] = []
    for gene, transcript in zip(genes, transcripts, strict=True):
        strand = -1 if transcript.strand == "-" else 1
        place = transcript.chrom, transcript.strand
        span = transcript.exons[0][0], transcript.exons[-1][1]
        for start, end, region in regions.within(*place, *span):
            if not spliced or region == INTRON:
                piece = (number[transcript.chrom], start, end, strand, gene)
                rows += _grouped(gene, region, piece)
        if spliced:
            for start, end, region in spliced_segments(transcript):
                rows += _grouped(gene, region, (len(loci), start, end, 1, gene))
            loci.append(transcript.locus)
    places = bound[["chrom", "strand"]].drop_duplicates().itertuples(index=False)
    for chrom, strand in places:
        sign = -1 if strand == "-" else 1
        rows.append(((chrom, strand), number[chrom], 0, genome.sizes[chrom], sign, ""))
    known = set(genes)
    columns = (bound[name] for name in ("gene", "region", "chrom", "strand"))
    groups = [
        _groups(gene, region)
        if gene in known and region != INTERGENIC
        else [(chrom, strand)] * 3
        for gene, region, chrom, strand in zip(*columns, strict=True)
    ]
    return _source(loci, rows, *zip(*groups, strict=True))


def spliced_segments(transcript: Transcript) -> Iterator[Segment]:
    """Yields start, end and region of a transcript's regions, from its 5' end.

    >>> transcript = Transcript("t", "g", "1", "-", ((10, 20), (30, 40)), (15, 32))
    >>> list(spliced_segments(transcript))
    [(0, 8, "5'UTR"), (8, 15, 'CDS'), (15, 20, "3'UTR")]
    """
    length = transcript.locus.n_nucleotides
    if transcript.cds is None:
        yield 0, length, NCRNA
        return
    low, high = (
        sum(max(0, min(end, position) - start) for start, end in transcript.exons)
        for position in transcript.cds
    )
    if transcript.strand == "-":
        low, high = length - high, length - low
    for segment in ((0, low, UTR5), (low, high, CDS), (high, length, UTR3)):
        if segment[0] < segment[1]:
            yield segment


def _groups(gene: str, region: str) -> list[Hashable]:
    """Returns own, wider and unmatched group of a site."""
    return [("gene", gene, region), ("region", region), ("gene", gene)]


def _grouped(
    gene: str, region: str, piece: tuple[int, int, int, int, str]
) -> list[_Row]:
    return [(group, *piece) for group in _groups(gene, region)]


def _chromosomes(chroms: Sequence[str], genome: Genome) -> list[str]:
    """Returns the chromosomes among these, in the order of the genome."""
    wanted = set(chroms)
    return [chrom for chrom in genome.sizes if chrom in wanted]


def _whole(chrom: str, genome: Genome) -> Locus:
    return Locus(chrom, ((0, genome.sizes[chrom]),), "+")


def _source(
    loci: Sequence[Locus],
    rows: Sequence[_Row],
    *groups: Sequence[Hashable],
) -> Source:
    """Numbers the groups and sorts the pieces by them."""
    numbers: dict[Hashable, int] = {}
    for row in rows:
        numbers.setdefault(row[0], len(numbers))
    columns = np.array([(numbers[row[0]], *row[1:5]) for row in rows], np.int64)
    order = np.argsort(columns[:, 0], kind="stable")
    genes = np.array([row[5] for row in rows], str)[order]
    # A group without a piece has the number behind the last.
    own, wider, unmatched = (
        np.array([numbers.get(group, len(numbers)) for group in of_sites], np.int64)
        for of_sites in groups
    )
    pieces = Pieces(*columns[order].T)
    return Source(Templates(loci), pieces, genes, own, wider, unmatched)
