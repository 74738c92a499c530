"""Transcripts and genes of a GTF, GFF3 or BED12 file.

A human annotation has 250,000 transcripts with 1.7 million exons. They are kept as
arrays, about 100 MB, and become `Transcript` objects when they are asked for. All
positions count from 0, ends are exclusive; GTF counts from 1, with inclusive ends.
"""

import re
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation_files import (
    NOT_CANONICAL,
    About,
    Form,
    Line,
    about,
    read_lines,
)
from deeprke_tf.genome.chromosomes import ChromosomeNames
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


class Columns(NamedTuple):
    """All transcripts as columns, for computing with many at once.

    Attributes:
      chroms: Chromosome of each transcript.
      strands: Strand of each.
      genes: Gene of each.
      biotypes: Biotype of each.
      ranks: [n_transcripts], 0 for the best tag of a canonical transcript.
      first_exons: [n_transcripts + 1], where the exons of each begin in `exons`.
      exons: [n_exons, 2], starts and ends, ascending within a transcript.
      cds: [n_transcripts, 2]; -1: non-coding.
    """

    chroms: list[str]
    strands: list[str]
    genes: list[str]
    biotypes: list[str]
    ranks: np.ndarray
    first_exons: np.ndarray
    exons: np.ndarray
    cds: np.ndarray


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

    def __init__(
        self,
        names: list[str],
        columns: Columns,
        gene_names: dict[str, str],
        skipped: dict[str, str],
        repeated: dict[str, str],
        renamed: dict[str, str],
    ):
        self._numbers = {name: number for number, name in enumerate(names)}
        self.columns = columns
        self.gene_names = gene_names
        self.skipped = skipped
        self.repeated = repeated
        self.renamed = renamed
        genes: dict[str, list[str]] = defaultdict(list)
        for name, gene in zip(names, columns.genes, strict=True):
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
    chromosomes: ChromosomeNames | None = None,
) -> Annotation:
    """Reads the transcripts of a file.

    A transcript without a strand, or whose exons overlap, is listed in `skipped`.

    Args:
      path: GTF, GFF3 or BED12, plain or gzip.
      form: "gtf" for GTF and GFF3, or "bed12"; None: by the first line.
      chromosomes: The names of a genome, in place of the file's where they match.

    Raises:
      UserError: The file cannot be read, an exon in it is impossible, or it holds no
        transcript at all.
    """
    collected = _Collected()
    for line in read_lines(Path(path), form):
        collected.add(line)
    if not collected.n_parts:
        raise UserError(f"{path} holds no transcript; expected {_EXPECTED[form]}.")
    return collected.annotation(chromosomes)


def _known_as(name: str) -> list[str]:
    """Returns the names that a transcript may have in an annotation, best first.

    >>> _known_as("ENST01.2|ENSG01.5|A1BG")
    ['ENST01.2|ENSG01.5|A1BG', 'ENST01.2', 'ENST01']
    """
    first = name.partition("|")[0]
    return list(dict.fromkeys([name, first, _VERSION.sub("", first)]))


class _Collected:
    """What the lines of a file say, by transcript."""

    def __init__(self):
        self.n_parts = 0
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._abouts: list[About] = []
        # Number of the transcript, start and end, one after another.
        self._parts = {part: array("q") for part in ("exon", "CDS", "stop_codon")}
        self._known: dict[str, str] = {}  # one object for each text that comes often

    def add(self, line: Line) -> None:
        key = (line.group, self._one(line.chrom), self._one(line.strand))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._abouts)
            self._abouts.append(self._shared(about(line)))
        elif line.part == "transcript":
            self._abouts[number] = self._shared(
                _joined(about(line), self._abouts[number])
            )
        if line.part != "transcript":
            self.n_parts += 1
            self._parts[line.part].extend((number, *line.interval))

    def _one(self, text: str) -> str:
        return self._known.setdefault(text, text)

    def _shared(self, said: About) -> About:
        return said._replace(
            gene=self._one(said.gene),
            gene_name=self._one(said.gene_name),
            biotype=self._one(said.biotype),
        )

    def annotation(self, chromosomes: ChromosomeNames | None) -> Annotation:
        exons, bounds = self._tables()
        names, skipped, repeated = self._named(exons)
        numbers = np.array([*names], int)
        is_kept = np.zeros(len(bounds), bool)
        is_kept[numbers] = True
        counts = np.bincount(exons[:, 0], minlength=len(bounds))[numbers]
        keys = [*self._numbers]
        found = {chrom: chromosomes and chromosomes.find(chrom) for _, chrom, _ in keys}
        said = [self._abouts[number] for number in numbers]
        columns = Columns(
            chroms=[found[keys[number][1]] or keys[number][1] for number in numbers],
            strands=[keys[number][2] for number in numbers],
            genes=[one.gene or one.name for one in said],
            biotypes=[one.biotype for one in said],
            ranks=np.array([one.rank for one in said], np.int8),
            first_exons=np.concatenate([[0], np.cumsum(counts)]),
            exons=exons[is_kept[exons[:, 0]], 1:],
            cds=bounds[numbers],
        )
        gene_names = {one.gene: one.gene_name for one in said if one.gene_name}
        renamed = {old: new for old, new in found.items() if new and new != old}
        return Annotation(
            [*names.values()], columns, gene_names, skipped, repeated, renamed
        )

    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns exons [n_exons, 3] in order, and CDS [n_transcripts, 2], or -1."""
        exons, cds, stops = (
            np.array(part, np.int64).reshape(-1, 3) for part in self._parts.values()
        )
        # Yeast and bacteria may have coding parts alone.
        with_exons = {self._abouts[number].name for number in np.unique(exons[:, 0])}
        is_bare = np.array([one.name not in with_exons for one in self._abouts])
        exons = np.concatenate([exons, cds[is_bare[cds[:, 0]]]])
        exons = exons[np.lexsort((exons[:, 1], exons[:, 0]))]
        # A stop codon is part of the CDS in GFF3 and BED12, but not in GTF.
        is_coding = np.bincount(cds[:, 0], minlength=len(self._abouts)) > 0
        coding = np.concatenate([cds, stops[is_coding[stops[:, 0]]]])
        bounds = np.full((len(self._abouts), 2), -1)
        bounds[is_coding, 0] = np.iinfo(np.int64).max
        np.minimum.at(bounds[:, 0], coding[:, 0], coding[:, 1])
        np.maximum.at(bounds[:, 1], coding[:, 0], coding[:, 2])
        return exons, bounds

    def _named(
        self, exons: np.ndarray
    ) -> tuple[dict[int, str], dict[str, str], dict[str, str]]:
        """Returns the unique names of usable transcripts by number, and what is odd.

        Args:
          exons: [n_exons, 3], in order.

        Returns:
          Names by number, ascending; why transcripts are skipped, by name; and how
          names are repeated, by name.
        """
        same = exons[1:, 0] == exons[:-1, 0]
        overlapping = set(exons[1:, 0][same & (exons[1:, 1] < exons[:-1, 2])].tolist())
        keys = [*self._numbers]
        numbers, firsts = np.unique(exons[:, 0], return_index=True)
        names: dict[int, str] = {}
        skipped: dict[str, str] = {}
        repeated: dict[str, str] = {}
        places: dict[str, tuple[str, ...]] = {}
        for number, start in zip(numbers.tolist(), exons[firsts, 1], strict=True):
            name, place = self._abouts[number].name, keys[number][1:]
            if name in places:
                one = "place" if places[name] == place else "chromosome or strand"
                preposition = "at" if one == "place" else "on"
                repeated.setdefault(name, f"{preposition} more than one {one}")
                name = f"{name}@{place[0]}:{start}"
            places[name] = place
            if place[1] not in ("+", "-"):
                skipped[name] = f"strand {place[1]!r}"
            elif number in overlapping:
                skipped[name] = "exons overlap"
            else:
                names[number] = name
        return names, skipped, repeated


def _joined(said: About, before: About) -> About:
    """Joins what two lines say of a transcript; the first one counts more."""
    return About(
        name=said.name or before.name,
        gene=said.gene or before.gene,
        gene_name=said.gene_name or before.gene_name,
        biotype=said.biotype or before.biotype,
        rank=min(said.rank, before.rank),
    )
