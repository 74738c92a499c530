"""Files of variants: VCF, and plain tables, as a stream of records.

    VCF     plain or compressed; the first five columns count
    table   the first line names the columns, between tabs, commas or spaces: `chrom`,
            `pos` and, if wanted, `ref`, `alt` and `name`; or, of variants in RNAs of
            a FASTA file, `name` (of the RNA), `position`, `ref`, `alt`

Positions count from 1. A table need not hold REF, which then is the letter of the
genome; without ALT, every other letter is meant. Several ALT alleles stand between
commas. A line that is no variant is no error: its record has a reason.
"""

import contextlib
import dataclasses
import io
from collections.abc import Generator, Iterator
from pathlib import Path

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.variants_alleles import Reason
from deeprke_tf.system.streams import UNREADABLE, open_bytes, unreadable

_ALIASES = {
    "chrom": ("chrom", "#chrom", "chr", "chromosome"),
    "pos": ("pos", "position"),
    "name": ("name", "id", "rs", "rsid", "snp", "variant"),
    "ref": ("ref", "reference"),
    "alt": ("alt", "alternative", "alternate"),
}
_RNA_ALIASES = {**_ALIASES, "chrom": ("name", "site", "rna"), "name": ("id", "variant")}
_NO_VALUE = ("", ".")


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """One line of a file of variants.

    Attributes:
      line: Its number in the file, from 1.
      chrom: Chromosome as the file names it, or the name of an RNA.
      position: Of the first letter of REF, from 1.
      name: May be empty.
      ref: Letters of REF; None: those of the genome.
      alts: Letters of each ALT; None: every other letter.
      cells: All columns of a line of VCF; none of a table.
      reason: Why the line is no variant; empty: it is one.
      detail: What came.
    """

    line: int
    chrom: str = ""
    position: int = 0
    name: str = ""
    ref: str | None = None
    alts: tuple[str, ...] | None = None
    cells: tuple[str, ...] = ()
    reason: str = ""
    detail: str = ""


class VariantsFile:
    """The variants of a file; iterating reads it as a stream, and may be repeated.

    Args:
      path: VCF or a table, plain or compressed.
      in_rnas: Whether it is a table of variants in RNAs.

    Attributes:
      path: The file.
      is_vcf: Whether it is VCF.
      header: The lines of a VCF above its records.

    Raises:
      UserError: The file cannot be read, or is neither.
    """

    def __init__(self, path: Path, *, in_rnas: bool = False):
        if not path.is_file():
            raise UserError(f"There is no file of variants {path}.")
        self.path = path
        self._aliases = _RNA_ALIASES if in_rnas else _ALIASES
        self.header: list[str] = []
        with contextlib.closing(self._lines()) as lines:
            for _number, line in lines:
                if not line.startswith("#"):
                    break
                self.header.append(line)
        self.is_vcf = any(
            line.startswith(("##fileformat=VCF", "#CHROM\tPOS")) for line in self.header
        )
        if self.is_vcf and in_rnas:
            raise UserError(f"{path} is VCF; `mutations` needs a table.")
        if not self.is_vcf:
            self.header = []
            self._columns()  # refuses a table without them

    def __iter__(self) -> Iterator[Record]:
        """Yields the records in order.

        Raises:
          UserError: The file cannot be read to its end.
        """
        if self.is_vcf:
            for number, line in self._lines():
                if line and not line.startswith("#"):
                    yield _of_vcf(number, line.split("\t"))
            return
        head, separator, places = self._columns()
        for number, line in self._lines():
            if number > head and line and not line.startswith("#"):
                cells = [cell.strip() for cell in line.split(separator)]
                yield _of_table(number, cells, places)

    def _lines(self) -> Generator[tuple[int, str], None, None]:
        """Yields number and text of each line."""
        try:
            with contextlib.ExitStack() as closing:
                stream = open_bytes(self.path, closing)
                text = io.TextIOWrapper(stream, "utf-8", "surrogateescape")
                for number, line in enumerate(text, start=1):
                    if number == 1 and line.startswith("BCF"):
                        raise UserError(
                            f"{self.path} is BCF; convert it: bcftools view -Oz."
                        )
                    yield number, line.rstrip("\n")
        except UNREADABLE as error:
            raise unreadable(str(self.path), error) from error

    def _columns(self) -> tuple[int, str | None, dict[str, int]]:
        """Returns the line that names the columns, what parts them, and their places.

        A comment line may name them, where it has `chrom` behind its `#`.
        """
        with contextlib.closing(self._lines()) as lines:
            number, line = next(
                (
                    (number, line)
                    for number, line in lines
                    if line and (line[0] != "#" or line.lower().startswith("#chrom"))
                ),
                (0, ""),
            )
        separator = next((mark for mark in "\t," if mark in line), None)
        names = [name.strip().lower() for name in line.split(separator)]
        places = {
            column: names.index(found)
            for column, aliases in self._aliases.items()
            if (found := next((name for name in aliases if name in names), None))
        }
        if missing := {"chrom", "pos"} - places.keys():
            expected = ", ".join(self._aliases[name][0] for name in sorted(missing))
            raise UserError(
                f"{self.path} is neither VCF nor a table of variants: its first line "
                f"names no column {expected}; it is {line[:60]!r}."
            )
        return number, separator, places


def _of_vcf(number: int, cells: list[str]) -> Record:
    if len(cells) < 5:
        return _no_variant(number, "\t".join(cells))
    chrom, position, name, ref, alt = cells[:5]
    if not (chrom and _is_position(position)):
        return _no_variant(number, "\t".join(cells))
    return Record(
        *(number, chrom, int(position), "" if name == "." else name, ref),
        alts=() if alt in _NO_VALUE else tuple(alt.split(",")),
        cells=tuple(cells),
    )


def _of_table(number: int, cells: list[str], places: dict[str, int]) -> Record:
    found = {
        column: cells[place] for column, place in places.items() if place < len(cells)
    }
    chrom, position = found.get("chrom", ""), found.get("pos", "").replace(",", "")
    if not (chrom and _is_position(position)):
        return _no_variant(number, "\t".join(cells))
    ref, alt = found.get("ref", ""), found.get("alt", "")
    alts: tuple[str, ...] | None = tuple(alt.split(","))
    if alt in _NO_VALUE:
        alts = () if "alt" in places else None
    name = found.get("name", "")
    return Record(
        *(number, chrom, int(position), "" if name == "." else name),
        ref=None if ref in _NO_VALUE else ref,
        alts=alts,
    )


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _no_variant(number: int, text: str) -> Record:
    return Record(number, reason=Reason.LINE, detail=f"line {number}: {text[:60]!r}")
