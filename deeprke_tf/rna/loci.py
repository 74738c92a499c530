"""Where a site lies on a genome.

Positions count from 0 and ends are exclusive, as in BED. A site that was cut from a
spliced transcript lies on several blocks of its chromosome.

The text of a locus is `chr1:100-201(+)`, as bedtools writes it; blocks are separated by
commas: `chr1:100-150,300-351(-)`. They are ascending on either strand.
"""

import re
from typing import NamedTuple

Interval = tuple[int, int]

_TEXT = re.compile(
    r"(?P<chrom>\S+):(?P<blocks>\d+-\d+(?:,\d+-\d+)*)\((?P<strand>[+-])\)"
)


class Locus(NamedTuple):
    """The place of a site on its genome.

    >>> locus = Locus.parse("chr1:100-150,300-351(-)")
    >>> locus.start, locus.end, len(locus.blocks), locus.n_nucleotides
    (100, 351, 2, 101)
    >>> str(locus.part(0, 60))
    'chr1:141-150,300-351(-)'

    Attributes:
      chrom: Chromosome.
      blocks: Half-open intervals on the chromosome, ascending on either strand, apart.
      strand: `+` or `-`.
    """

    chrom: str
    blocks: tuple[Interval, ...]
    strand: str

    @classmethod
    def parse(cls, text: str) -> "Locus":
        """Reads the text of a locus.

        Raises:
          ValueError: The text is no locus, or its blocks are empty, overlap or descend.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"expected 'chr1:100-201(+)', got {text!r}")
        blocks = tuple(_interval(block) for block in found["blocks"].split(","))
        last_end = -1
        for start, end in blocks:
            if not last_end < start < end:
                raise ValueError(f"blocks must be ascending and apart, got {text!r}")
            last_end = end
        return cls(found["chrom"], blocks, found["strand"])

    def __str__(self) -> str:
        blocks = ",".join(f"{start}-{end}" for start, end in self.blocks)
        return f"{self.chrom}:{blocks}({self.strand})"

    @property
    def start(self) -> int:
        """The first position, from 0."""
        return self.blocks[0][0]

    @property
    def end(self) -> int:
        """The position behind the last."""
        return self.blocks[-1][1]

    @property
    def n_nucleotides(self) -> int:
        """Length of the site, without introns."""
        return sum(end - start for start, end in self.blocks)

    def part(self, start: int, end: int) -> "Locus":
        """Returns the locus of a stretch of the site.

        Args:
          start: In the site, from its 5' end, at least 0.
          end: The same; above `start`, at most the site's length.
        """
        if self.strand == "-":
            n = self.n_nucleotides
            start, end = n - end, n - start
        parts: list[Interval] = []
        offset = 0  # of the block in the site, read along the + strand
        for block_start, block_end in self.blocks:
            first = block_start + max(0, start - offset)
            last = min(block_end, block_start + end - offset)
            offset += block_end - block_start
            if first < last:
                # Exons that touch are one block.
                if parts and parts[-1][1] == first:
                    first = parts.pop()[0]
                parts.append((first, last))
        return Locus(self.chrom, tuple(parts), self.strand)

    def offset(self, position: int) -> int | None:
        """Returns where a position of the chromosome lies in the site.

        It is the inverse of `part`.

        >>> Locus.parse("chr1:100-150,300-351(-)").offset(141)
        59

        Args:
          position: On the chromosome, from 0.

        Returns:
          Nucleotides from the 5' end; None: not in the site.
        """
        before = 0
        for start, end in self.blocks:
            if start <= position < end:
                along = before + position - start
                is_minus = self.strand == "-"
                return self.n_nucleotides - 1 - along if is_minus else along
            before += end - start
        return None


def _interval(text: str) -> Interval:
    start, _, end = text.partition("-")
    return int(start), int(end)
