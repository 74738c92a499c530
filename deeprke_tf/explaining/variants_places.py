"""Where variants lie: on which strands of the genome, in which genes, in which RNAs."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

from deeprke_tf.explaining.variants_alleles import (
    Change,
    Fault,
    Reason,
    Template,
    allele_fault,
    trimmed,
)
from deeprke_tf.explaining.variants_reading import Record
from deeprke_tf.explaining.variants_stretches import (
    InGenes,
    InRegions,
    OnStrands,
    Stretch,
)
from deeprke_tf.genome.annotation import Transcript
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.genome import Genome, reverse_complement
from deeprke_tf.genome.spliced import SplicedTranscripts

_LETTERS = "ACGT"


class Home(NamedTuple):
    """The stretch of an RNA that a variant lies in; random variants are drawn there.

    Attributes:
      name: Of the stretch, unique.
      template: The RNA.
      start: On the RNA, from 0 at its 5' end.
      end: Behind the last position.
    """

    name: str
    template: Template
    start: int
    end: int


class Place(NamedTuple):
    """One allele on one RNA.

    Attributes:
      change: The allele.
      home: The stretch it lies in.
      strand: `+` or `-`; `.` of an RNA without a genome.
      gene: Identifier of the gene; may be empty.
      gene_name: Its symbol; may be empty.
      region: Such as `3'UTR`, or the name of a given region; may be empty.
      transcript: Name of the spliced transcript; empty: the genome's strand.
    """

    change: Change
    home: Home
    strand: str
    gene: str = ""
    gene_name: str = ""
    region: str = ""
    transcript: str = ""


class OnGenome:
    """Places variants on the RNAs of a genome.

    Args:
      genome: The genome.
      stretches: Where RNAs are.
      spliced: Transcripts that variants in exons are read on; None: all variants are
        read on the genome's strand.
    """

    def __init__(
        self,
        genome: Genome,
        stretches: OnStrands | InGenes | InRegions,
        spliced: SplicedTranscripts | None = None,
    ):
        self._genome, self._stretches, self._spliced = genome, stretches, spliced
        self._chromosome = functools.cache(functools.partial(_chromosome, genome))
        self._find = functools.cache(ChromosomeNames(genome.sizes).find)

    @property
    def names_places(self) -> bool:
        """Whether places have genes or regions."""
        return not isinstance(self._stretches, OnStrands)

    def size(self, chrom: str) -> int | None:
        """Returns the length of a chromosome by any of its names, or None."""
        known = self._find(chrom)
        return None if known is None else self._genome.sizes[known]

    def reference(self, record: Record, n: int) -> str | Fault:
        """Returns letters of the genome from a record's position on, upper case."""
        chrom, start = self._find(record.chrom), record.position - 1
        if chrom is None:
            return Fault(Reason.CHROMOSOME, record.chrom)
        if not 0 <= start <= start + n <= self._genome.sizes[chrom]:
            return Fault(Reason.POSITION, f"{record.chrom}:{record.position}")
        return self._genome.fetch(chrom, start, start + n).upper()

    def differs(self, ref: str, found: str) -> Fault:
        """Returns the fault of a REF that the genome does not have."""
        return Fault(Reason.REF, f"REF {ref[:20]}, genome {found[:20]}")

    def places(self, record: Record, ref: str, alt: str) -> list[Place] | Fault:
        """Returns the RNAs that an allele lies on, one a strand at most."""
        chrom = self._find(record.chrom)
        assert chrom is not None, record
        start, ref, alt = trimmed(record.position - 1, ref, alt)
        stretches = self._stretches.at(chrom, start)
        if not stretches:
            return Fault(self._stretches.outside)
        return [self._place(chrom, start, ref, alt, one) for one in stretches]

    def _place(
        self, chrom: str, start: int, ref: str, alt: str, stretch: Stretch
    ) -> Place:
        is_minus = stretch.strand == "-"
        if is_minus:
            ref, alt = reverse_complement(ref), reverse_complement(alt)
        first = start + len(ref) - 1 if is_minus else start  # at the 5' end
        about = (stretch.gene, stretch.gene_name, stretch.region)
        transcript = self._transcript(chrom, start, len(ref), stretch.strand)
        if transcript:
            template = _spliced(self._genome, transcript)
            offset = transcript.locus.offset(first)
            assert offset is not None, transcript
            home = Home(transcript.name, template, 0, template.n_nucleotides)
            change = Change(template, offset, ref, alt)
            return Place(change, home, stretch.strand, *about, transcript.name)
        size = self._genome.sizes[chrom]
        template = self._chromosome(chrom, stretch.strand)
        change = Change(template, size - 1 - first if is_minus else first, ref, alt)
        begin, end = stretch.start, stretch.end
        if is_minus:
            begin, end = size - end, size - begin
        name = f"{chrom}:{stretch.start}-{stretch.end}({stretch.strand})"
        home = Home(name, template, begin, end)
        return Place(change, home, stretch.strand, *about)

    def _transcript(
        self, chrom: str, start: int, n: int, strand: str
    ) -> Transcript | None:
        """Returns the spliced transcript that has all reference letters in an exon."""
        transcript = self._spliced and self._spliced.at(chrom, strand, start)
        if not transcript:
            return None
        exons = transcript.exons
        fits = any(first <= start and start + n <= end for first, end in exons)
        return transcript if fits else None


class OnRnas:
    """Places variants on RNAs without a genome.

    Args:
      rnas: Letters of each RNA by name; or why it cannot be used.
    """

    def __init__(self, rnas: Mapping[str, str | Fault]):
        self._rnas = rnas

    def reference(self, record: Record, n: int) -> str | Fault:
        """Returns letters of the RNA from a record's position on, as DNA."""
        letters = self._rnas.get(record.chrom, Fault(Reason.NO_RNA, record.chrom))
        start = record.position - 1
        if isinstance(letters, Fault):
            return letters
        if not 0 <= start <= start + n <= len(letters):
            return Fault(Reason.POSITION_IN_RNA, f"{record.position} of {len(letters)}")
        return letters[start : start + n]

    def differs(self, ref: str, found: str) -> Fault:
        """Returns the fault of a REF that the RNA does not have."""
        return Fault(Reason.REF_IN_RNA, f"REF {ref[:20]}, RNA {found[:20]}")

    def places(self, record: Record, ref: str, alt: str) -> list[Place] | Fault:
        """Returns the RNA of an allele."""
        letters = self._rnas[record.chrom]
        assert isinstance(letters, str)
        template = Template(len(letters), _slice_of(letters))
        start, ref, alt = trimmed(record.position - 1, ref, alt)
        home = Home(record.chrom, template, 0, len(letters))
        return [Place(Change(template, start, ref, alt), home, ".")]


class Allele(NamedTuple):
    """One ALT of a record: where it lies, or why it has no score.

    Attributes:
      ref: As the file has it, or of the genome; may be empty.
      alt: As the file has it; may be empty.
      places: One an RNA; none where there is a fault.
      fault: None where there are places.
    """

    ref: str
    alt: str
    places: list[Place]
    fault: Fault | None = None


def alleles(record: Record, ground: OnGenome | OnRnas, window: int) -> list[Allele]:
    """Places every ALT of a record, at least one row even without any.

    Args:
      record: Of a file of variants.
      ground: The genome, or RNAs.
      window: Length of a window, in nucleotides; a longer allele is a fault.
    """
    ref, alts = record.ref or "", record.alts
    if record.reason:
        return [Allele(ref, "", [], Fault(record.reason, record.detail))]
    found = ground.reference(record, len(ref) or 1)
    if not ref:
        if isinstance(found, Fault):
            return [Allele("", ",".join(alts or ()), [], found)]
        ref = found
    if alts is None:
        alts = tuple(letter for letter in _LETTERS if letter != ref)
    if not alts:
        return [Allele(ref, "", [], Fault(Reason.NO_ALT))]
    return [_allele(record, ref, alt, found, ground, window) for alt in alts]


def _allele(
    record: Record,
    ref: str,
    alt: str,
    found: str | Fault,
    ground: OnGenome | OnRnas,
    window: int,
) -> Allele:
    plain_ref, plain_alt = (one.upper().replace("U", "T") for one in (ref, alt))
    fault = allele_fault(plain_ref, plain_alt)
    if fault is None and isinstance(found, Fault):
        fault = found
    elif fault is None and plain_ref != found:
        fault = ground.differs(plain_ref, str(found))
    elif fault is None and max(map(len, trimmed(0, plain_ref, plain_alt)[1:])) > window:
        fault = Fault(Reason.LONG, f"window {window} nt")
    if fault:
        return Allele(ref, alt, [], fault)
    places = ground.places(record, plain_ref, plain_alt)
    if isinstance(places, Fault):
        return Allele(ref, alt, [], places)
    return Allele(ref, alt, places)


def _chromosome(genome: Genome, chrom: str, strand: str) -> Template:
    size = genome.sizes[chrom]

    def letters(start: int, end: int) -> str:
        if strand == "-":
            start, end = size - end, size - start
        return genome.fetch(chrom, start, end, strand).upper()

    return Template(size, letters)


def _spliced(genome: Genome, transcript: Transcript) -> Template:
    locus = transcript.locus

    def letters(start: int, end: int) -> str:
        return genome.fetch_locus(locus.part(start, end)).upper() if end > start else ""

    return Template(locus.n_nucleotides, letters)


def _slice_of(letters: str) -> Callable[[int, int], str]:
    return lambda start, end: letters[start:end]
