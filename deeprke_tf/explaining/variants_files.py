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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pysam

from deeprke_tf.explaining.variants_reading import Record
from deeprke_tf.explaining.variants_rows import Row, as_text, name_of
from deeprke_tf.explaining.variants_scoring import Effect
from deeprke_tf.explaining.variants_vcf import encoded, vcf_line
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
            self._vcf.write(encoded(vcf_header))

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
            self._vcf.write(encoded([vcf_line(record, rows)]))

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


def _cells(row: Row) -> dict[str, Any]:
    cells = _variant_cells(row) | _effect_cells(row.effect)
    if row.place:
        cells |= {column: getattr(row.place, column) for column in _PLACE}
    if row.scored and row.scored.every:
        deltas = [one.delta for one in row.scored.every]
        mean, strongest = sum(deltas) / len(deltas), max(deltas, key=abs)
        numbers = (len(deltas), as_text(mean), as_text(strongest))
        cells |= dict(zip(_EVERY, numbers, strict=True))
    if row.n_background:
        p_value = as_text(row.p_value)
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
    cells = map(as_text, (*numbers, effect.delta, sd))
    return dict(zip((*_EFFECT, _SD), cells, strict=True))
