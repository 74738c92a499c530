"""A genome with genes, and peaks on planted sites: what is true of it is known.

Each region has letters of its own: coding exons are rich in GC, introns in U, 3'UTRs in
A, and what lies between genes in C and U. 3'UTRs are stretches of 200 nt, in turns rich
and poor in GC. Sites lie in coding exons and, most of them, in stretches of 3'UTRs that
are rich in GC: so peaks differ from random windows in region and in GC, without any
binding. What is bound is `MOTIF`; `DECOY`, as frequent everywhere, has the same letters
and the same dinucleotides in another order.
"""

import dataclasses
import random
import re
from collections.abc import Iterator
from pathlib import Path

from deeprke_tf.errors import require_positive
from deeprke_tf.system.directories import make_directory
from deeprke_tf.system.files import written_aside

MOTIF, DECOY = "GCATGACTG", "GACATGCTG"
FLANK = 20  # nucleotides of a peak on each side of its motif

_LETTERS = "ACGT"
# Fractions of A, C, G and T.
_COMPOSITION = {
    "between": (0.18, 0.32, 0.12, 0.38),
    "5'UTR": (0.2, 0.3, 0.3, 0.2),
    "CDS": (0.24, 0.26, 0.28, 0.22),
    "intron": (0.2, 0.16, 0.22, 0.42),
    "rich": (0.34, 0.14, 0.36, 0.16),
    "poor": (0.48, 0.08, 0.2, 0.24),
}
_UTR = ("rich", "poor") * 4
_STRETCH = 200
_GENE = (
    ("5'UTR", 150),
    ("CDS", 450),
    ("intron", 900),
    ("CDS", 450),
    *((kind, _STRETCH) for kind in _UTR),
)
_EXONS = ((0, 600), (1500, 1950 + len(_UTR) * _STRETCH))
_CODING = (150, 1950)
_LENGTH = _EXONS[-1][1]
_BETWEEN = 2500
_DECOY_EVERY = 50  # nucleotides
_SITES = 5  # of each gene
_NEAREST = 130  # nucleotides between sites


@dataclasses.dataclass(frozen=True)
class SimulatedGenome:
    """Paths of the files, and where the motifs lie.

    Attributes:
      fasta: The genome.
      gtf: Its genes; `g0`, `g1`, ...
      peaks: BED6 of the bound sites.
      motifs: Chromosome, start and strand of each bound motif, as the peaks.
    """

    fasta: Path
    gtf: Path
    peaks: Path
    motifs: list[tuple[str, int, str]]


def simulate_genome(
    directory: Path, n_genes: int = 150, n_chromosomes: int = 3, seed: int = 1
) -> SimulatedGenome:
    """Writes `genome.fa`, `genes.gtf` and `peaks.bed` into a directory.

    Args:
      directory: Made if need be; files of these names are replaced.
      n_genes: Number of genes; each has up to five peaks.
      n_chromosomes: Number of chromosomes, `chr1`, `chr2`, ...
      seed: Random seed.

    Raises:
      UserError: A number is below 1, or the directory cannot be written.
    """
    require_positive(n_genes=n_genes, n_chromosomes=n_chromosomes)
    make_directory(directory)
    rng = random.Random(seed)
    chromosomes: dict[str, list[str]] = {
        f"chr{i + 1}": [] for i in range(n_chromosomes)
    }
    annotation: list[str] = []
    bed: list[str] = []
    motifs: list[tuple[str, int, str]] = []
    for number in range(n_genes):
        chrom = f"chr{number % n_chromosomes + 1}"
        strand = rng.choice("+-")
        parts = chromosomes[chrom]
        parts.append(_with_decoys(_random("between", _BETWEEN, rng), rng))
        start = sum(map(len, parts))
        gene, sites = _gene(rng)
        parts.append(gene if strand == "+" else _reverse(gene))
        for feature, (low, high) in _features():
            low, high = _placed(start, low, high, strand)
            about = f'gene_id "g{number}"; transcript_id "t{number}";'
            annotation.append(
                f"{chrom}\tsim\t{feature}\t{low + 1}\t{high}\t.\t{strand}\t.\t{about}\n"
            )
        for site in sites:
            low, high = _placed(start, site, site + len(MOTIF), strand)
            motifs.append((chrom, low, strand))
            # The peak of a real experiment is not centered on its motif.
            shift = rng.randint(-FLANK, FLANK)
            edges = low - FLANK + shift, high + FLANK + shift
            name = f"peak{len(bed)}"
            bed.append(f"{chrom}\t{edges[0]}\t{edges[1]}\t{name}\t10\t{strand}\n")
    for parts in chromosomes.values():
        parts.append(_random("between", _BETWEEN, rng))
    fasta, gtf, peaks = (
        directory / name for name in ("genome.fa", "genes.gtf", "peaks.bed")
    )
    letters = (f">{c}\n{''.join(parts)}\n" for c, parts in chromosomes.items())
    for path, lines in ((fasta, letters), (gtf, annotation), (peaks, bed)):
        with written_aside(path) as file:
            file.writelines(lines)
    return SimulatedGenome(fasta, gtf, peaks, motifs)


def _features() -> Iterator[tuple[str, tuple[int, int]]]:
    yield from (("exon", exon) for exon in _EXONS)
    for start, end in _EXONS:
        yield "CDS", (max(start, _CODING[0]), min(end, _CODING[1]))


def _gene(rng: random.Random) -> tuple[str, list[int]]:
    """Returns a gene's letters, 5' to 3', and where its motifs replaced decoys."""
    gene = _with_decoys("".join(_random(kind, n, rng) for kind, n in _GENE), rng)
    (_, donor), (acceptor, _) = _EXONS
    gene = f"{gene[:donor]}GT{gene[donor + 2 : acceptor - 2]}AG{gene[acceptor:]}"
    decoys = [match.start() for match in re.finditer(DECOY, gene)]
    rng.shuffle(decoys)
    sites: list[int] = []
    for decoy in decoys:
        is_apart = all(abs(decoy - site) > _NEAREST for site in sites)
        if len(sites) < _SITES and is_apart and _may_be_bound(decoy):
            sites.append(decoy)
            gene = gene[:decoy] + MOTIF + gene[decoy + len(MOTIF) :]
    return gene, sites


def _may_be_bound(position: int) -> bool:
    first_stretch = _EXONS[0][1] + 1350
    if position >= first_stretch:
        return _UTR[(position - first_stretch) // _STRETCH] == "rich"
    return any(start + 150 <= position < end for start, end in _EXONS)


def _random(kind: str, n: int, rng: random.Random) -> str:
    return "".join(rng.choices(_LETTERS, _COMPOSITION[kind], k=n))


def _with_decoys(letters: str, rng: random.Random) -> str:
    """Plants decoys, and leaves no motif."""
    for start in range(0, len(letters) - _DECOY_EVERY, _DECOY_EVERY):
        at = start + rng.randrange(_DECOY_EVERY - len(DECOY))
        letters = letters[:at] + DECOY + letters[at + len(DECOY) :]
    return letters.replace(MOTIF, DECOY)


def _placed(start: int, low: int, high: int, strand: str) -> tuple[int, int]:
    """Returns where a stretch of a gene lies on its chromosome."""
    if strand == "+":
        return start + low, start + high
    return start + _LENGTH - high, start + _LENGTH - low


def _reverse(letters: str) -> str:
    return letters.translate(str.maketrans(_LETTERS, "TGCA"))[::-1]
