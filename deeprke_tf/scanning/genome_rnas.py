"""The RNAs to scan of a genome, with their places on it.

They are the spliced transcripts of an annotation, the canonical one of each gene, or
regions of a BED file, whole.
"""

import collections
import dataclasses
import functools
import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import Annotation, Transcript, read_annotation
from deeprke_tf.genome.annotation_files import Form
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.genome import open_genome
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.skips import Reason
from deeprke_tf.rna.fasta import NAME_TAKEN, Rna, clean_rna
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import SkippedSite, skip_site
from deeprke_tf.scanning.tracks import safe_name
from deeprke_tf.system.files import sha256

logger = logging.getLogger(__name__)

NOT_ANNOTATED = "gene is not in the annotation"


@dataclasses.dataclass(frozen=True)
class GenomeRnas:
    """Stretches of a genome.

    Attributes:
      path: The genome.
      sizes: Lengths of its chromosomes.
      listed: Name and place of each RNA, or why it is not scanned, in order.
    """

    path: Path
    sizes: dict[str, int]
    listed: "Sequence[tuple[str, Locus] | SkippedSite]"
    how_named = "that of a transcript, or of a region"

    def __str__(self) -> str:
        return str(self.path)

    def read(self, k: int, *, unique_names: bool) -> Iterator[Rna | SkippedSite]:
        """Yields the RNAs; their names are unique anyway.

        Args:
          k: Length of the k-mers; an RNA needs one without N.
          unique_names: Not used.
        """
        with open_genome(self.path) as genome:
            for row, one in enumerate(self.listed, start=1):
                if isinstance(one, SkippedSite):
                    yield dataclasses.replace(one, row=row)
                else:
                    name, locus = one
                    yield clean_rna(name, row, genome.fetch_locus(locus), k)

    @functools.cached_property
    def places(self) -> dict[str, Locus]:
        """The place of each RNA, by its name in the files of the scan."""
        named = (one for one in self.listed if not isinstance(one, SkippedSite))
        return {safe_name(name): locus for name, locus in named}

    def find(self, name: str, _length: int) -> Locus:
        """Returns the place of an RNA, by its name in the files of the scan."""
        return self.places[name]

    @functools.cached_property
    def digest(self) -> str:
        """Differs for other RNAs, hexadecimal."""
        hashed = hashlib.sha256(self._genome_digest.encode())
        for name, locus in self.places.items():
            hashed.update(f"{name} {locus}\n".encode())
        return hashed.hexdigest()

    @functools.cached_property
    def _genome_digest(self) -> str:
        return sha256(self.path)

    def digests(self) -> dict[str, str]:
        """Returns the digests of the input, for `scan.json`."""
        return {"genome_sha256": self._genome_digest, "rnas_sha256": self.digest}


def transcripts_of(
    genome: Path, annotation: Path, form: Form, genes: Sequence[str] = ()
) -> GenomeRnas:
    """Returns the spliced canonical transcripts of genes.

    Args:
      genome: FASTA or UCSC 2bit.
      annotation: GTF, GFF3 or BED12.
      form: "gtf" or "bed12".
      genes: Identifiers or symbols of genes, or names of transcripts; one name may be a
        file that lists some. Empty: all genes.

    Raises:
      UserError: A file cannot be read, or none of the transcripts lies on the genome.
    """
    with open_genome(genome) as opened:
        sizes = opened.sizes
    read = read_annotation(annotation, form=form, sizes=sizes)
    if read.renamed:
        old, new = next(iter(read.renamed.items()))
        logger.info(
            "note: %s names %d chromosomes otherwise: %s is %s of the genome",
            *(annotation, len(read.renamed), old, new),
        )
    if read.skipped:
        name, why = next(iter(read.skipped.items()))
        logger.info(
            "note: %d transcripts of %s cannot be used, such as %s: %s",
            *(len(read.skipped), annotation, name, why),
        )
    names = _listed_names(genes)
    listed = [
        one if isinstance(one, SkippedSite) else _on_genome(one.name, one.locus, sizes)
        for one in (_chosen(read, names) if names else _canonical(read))
    ]
    return _some_to_scan(GenomeRnas(genome, sizes, listed), annotation)


def regions_of(genome: Path, regions: Path) -> GenomeRnas:
    """Returns regions of a BED file, each whole, on its strand.

    Args:
      genome: FASTA or UCSC 2bit.
      regions: BED of at least six columns, for their strands.

    Raises:
      UserError: A file cannot be read, or none of the regions lies on the genome.
    """
    with open_genome(genome) as opened:
        sizes = opened.sizes
    chromosomes = ChromosomeNames(sizes)
    peaks = read_peaks(regions, needs_strand=False)
    listed: list[tuple[str, Locus] | SkippedSite] = []
    taken: set[str] = set()
    for row in peaks.table.itertuples(index=False):
        place = f"{row.chrom}:{row.start}-{row.end}({row.strand})"
        name = "_".join(row.name.split()) or place
        name = f"{name}@{place}" if name in taken else name
        if row.strand == ".":
            listed.append(skip_site(name, 0, Reason.NO_STRAND))
        elif name in taken:
            listed.append(skip_site(name, 0, NAME_TAKEN))
        else:
            chrom = chromosomes.find(row.chrom) or row.chrom
            locus = Locus(chrom, ((row.start, row.end),), row.strand)
            listed.append(_on_genome(name, locus, sizes))
        taken.add(name)
    for row in peaks.skipped.itertuples(index=False):
        name = row.name or f"{regions.name}:{row.line}"
        listed.append(skip_site(name, 0, row.reason, f"line {row.line}: {row.detail}"))
    return _some_to_scan(GenomeRnas(genome, sizes, listed), regions)


def _listed_names(genes: Sequence[str]) -> list[str]:
    """Returns the names of genes, those of a file a line each."""
    if len(genes) != 1 or not Path(genes[0]).is_file():
        return list(dict.fromkeys(genes))
    try:
        lines = Path(genes[0]).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise UserError(f"Cannot read the `genes` {genes[0]}: {error}.") from error
    names = dict.fromkeys(line.split("\t")[0].strip() for line in lines)
    found = [name for name in names if name and not name.startswith("#")]
    if not found:
        raise UserError(f"`genes` {genes[0]} names no gene; expected one a line.")
    return found


def _canonical(annotation: Annotation) -> Iterator[Transcript]:
    return map(annotation.canonical, annotation.genes)


def _chosen(
    annotation: Annotation, names: Sequence[str]
) -> list[Transcript | SkippedSite]:
    """Returns the transcripts of some genes, or that one is not there."""
    genes: dict[str, list[str]] = collections.defaultdict(list)
    for gene in annotation.genes:
        for name in {gene, gene.partition(".")[0], annotation.gene_names.get(gene)}:
            genes[name or gene].append(gene)
    chosen: list[Transcript | SkippedSite] = []
    for name in names:
        if name in annotation:
            chosen.append(annotation[name])
        elif found := genes.get(name) or genes.get(name.partition(".")[0]):
            chosen += (annotation.canonical(gene) for gene in found)
        else:
            chosen.append(skip_site(name, 0, NOT_ANNOTATED))
    return list(dict.fromkeys(chosen))


def _on_genome(
    name: str, locus: Locus, sizes: dict[str, int]
) -> tuple[str, Locus] | SkippedSite:
    if locus.chrom not in sizes:
        return skip_site(name, 0, Reason.CHROMOSOME, locus.chrom)
    if locus.end > sizes[locus.chrom]:
        return skip_site(name, 0, Reason.PAST_END, f"{locus.chrom}, {locus.end}")
    return name, locus


def _some_to_scan(rnas: GenomeRnas, source: Path) -> GenomeRnas:
    """Returns the RNAs.

    Raises:
      UserError: There are none.
    """
    if rnas.places:
        return rnas
    reasons = collections.Counter(
        one.reason for one in rnas.listed if isinstance(one, SkippedSite)
    )
    why = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    first = ""
    for one in rnas.listed[:1]:
        if isinstance(one, SkippedSite):
            detail = f" ({one.detail})" if one.detail else ""
            first = f" The first is {one.name!r}{detail};"
    raise UserError(
        f"Nothing of {source} can be scanned on {rnas.path}: "
        f"{why or 'all transcripts are unusable'}.{first} the genome has the "
        f"chromosomes {', '.join([*rnas.sizes][:3])}."
    )
