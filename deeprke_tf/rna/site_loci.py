"""Coordinates of the sites of a file: columns of a table, or names of bedtools.

A table has the columns `chrom`, `start`, `end` and `strand`, and `blocks` where sites
are spliced (`100-150,300-351`); `bedtools getfasta -s` writes coordinates behind the
name. They are taken where they are as long as the sequence.
"""

import logging
from collections.abc import Collection, Mapping
from typing import TypeAlias

from deeprke_tf.rna.loci import Locus

logger = logging.getLogger(__name__)

COLUMNS = ("chrom", "start", "end", "strand")
BLOCKS = "blocks"

# Of tables of sites, in this order. A site that is not spliced has no `blocks`.
PLACE_COLUMNS = (*COLUMNS, BLOCKS, "gene")
Place: TypeAlias = tuple[str, int | None, int | None, str, str, str]


class Coordinates:
    """Reads the coordinates of the sites of one file; counts those that do not fit.

    Attributes:
      n_dropped: Sites whose coordinates do not fit. They go on without.
      first_dropped: Which site was the first, and why.
    """

    def __init__(self) -> None:
        self.n_dropped = 0
        self.first_dropped = ""

    def of_name(self, row: int, name: str, sequence: str) -> Locus | None:
        """Returns the coordinates in the name of a FASTA record, if there are any.

        Args:
          row: Number of the site in its file, from 1.
          name: Header of the record.
          sequence: Letters of the site, as they came.
        """
        locus = locus_of(name)
        return locus and self.fitting(row, locus, sequence)

    def of_cells(
        self, row: int, cells: Mapping[str, str], sequence: str
    ) -> Locus | None:
        """Returns the coordinates in a row of a table; None where its cells are empty.

        Args:
          row: Number of the site in its file, from 1.
          cells: By the names of columns.
          sequence: Letters of the site, as they came.
        """
        chrom, start, end, strand = (cells[column].strip() for column in COLUMNS)
        if not (chrom or start or end or strand):
            return None
        try:
            locus = _locus(chrom, start, end, strand, cells.get(BLOCKS, "").strip())
        except ValueError as error:
            self._drop(row, str(error))
            return None
        return self.fitting(row, locus, sequence)

    def warn(self, file: str) -> None:
        """Logs how many sites have lost their coordinates, if any have.

        Args:
          file: Name of the file.
        """
        if self.n_dropped:
            logger.warning(
                "%s: the coordinates of %d sites do not fit and are left out; %s",
                *(file, self.n_dropped, self.first_dropped),
            )

    def fitting(self, row: int, locus: Locus, sequence: str) -> Locus | None:
        """Returns a locus if it is as long as a sequence, white space left out."""
        n_letters = len("".join(sequence.split()))
        if locus.n_nucleotides == n_letters:
            return locus
        self._drop(row, f"{n_letters} letters, but {locus.n_nucleotides} in {locus}")
        return None

    def _drop(self, row: int, why: str) -> None:
        self.n_dropped += 1
        self.first_dropped = self.first_dropped or f"site {row}: {why}"


def locus_of(header: str) -> Locus | None:
    """Returns the locus in a FASTA header of bedtools, if there is one.

    >>> str(locus_of("peak 1::chr1:100-104(-)")), locus_of("chr1:100-104")
    ('chr1:100-104(-)', None)
    """
    header = header.strip()
    if not header.endswith(("(+)", "(-)")):
        return None
    try:
        return Locus.parse(header.rpartition("::")[2])
    except ValueError:
        return None


def are_in(columns: Collection[str], where: str) -> bool:
    """Tells whether a table has coordinates; warns of one that lacks a part of them.

    Args:
      columns: Their names, in lower case.
      where: File and line, for the warning.
    """
    missing = [name for name in COLUMNS if name not in columns]
    if missing and "chrom" in columns:
        logger.warning(
            "%s: the table has a column 'chrom', but not %s; coordinates are not read",
            *(where, ", ".join(map(repr, missing))),
        )
    return not missing


def place_of(locus: Locus | None, gene: str) -> Place:
    """Returns the cells of a site in `PLACE_COLUMNS`.

    >>> place_of(Locus.parse("chr1:100-150,300-351(-)"), "QKI")
    ('chr1', 100, 351, '-', '100-150,300-351', 'QKI')
    """
    if locus is None:
        return "", None, None, "", "", gene
    blocks = ""
    if len(locus.blocks) > 1:
        blocks = ",".join(f"{start}-{end}" for start, end in locus.blocks)
    return locus.chrom, locus.start, locus.end, locus.strand, blocks, gene


def _locus(chrom: str, start: str, end: str, strand: str, blocks: str) -> Locus:
    # Columns with empty cells come back from pandas as decimals.
    start, end = start.removesuffix(".0"), end.removesuffix(".0")
    locus = Locus.parse(f"{chrom}:{blocks or f'{start}-{end}'}({strand})")
    if blocks and (start, end) != (str(locus.start), str(locus.end)):
        raise ValueError(f"blocks from {locus.start} to {locus.end}, not {start}-{end}")
    return locus
