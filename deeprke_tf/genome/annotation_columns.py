"""Transcripts as columns, collected line by line from a file."""

from array import array
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from deeprke_tf.genome.annotation_files import About, Line, about, gene_of
from deeprke_tf.genome.chromosomes import ChromosomeNames

PAST_END = "past the end of the chromosome"


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


class Transcripts(NamedTuple):
    """The usable transcripts of a file.

    Attributes:
      names: Unique names, in the order of the columns.
      columns: All transcripts as columns.
      gene_names: Symbol of each gene that has one, by its identifier.
      skipped: Transcripts that cannot be used, by name, and why.
      repeated: Names that come at several places, and how.
      renamed: Chromosomes that the genome names otherwise, and its names.
    """

    names: list[str]
    columns: Columns
    gene_names: dict[str, str]
    skipped: dict[str, str]
    repeated: dict[str, str]
    renamed: dict[str, str]


class Collected:
    """What the lines of a file say, by transcript.

    Attributes:
      n_parts: Number of exons and coding parts.
    """

    def __init__(self):
        self.n_parts = 0
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._abouts: list[About] = []
        # Number of the transcript, start and end, one after another.
        self._parts = {part: array("q") for part in ("exon", "CDS", "stop_codon")}
        self._gene_names: dict[str, str] = {}
        self._known: dict[str, str] = {}  # one object for each text that comes often

    def add(self, line: Line) -> None:
        """Takes a line."""
        if line.part == "gene":
            gene, name = gene_of(line)
            self._gene_names[gene] = name
            return
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

    def transcripts(self, sizes: Mapping[str, int]) -> "Transcripts":
        """Returns the usable transcripts, in the order of the file.

        Args:
          sizes: Length of each chromosome of a genome, whose names replace the file's
            where they match; may be empty.
        """
        genome = ChromosomeNames(sizes)
        found = {chrom: genome.find(chrom) for _, chrom, _ in self._numbers}
        ends = {chrom: sizes[name] for chrom, name in found.items() if name}
        exons, bounds = self._tables()
        names, skipped, repeated = self._named(exons, ends)
        numbers = np.array([*names], int)
        is_kept = np.zeros(len(bounds), bool)
        is_kept[numbers] = True
        counts = np.bincount(exons[:, 0], minlength=len(bounds))[numbers]
        keys = [*self._numbers]
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
        symbols = {one.gene: one.gene_name for one in said if one.gene_name}
        gene_names = {
            gene: symbol
            for gene in columns.genes
            if (symbol := symbols.get(gene) or self._gene_names.get(gene))
        }
        renamed = {old: new for old, new in found.items() if new and new != old}
        return Transcripts(
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
        self, exons: np.ndarray, ends: dict[str, int]
    ) -> tuple[dict[int, str], dict[str, str], dict[str, str]]:
        """Returns the unique names of usable transcripts by number, and what is odd.

        Args:
          exons: [n_exons, 3], in order.
          ends: Lengths of chromosomes, where they are known.

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
        lasts = np.maximum.reduceat(exons[:, 2], firsts) if len(exons) else firsts
        edges = zip(exons[firsts, 1].tolist(), lasts.tolist(), strict=True)
        for number, (start, end) in zip(numbers.tolist(), edges, strict=True):
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
            elif end > ends.get(place[0], end):
                skipped[name] = PAST_END
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
