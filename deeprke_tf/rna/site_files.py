"""Sites files: labelled FASTA, FASTA and tables, plain or compressed, as a stream.

The format is recognized from the content, never from the file name:

    labelled FASTA  the first header has a class: `> chr1,+,368559,368659; class:0`
    FASTA           the first header has none
    table           the first line names the columns, between tabs, commas or
                    semicolons: `sequence`, `label`, and if wanted `name`,
                    `structure` (in dot-bracket notation), `split`, `gene` and
                    coordinates (`deeprke_tf.rna.site_loci`)

Comment lines (`#`) may stand above. In FASTA, a structure in dot-bracket notation may
stand below the sequence, as ViennaRNA writes it.
"""

import contextlib
import csv
import io
import os
import pathlib
import re
from collections.abc import Iterator

import dnaio

from deeprke_tf.errors import UserError
from deeprke_tf.rna import site_formats, site_loci
from deeprke_tf.rna.fasta import fasta_records
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import (
    Reason,
    Site,
    SkippedSite,
    clean_site,
    label_of,
    skip_site,
)
from deeprke_tf.system import streams
from deeprke_tf.system.streams import File, LineCounter, first_lines, open_bytes

_COLUMNS = (
    *("name", "sequence", "label", "structure", "gene", "split"),
    *(*site_loci.COLUMNS, site_loci.BLOCKS),
)
_SPLITS = ("", "train", "validation", "test")
_CLASS = re.compile(r"(?:^|;)\s*class\s*:\s*([^;\s]*)", re.IGNORECASE)
_SUFFIXES = re.compile(
    r"(?<=.)(\.(gz|bz2|xz|zst|fa|fasta|tsv|csv|txt))+$", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_LONGEST_CELL = 1 << 28  # letters; a chromosome fits, a lost quote mark ends here
_UNREADABLE = (*streams.UNREADABLE, csv.Error, dnaio.FileFormatError)


class SitesFile:
    """The sites of one file, in the order of the file.

    Iterating reads the file as a stream, in constant memory; a regular file can be
    iterated again, standard input and pipes only once.

    Attributes:
      path: The file; `-` is standard input.
      format: The format, recognized from the content.
      has_places: Whether it has coordinates or genes: in columns or its first header.
      coordinates: Counts the sites whose coordinates did not fit, in the last reading.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | File,
        *,
        k: int,
        label: int | None = None,
        labelled: bool = True,
    ):
        """Opens a sites file and recognizes its format.

        Args:
          path: A plain or compressed file; `-` is standard input.
          k: Length of the k-mers; a site needs one without N.
          label: The label of every site of the file (1 bound, 0 background), as of the
            positives and the negatives of a pair; None: the file holds the labels.
          labelled: Whether the file must hold labels where `label` is None. If False,
            labels and the column `split` in the file are ignored.

        Raises:
          UserError: The file cannot be read, is empty, is not in a format of this
            module, or holds no labels where it must.
        """
        self.path: File = path if isinstance(path, File) else pathlib.Path(path)
        self._is_stdin = str(path) == "-"
        self._shown = "Standard input" if self._is_stdin else str(self.path)
        self._k = k
        self._label = label
        self._reads_splits, self._reads_labels = labelled, labelled and label is None
        self._reads_loci = self.has_places = False
        self.coordinates = site_loci.Coordinates()
        # A file name may hold bytes that are not UTF-8, and line ends; records cannot.
        name = _CONTROL.sub(" ", self.path.name.encode(errors="replace").decode())
        self._stem = "stdin" if self._is_stdin else _SUFFIXES.sub("", name)
        self._first_line = 1
        self._columns: list[str] = []
        # A file that cannot be opened a second time is kept open.
        self._kept: tuple[io.BufferedReader, contextlib.ExitStack] | None = None
        with contextlib.ExitStack() as closing:
            try:
                lines, stream = first_lines(self._open(closing))
                self.format = self._recognize(lines)
            except _UNREADABLE as error:
                raise streams.unreadable(self._shown, error) from error
            if not self._is_regular():
                self._kept = stream, closing.pop_all()

    def __iter__(self) -> Iterator[Site | SkippedSite]:
        """Yields the sites of the file in order; unusable ones as `SkippedSite`.

        Raises:
          UserError: The file cannot be read to its end, or not a second time.
        """
        lines = None
        self.coordinates = site_loci.Coordinates()
        with contextlib.ExitStack() as closing:
            try:
                lines = LineCounter(self._reopen(closing))
                is_fasta = self.format.endswith("FASTA")
                yield from self._fasta(lines) if is_fasta else self._table(lines)
            except _UNREADABLE as error:
                raise streams.unreadable(self._shown, error, lines) from error
        self.coordinates.warn(self._shown)

    def _open(self, closing: contextlib.ExitStack) -> io.BufferedReader:
        return open_bytes(None if self._is_stdin else self.path, closing)

    def _reopen(self, closing: contextlib.ExitStack) -> io.BufferedReader:
        if self._kept is not None:
            (stream, kept), self._kept = self._kept, None
            closing.enter_context(kept)
            return stream
        if self._is_stdin or (self.path.exists() and not self._is_regular()):
            raise UserError(
                f"{self._shown} can be read only once; save it to a file and give that."
            )
        return self._open(closing)

    def _is_regular(self) -> bool:
        return not self._is_stdin and self.path.is_file()

    # === Recognizing ===

    def _recognize(self, lines: list[str]) -> str:
        """Returns the format; remembers where the header of a table is."""
        if not any(lines):
            raise UserError(
                f"{self._shown} is empty; expected FASTA or a table with a column "
                "'sequence'."
            )
        last = lines[-1]
        self._first_line = len(lines)
        if last.startswith(">"):
            header = _CLASS.sub("", last[1:])
            self.has_places = site_loci.locus_of(header) is not None
            if _CLASS.search(last[1:]):
                return "labelled FASTA"
            if self._reads_labels:
                header = f"the FASTA header {site_formats.shorten(last)!r}"
                raise UserError(
                    f"{self._start}: {site_formats.labels_are_needed(header)}"
                )
            return "FASTA"
        csv.field_size_limit(max(_LONGEST_CELL, csv.field_size_limit()))
        # Some tools write the names of the columns behind a `#`.
        for number, line in sorted(enumerate(lines, 1), reverse=True):
            for delimiter, found in site_formats.DELIMITERS.items():
                names = (
                    site_formats.cells_of(line, delimiter)
                    if delimiter in line
                    else [line]
                )
                if "sequence" in map(str.lower, names):
                    self._first_line = number
                    self._find_columns(names)
                    return found
        raise UserError(f"{self._start}: {site_formats.what_it_is(last or lines[0])}")

    def _find_columns(self, names: list[str]) -> None:
        """Remembers the columns of a table; refuses a table without labels."""
        lower = [name.lower() for name in names]
        found = site_formats.shorten(", ".join(map(repr, names)))
        if self._reads_labels and "label" not in lower:
            table = f"a table with the columns {found}"
            raise UserError(f"{self._start}: {site_formats.labels_are_needed(table)}")
        for column in _COLUMNS:
            if lower.count(column) > 1:
                fault = f"the column {column!r} occurs more than once in {found}"
                raise UserError(f"{self._start}: {fault}.")
        self._columns = lower
        self._reads_loci = site_loci.are_in(lower, self._start)
        self.has_places = self._reads_loci or "gene" in lower

    # === Reading ===

    def _fasta(self, stream: LineCounter) -> Iterator[Site | SkippedSite]:
        records = enumerate(fasta_records(stream), start=1)
        for row, (name, sequence, dot_bracket) in records:
            label, locus = "", None
            stated = _CLASS.search(name)
            # Where labels are not read, `class:SINE` is part of the name.
            if stated and (self._reads_labels or site_formats.is_label(stated)):
                name, label = name[: stated.start()], stated[1]
            if ")" in name:
                locus = self.coordinates.of_name(row, name, sequence)
            yield self._site(row, name, sequence, label, dot_bracket, locus)

    def _table(self, stream: LineCounter) -> Iterator[Site | SkippedSite]:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        for _comment in range(self._first_line - 1):
            text.readline()
        rows = self._rows(text)
        next(rows, None)  # the names of the columns
        for row, cells in enumerate(rows, start=1):
            yield self._table_site(row, cells)

    def _rows(self, text: io.TextIOWrapper) -> Iterator[list[str]]:
        """Yields the cells of every row that is not blank."""
        delimiter = {form: mark for mark, form in site_formats.DELIMITERS.items()}[
            self.format
        ]
        lines = csv.reader(text, delimiter=delimiter, strict=True)
        # Where a quotation mark is lost, the reader stops far behind it.
        begin = self._first_line
        try:
            for cells in lines:
                if any("\n" in cell and delimiter in cell for cell in cells):
                    raise csv.Error(
                        "a cell goes on over the next line and its columns; is a "
                        "quotation mark without its second?"
                    )
                if len(cells) > 1 or "".join(cells).strip():
                    yield cells
                begin = lines.line_num + self._first_line
        except csv.Error as error:
            fault = f"the row that begins here cannot be read: {error}"
            raise UserError(f"{self._shown}, line {begin}: {fault}.") from error

    def _table_site(self, row: int, cells: list[str]) -> Site | SkippedSite:
        named = dict(zip(self._columns, cells, strict=False))
        name = named.get("name", "")
        n_columns = len(self._columns)
        is_short = len(cells) < n_columns
        # Spreadsheets write empty cells behind the last column.
        if is_short or "".join(cells[n_columns:]).strip():
            reason = Reason.MISSING_CELLS if is_short else Reason.EXTRA_CELLS
            detail = f"{len(cells)} cells for {n_columns} columns"
            return skip_site(self._name(row, name), row, reason, detail)
        dot_bracket = named.get("structure", "").strip() or None
        label, sequence = named.get("label", "").strip(), named["sequence"]
        locus = None
        if self._reads_loci:
            locus = self.coordinates.of_cells(row, named, sequence)
        site = self._site(row, name, sequence, label, dot_bracket, locus)
        gene = _CONTROL.sub(" ", named.get("gene", "")).strip()
        split = named.get("split", "").strip() if self._reads_splits else ""
        if isinstance(site, SkippedSite) or not (gene or split):
            return site
        if split.lower() not in _SPLITS:
            return skip_site(site.name, row, Reason.WRONG_SPLIT, split)
        return site._replace(gene=gene, split=split.lower())

    def _site(
        self,
        row: int,
        name: str,
        sequence: str,
        stated: str,
        dot_bracket: str | None,
        locus: Locus | None,
    ) -> Site | SkippedSite:
        name = self._name(row, name)
        label = self._label
        if self._reads_labels:
            label = label_of(stated)
            if label is None:
                reason = Reason.WRONG_LABEL if stated else Reason.NO_LABEL
                return skip_site(name, row, reason, stated)
        return clean_site(
            *(name, row, sequence),
            k=self._k,
            label=label,
            dot_bracket=dot_bracket,
            locus=locus,
        )

    def _name(self, row: int, name: str) -> str:
        if not name.isprintable():
            name = _CONTROL.sub(" ", name)
        return name.strip() or f"{self._stem}:{row}"

    @property
    def _start(self) -> str:
        return f"{self._shown}, line {self._first_line}"
