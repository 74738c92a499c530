"""Files of scored variants.

variants.tsv      a row for each allele and RNA, and for each allele without a score
windows.tsv       with `windows="all"`: a row for each window of each scored allele
variants.vcf.gz   the records with INFO fields; not of variants in RNAs
variant_*.png     pictures of the variants that were asked for
variants.json     settings, counts and digests; written last
"""

import contextlib
import csv
import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pysam

from deeprke_tf.explaining.variants_places import Allele, Place
from deeprke_tf.explaining.variants_reading import Record
from deeprke_tf.explaining.variants_scoring import Effect, Scored
from deeprke_tf.runs.table import comment_lines
from deeprke_tf.system.directories import Kind

TABLE, WINDOWS, VCF, MANIFEST = (
    *("variants.tsv", "windows.tsv", "variants.vcf.gz"),
    "variants.json",
)
VARIANTS = Kind(
    "set of scored variants",
    MANIFEST,
    r"(variants|windows)\.(tsv|vcf\.gz)|variant_.*\.png",
)

NEIGHBORS = (
    "each allele is scored alone in the reference sequence; other variants nearby, "
    "phased or not, are ignored"
)
SIGN = (
    "delta_log_odds: log odds of ALT less those of REF, natural logarithm; negative: "
    "the variant weakens binding"
)

_VARIANT = ("name", "chrom", "pos", "ref", "alt", "strand")
_PLACE = ("gene", "gene_name", "region", "transcript")
_EFFECT = (
    *("probability_ref", "probability_alt", "log_odds_ref", "log_odds_alt"),
    "delta_log_odds",
)
_EVERY = ("n_windows", "mean_delta_log_odds", "strongest_delta_log_odds")
_NULL = ("p_value", "n_background")
_SD = "delta_sd"
_FAULT = ("reason", "detail")
COLUMNS = (*_VARIANT, *_PLACE, *_EFFECT, _SD, *_EVERY, *_NULL, *_FAULT)
_WINDOW_COLUMNS = (*_VARIANT, "before", *_EFFECT, _SD)

_INFO = {
    "P_REF": "Probability that the RBP binds the window with REF",
    "P_ALT": "Probability that the RBP binds the window with ALT",
    "DELTA": "Log odds of ALT less those of REF; negative: ALT weakens binding",
    "SD": "Standard deviation of DELTA over the models of an ensemble",
    "PVALUE": "Empirical p of DELTA among matched random variants, two-sided",
}
_STRANDS = {"+": "PLUS", "-": "MINUS"}
_PREFIX = "DEEPRKE_"
_REASON = f"{_PREFIX}REASON"
_FIXED = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]


class Row(NamedTuple):
    """One allele on one RNA, or one without a score.

    Attributes:
      record: Its record.
      number: Of the allele among the ALTs of its record, from 0.
      allele: The allele.
      place: The RNA; None: the allele has a fault.
      scored: Its scores; None: the same.
      p_value: NaN where it is not known.
      n_background: Random variants that the p-value is taken from.
    """

    record: Record
    number: int
    allele: Allele
    place: Place | None = None
    scored: Scored | None = None
    p_value: float = math.nan
    n_background: int = 0

    @property
    def effect(self) -> Effect | None:
        """The effect on the window with the variant in the middle, if there is one."""
        return self.scored.effect if self.scored else None

    @property
    def reason(self) -> tuple[str, str]:
        """Why there is no score, and what came; empty where there is one."""
        if self.allele.fault:
            return self.allele.fault
        return (self.scored.reason if self.scored else ""), ""


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the tables hold besides variants and effects.

    Attributes:
      places: Genes and regions.
      sd: Standard deviations, of an ensemble.
      every: All windows that cover a variant, in `windows.tsv` and as a summary.
      null: Empirical p-values.
    """

    places: bool
    sd: bool
    every: bool
    null: bool

    @property
    def absent(self) -> set[str]:
        """The columns that are left out."""
        parts = ((self.places, _PLACE), (self.sd, (_SD,)), (self.every, _EVERY))
        groups = (*parts, (self.null, _NULL))
        return {column for has, columns in groups if not has for column in columns}


class VariantsWriter:
    """Writes the tables and the VCF of a directory, row by row; a context manager.

    Args:
      directory: To write into.
      comments: Lines above the tables.
      parts: What the tables hold.
      vcf_header: Lines of the VCF's header; None: no VCF.
    """

    def __init__(
        self,
        directory: Path,
        comments: Sequence[str],
        parts: Parts,
        vcf_header: Sequence[str] | None,
    ):
        self._absent = parts.absent
        self._closing = contextlib.ExitStack()
        self._table = self._tsv(directory / TABLE, comments, COLUMNS)
        self._windows = None
        if parts.every:
            self._windows = self._tsv(directory / WINDOWS, comments, _WINDOW_COLUMNS)
        self._vcf = None
        if vcf_header is not None:
            self._vcf = self._closing.enter_context(
                pysam.BGZFile(str(directory / VCF), "wb", None)
            )
            self._vcf.write(_encoded(vcf_header))

    def __enter__(self) -> "VariantsWriter":
        return self

    def __exit__(self, *error: Any) -> None:
        self._closing.__exit__(*error)

    def write(self, record: Record, rows: Sequence[Row]) -> None:
        """Writes all rows of one record."""
        for row in rows:
            self._table.writerow(_cells(row))
            if self._windows and row.scored:
                for effect in row.scored.every:
                    self._windows.writerow(_window_cells(row, effect))
        if self._vcf and not record.reason:
            self._vcf.write(_encoded([_vcf_line(record, rows)]))

    def _tsv(self, path: Path, comments: Sequence[str], columns: Sequence[str]) -> Any:
        file = open(path, "w", encoding="utf-8", errors="replace", newline="")  # noqa: SIM115
        self._closing.enter_context(file)
        file.write(comment_lines(comments))
        writer = csv.DictWriter(
            file,
            [column for column in columns if column not in self._absent],
            extrasaction="ignore",
            delimiter="\t",
            lineterminator="\n",
        )
        writer.writeheader()
        return writer


def name_of(row: Row) -> str:
    """Returns the name of a variant, or else its place and alleles."""
    if row.record.name or row.record.reason:
        return row.record.name
    record, allele = row.record, row.allele
    return f"{record.chrom}:{record.position}:{allele.ref}>{allele.alt}"


def _cells(row: Row) -> dict[str, Any]:
    cells = _variant_cells(row) | _effect_cells(row.effect)
    if row.place:
        cells |= {column: getattr(row.place, column) for column in _PLACE}
    if row.scored and row.scored.every:
        deltas = [one.delta for one in row.scored.every]
        mean, strongest = sum(deltas) / len(deltas), max(deltas, key=abs)
        numbers = (len(deltas), _number(mean), _number(strongest))
        cells |= dict(zip(_EVERY, numbers, strict=True))
    if row.n_background:
        p_value = _number(row.p_value)
        cells |= dict(zip(_NULL, (p_value, row.n_background), strict=True))
    return cells | dict(zip(_FAULT, row.reason, strict=True))


def _window_cells(row: Row, effect: Effect) -> dict[str, Any]:
    return {**_variant_cells(row), "before": effect.before, **_effect_cells(effect)}


def _variant_cells(row: Row) -> dict[str, Any]:
    record, allele = row.record, row.allele
    cells = (
        *(name_of(row), record.chrom, record.position or "", allele.ref, allele.alt),
        row.place.strand if row.place else "",
    )
    return dict(zip(_VARIANT, cells, strict=True))


def _effect_cells(effect: Effect | None) -> dict[str, str]:
    if effect is None:
        return {}
    _before, *numbers, sd = effect
    cells = map(_number, (*numbers, effect.delta, sd))
    return dict(zip((*_EFFECT, _SD), cells, strict=True))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"


# === VCF ===


def vcf_header(given: Sequence[str], contigs: Mapping[str, int | None]) -> list[str]:
    """Returns the header of the VCF.

    Args:
      given: Header of the VCF that was read; none of a table.
      contigs: Length of each chromosome of the records, where it is known.
    """
    kept = [line for line in given if not line.startswith(f"##INFO=<ID={_PREFIX}")]
    meta = [line for line in kept if line.startswith("##")] or ["##fileformat=VCFv4.2"]
    if not meta[0].startswith("##fileformat"):
        meta.insert(0, "##fileformat=VCFv4.2")
    head = "\n".join(meta)
    for name, size in contigs.items():
        if not re.search(rf"^##contig=<(.*,)?ID={re.escape(name)}[,>]", head, re.M):
            meta.append(f"##contig=<ID={name}{f',length={size}' if size else ''}>")
    if (note := f"##deeprke_variants={NEIGHBORS}") not in meta:
        meta.append(note)
    for strand, word in _STRANDS.items():
        for field, about in _INFO.items():
            meta.append(
                f"##INFO=<ID={_PREFIX}{field}_{word},Number=A,Type=Float,"
                f'Description="{about}; strand {strand}">'
            )
    meta.append(
        f"##INFO=<ID={_REASON},Number=A,Type=String,"
        'Description="Why an allele has no score">'
    )
    columns = [line for line in kept if line.startswith("#CHROM")]
    return [*meta, *(columns or ["\t".join(_FIXED)])]


def _encoded(lines: Sequence[str]) -> bytes:
    """Returns lines as they came, also of a file that is not UTF-8."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _vcf_line(record: Record, rows: Sequence[Row]) -> str:
    """Returns a record with the INFO fields of its rows."""
    first = rows[0].allele
    alts = {row.number: row.allele.alt for row in rows}
    cells = list(record.cells) or [
        *(record.chrom, str(record.position), record.name or "."),
        *(first.ref or "N", ",".join(alts.values()) or "."),
    ]
    cells += ["."] * (len(_FIXED) - len(cells))
    old = [
        field
        for field in cells[7].split(";")
        if field not in ("", ".") and not field.startswith(_PREFIX)
    ]
    cells[7] = ";".join([*old, *_info(rows, len(alts))]) or "."
    return "\t".join(cells)


def _info(rows: Sequence[Row], n_alts: int) -> Iterator[str]:
    for strand, word in _STRANDS.items():
        here = {
            row.number: (row, row.effect)
            for row in rows
            if row.place and row.place.strand == strand and row.effect
        }
        values = {
            number: (
                *(effect.probability_ref, effect.probability_alt, effect.delta),
                *(effect.delta_sd, row.p_value),
            )
            for number, (row, effect) in here.items()
            if effect
        }
        for i, field in enumerate(_INFO):
            shown = [
                _number(values[number][i]) if number in values else ""
                for number in range(n_alts)
            ]
            if any(shown):
                text = ",".join(one or "." for one in shown)
                yield f"{_PREFIX}{field}_{word}={text}"
    scored = {row.number for row in rows if row.effect}
    reasons = {row.number: row.reason[0] for row in rows if row.number not in scored}
    if reasons and any(row.allele.alt for row in rows):
        texts = [re.sub(r"[^\w.]+", "_", reasons.get(i, "")) for i in range(n_alts)]
        yield f"{_REASON}={','.join(text or '.' for text in texts)}"
