"""Transcripts and genes of a GTF, GFF3 or BED12 file.

A human annotation has 250,000 transcripts with 1.7 million exons. They are kept as
arrays, about 100 MB, and become `Transcript` objects when they are asked for. All
positions count from 0, ends are exclusive; GTF counts from 1, with inclusive ends.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation_columns import Collected, Transcripts
from deeprke_tf.genome.annotation_files import NOT_CANONICAL, Form, read_lines
from deeprke_tf.rna.loci import Interval, Locus

_EXPECTED = {
    "gtf": "GTF: 'exon' lines with a transcript_id",
    "bed12": "BED12",
    None: "GTF or GFF3 with 'exon' lines that name their transcript, or BED12",
}
_VERSION = re.compile(r"\.\d+$")


class Transcript(NamedTuple):
    """A transcript on its genome.

    Attributes:
      name: Name, unique in its file.
      gene: Identifier of its gene; the transcript's name where the file has none.
      chrom: Chromosome.
      strand: `+` or `-`.
      exons: Half-open intervals on the chromosome, ascending on either strand.
      cds: From the first to the last coding position, stop codon included; None:
        non-coding.
      biotype: Such as `protein_coding`; may be empty.
      is_canonical: Whether a tag of the file names it as its gene's canonical one.
    """

    name: str
    gene: str
    chrom: str
    strand: str
    exons: tuple[Interval, ...]
    cds: Interval | None = None
    biotype: str = ""
    is_canonical: bool = False

    @property
    def locus(self) -> Locus:
        """Where its exons lie."""
        return Locus(self.chrom, self.exons, self.strand)


class Annotation(Mapping[str, Transcript]):
    """Transcripts by name; `read_annotation` makes it.

    Attributes:
      transcripts: The transcripts by name: the annotation itself.
      genes: Names of the transcripts of each gene, by its identifier.
      gene_names: Symbol of each gene that has one, by its identifier.
      skipped: Transcripts that cannot be used, by name, and why.
      repeated: Names that come at several places, and how. The first place keeps the
        name, the others get theirs behind it: `NM_1@chrY:100`.
      renamed: Chromosomes that the genome names otherwise, and its names.
      columns: All transcripts as columns.
    """

    def __init__(self, found: Transcripts):
        names, self.columns, self.gene_names, *others = found
        self.skipped, self.repeated, self.renamed = others
        self._numbers = {name: number for number, name in enumerate(names)}
        genes: dict[str, list[str]] = defaultdict(list)
        for name, gene in zip(names, self.columns.genes, strict=True):
            genes[gene].append(name)
        self.genes: dict[str, list[str]] = dict(genes)

    @property
    def transcripts(self) -> Mapping[str, Transcript]:
        """The transcripts by name."""
        return self

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __getitem__(self, name: str) -> Transcript:
        number, columns = self._numbers[name], self.columns
        first, end = columns.first_exons[number : number + 2]
        cds = columns.cds[number]
        return Transcript(
            *(name, columns.genes[number], columns.chroms[number]),
            strand=columns.strands[number],
            exons=tuple(map(tuple, columns.exons[first:end].tolist())),
            cds=None if cds[0] < 0 else (int(cds[0]), int(cds[1])),
            biotype=columns.biotypes[number],
            is_canonical=bool(columns.ranks[number] < NOT_CANONICAL),
        )

    def canonical(self, gene: str) -> Transcript:
        """Returns the transcript that stands for a gene.

        It is the one with the best tag (MANE Select, Ensembl canonical, RefSeq Select,
        APPRIS principal), else the longest; of equals the first by name.
        """
        return self[min(self.genes[gene], key=self._preference)]

    def _preference(self, name: str) -> tuple[int, int, str]:
        number, columns = self._numbers[name], self.columns
        first, end = columns.first_exons[number : number + 2]
        lengths = columns.exons[first:end, 1] - columns.exons[first:end, 0]
        return int(columns.ranks[number]), -int(lengths.sum()), name

    def knows(self, name: str) -> bool:
        """Tells whether an RNA of this name is in the file, usable or not."""
        known = _known_as(name)
        return any(one in self._numbers or one in self.skipped for one in known)

    def find(self, name: str, length: int) -> Transcript | str:
        """Returns the transcript of an RNA, or the reason why it has no place.

        Names of GENCODE with more fields after `|`, and versioned names of Ensembl, are
        found, too.

        Args:
          name: Name of the RNA in a FASTA file.
          length: Length of the RNA, in nucleotides.
        """
        for known in _known_as(name):
            if fault := self.repeated.get(known) or self.skipped.get(known):
                return f"{fault} in the annotation"
            if known in self._numbers:
                found = self[known]
                n = found.locus.n_nucleotides
                if n == length:
                    return found
                return f"{length} nt in FASTA, {n} nt in the annotation"
        return "not in the annotation"


def read_annotation(
    path: str | Path,
    *,
    form: Form | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Annotation:
    """Reads the transcripts of a file.

    A transcript without a strand, whose exons overlap, or that ends behind its
    chromosome, is listed in `skipped`.

    Args:
      path: GTF, GFF3 or BED12, plain or gzip.
      form: "gtf" for GTF and GFF3, or "bed12"; None: by the first line.
      sizes: Length of each chromosome of a genome, whose names replace the file's where
        they match.

    Raises:
      UserError: The file cannot be read, an exon in it is impossible, or it holds no
        transcript at all.
    """
    collected = Collected()
    for line in read_lines(Path(path), form):
        collected.add(line)
    if not collected.n_parts:
        raise UserError(f"{path} holds no transcript; expected {_EXPECTED[form]}.")
    return Annotation(collected.transcripts(sizes or {}))


def _known_as(name: str) -> list[str]:
    """Returns the names that a transcript may have in an annotation, best first.

    >>> _known_as("ENST01.2|ENSG01.5|A1BG")
    ['ENST01.2|ENSG01.5|A1BG', 'ENST01.2', 'ENST01']
    """
    first = name.partition("|")[0]
    return list(dict.fromkeys([name, first, _VERSION.sub("", first)]))
