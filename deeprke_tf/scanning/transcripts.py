"""From transcript to genome coordinates, over the exons of a GTF, GFF3 or BED12 file.

The formats are read here, in some forty lines: maintained readers (pyranges, gtfparse)
load whole files into data frames, for five columns and one attribute. All positions
count from 0, ends are exclusive; GTF counts from 1, with inclusive ends.
"""

import contextlib
import dataclasses
import itertools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.system.streams import open_bytes

Interval = tuple[int, int]

# Of GTF, GFF3 of GENCODE, and GFF3 of Ensembl, best first.
_TRANSCRIPT_IDS = [
    re.compile(r'(?:^|;)\s*transcript_id[\s=]\s*"?([^";]+)'),
    re.compile(r"(?:^|;)\s*Parent=(?:transcript:)?([^;,]+)"),
]
_LONGEST_CHROMOSOME = 1 << 40
_NOT_EXONS = (b"#", b"track", b"browser")
_VERSION = re.compile(r"\.\d+$")


@dataclasses.dataclass(frozen=True, slots=True)
class Transcript:
    """Where a transcript lies on the genome.

    >>> transcript = Transcript("chr1", "-", ((100, 110), (200, 210)))
    >>> transcript.to_genome(8, 13)
    [(107, 110), (200, 202)]

    Attributes:
      chrom: Chromosome.
      strand: `+` or `-`.
      exons: Intervals on the chromosome, ascending on either strand, apart.
    """

    chrom: str
    strand: str
    exons: tuple[Interval, ...]

    def __len__(self) -> int:
        return sum(end - start for start, end in self.exons)

    def to_genome(self, start: int, end: int) -> list[Interval]:
        """Maps a stretch of the transcript to the genome.

        Args:
          start: In the transcript, from its 5' end.
          end: The same; at most the transcript's length.

        Returns:
          Intervals on the chromosome, ascending on either strand; pieces of exons that
          touch are one.
        """
        if self.strand == "-":
            start, end = len(self) - end, len(self) - start
        blocks: list[Interval] = []
        offset = 0  # of the exon in the transcript, read along the + strand
        for exon_start, exon_end in self.exons:
            first = exon_start + max(0, start - offset)
            last = exon_start + min(exon_end - exon_start, end - offset)
            offset += exon_end - exon_start
            if first >= last:
                continue
            if blocks and blocks[-1][1] == first:
                first = blocks.pop()[0]
            blocks.append((first, last))
        return blocks


class Annotation:
    """Transcripts of a GTF, GFF3 or BED12 file, by name.

    Args:
      path: The file, plain or gzip.
      names: The transcripts to keep, as FASTA files name them: names of GENCODE with
        more fields after `|`, and versioned names of Ensembl, are found, too.
      is_gtf: GTF or GFF3, exons by `transcript_id` or `Parent`; else BED12,
        transcripts by name.

    Raises:
      UserError: The file cannot be read, an exon in it is impossible, or it holds no
        transcript at all.
    """

    def __init__(self, path: Path, names: Iterable[str], *, is_gtf: bool):
        wanted = {known for name in names for known in _known_as(name)}
        self._exons: dict[str, list[tuple[str, str, Interval]]] = {}
        n_read = 0
        for name, chrom, strand, exon in _exons(path, is_gtf):
            n_read += 1
            if name in wanted:
                self._exons.setdefault(name, []).append((chrom, strand, exon))
        if not n_read:
            expected = "GTF: 'exon' lines with a transcript_id" if is_gtf else "BED12"
            raise UserError(f"{path} holds no transcript; expected {expected}.")

    def __len__(self) -> int:
        return len(self._exons)

    def find(self, name: str, length: int) -> Transcript | str:
        """Returns a transcript, or the reason why it has no place on the genome.

        Args:
          name: Name of the RNA in the FASTA file.
          length: Length of the RNA, in nucleotides.
        """
        exons = next(filter(None, map(self._exons.get, _known_as(name))), None)
        if exons is None:
            return "not in the annotation"
        if len({(chrom, strand) for chrom, strand, _ in exons}) > 1:
            return "on more than one chromosome or strand in the annotation"
        chrom, strand, _ = exons[0]
        if strand not in ("+", "-"):
            return f"strand {strand!r} in the annotation"
        intervals = sorted(interval for _, _, interval in exons)
        if any(a[1] > b[0] for a, b in itertools.pairwise(intervals)):
            return "exons overlap in the annotation"
        transcript = Transcript(chrom, strand, tuple(intervals))
        if len(transcript) != length:
            return f"{length} nt in FASTA, {len(transcript)} nt in the annotation"
        return transcript


def _known_as(name: str) -> list[str]:
    """Returns the names that a transcript may have in an annotation, best first.

    >>> _known_as("ENST01.2|ENSG01.5|A1BG")
    ['ENST01.2|ENSG01.5|A1BG', 'ENST01.2', 'ENST01']
    """
    first = name.partition("|")[0]
    return list(dict.fromkeys([name, first, _VERSION.sub("", first)]))


def _exons(path: Path, is_gtf: bool) -> Iterator[tuple[str, str, str, Interval]]:
    """Yields name, chromosome, strand and interval of the exons of a file."""
    parse: Callable[[list[str]], Iterator[tuple[str, str, str, Interval]]]
    parse = _gtf_exons if is_gtf else _bed12_exons
    n_lines = 0
    try:
        with contextlib.ExitStack() as closing:
            # The inner loop is for the line ends of old Macs.
            for lines in open_bytes(path, closing):
                for line in lines.splitlines():
                    n_lines += 1
                    if line.strip() and not line.startswith(_NOT_EXONS):
                        yield from parse(line.decode().split("\t"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from error
    except (EOFError, IndexError, ValueError, zlib.error) as error:
        form = "GTF or GFF3" if is_gtf else "BED12"
        cause = "too few columns" if isinstance(error, IndexError) else error
        raise UserError(
            f"{path}, line {n_lines}: this is not {form}, plain or gzip: {cause}."
        ) from error


def _gtf_exons(cells: list[str]) -> Iterator[tuple[str, str, str, Interval]]:
    chrom, feature, start, end, strand, attributes = (
        cells[i] for i in (0, 2, 3, 4, 6, 8)
    )
    if feature != "exon":
        return
    found = next(
        filter(None, (one.search(attributes) for one in _TRANSCRIPT_IDS)), None
    )
    if found:
        yield found[1], chrom, strand, _interval(int(start) - 1, int(end))


def _bed12_exons(cells: list[str]) -> Iterator[tuple[str, str, str, Interval]]:
    chrom, chrom_start, name, strand, count, sizes, starts = (
        cells[i] for i in (0, 1, 3, 5, 9, 10, 11)
    )
    blocks = zip(_integers(starts), _integers(sizes), strict=True)
    for _, (start, size) in zip(range(int(count)), blocks, strict=True):
        start += int(chrom_start)
        yield name, chrom, strand, _interval(start, start + size)


def _interval(start: int, end: int) -> Interval:
    if not 0 <= start < end <= _LONGEST_CHROMOSOME:
        raise ValueError(f"an exon from {start + 1} to {end}, counted from 1")
    return start, end


def _integers(cell: str) -> list[int]:
    return [int(number) for number in cell.rstrip(",").split(",")]
