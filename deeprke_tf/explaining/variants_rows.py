"""A row of the results: one allele on one RNA, or one without a score."""

import math
from typing import NamedTuple

from deeprke_tf.explaining.variants_places import Allele, Place
from deeprke_tf.explaining.variants_reading import Record
from deeprke_tf.explaining.variants_scoring import Effect, Scored


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


def name_of(row: Row) -> str:
    """Returns the name of a variant, or else its place and alleles."""
    if row.record.name or row.record.reason:
        return row.record.name
    record, allele = row.record, row.allele
    return f"{record.chrom}:{record.position}:{allele.ref}>{allele.alt}"


def as_text(value: float) -> str:
    """Returns a number as tables and VCF have it; empty: NaN."""
    return "" if math.isnan(value) else f"{value:.6g}"
