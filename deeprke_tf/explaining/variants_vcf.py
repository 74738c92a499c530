"""The records of a file of variants as VCF, with their scores in INFO fields."""

import re
from collections.abc import Iterator, Mapping, Sequence

from deeprke_tf.explaining.variants_reading import Record
from deeprke_tf.explaining.variants_rows import Row, as_text

NEIGHBORS = (
    "each allele is scored alone in the reference sequence; other variants nearby, "
    "phased or not, are ignored"
)

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


def encoded(lines: Sequence[str]) -> bytes:
    """Returns lines as they came, also of a file that is not UTF-8."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def vcf_line(record: Record, rows: Sequence[Row]) -> str:
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
    n_alts = cells[4].count(",") + 1
    cells[7] = ";".join([*old, *_info(rows, n_alts)]) or "."
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
                as_text(values[number][i]) if number in values else ""
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
