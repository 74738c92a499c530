"""BED files of sites on their genome, as genome browsers load them.

Positions count from 0, ends are exclusive. UCSC, IGV and bedtools skip lines that begin
with `#` or `track`. Every row is BED12, which has a block for each exon.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from deeprke_tf.rna.loci import Interval, Locus
from deeprke_tf.runs.table import comment_lines

COLOR = "0,114,178"


def header(comments: Sequence[str], attributes: Mapping[str, str] | None = None) -> str:
    r"""Returns comments and a `track` line.

    >>> header(["model QKI"], {"name": 'sites of "QKI"'})
    '# model QKI\ntrack name="sites of \'QKI\'"\n'

    Args:
      comments: Lines behind `#`.
      attributes: Of the track; none: no `track` line.
    """
    text = comment_lines(comments)
    if attributes:
        values = (" ".join(v.replace('"', "'").split()) for v in attributes.values())
        quoted = (
            f'{name}="{value}"' for name, value in zip(attributes, values, strict=True)
        )
        text += " ".join(["track", *quoted]) + "\n"
    return text


def score_of(probability: float) -> str:
    """Returns a probability as the score of BED, 0 to 1000."""
    return str(round(1000 * probability))


def row_of(locus: Locus, name: str, probability: float, thick: Locus) -> list[str]:
    """Returns a site as BED12.

    >>> locus = Locus.parse("chr1:100-150,300-351(-)")
    >>> "|".join(row_of(locus, "site 1", 0.5, thick=locus))
    'chr1|100|351|site_1|500|-|100|351|0|2|50,51|0,200'

    Args:
      locus: Where it lies.
      name: White space becomes `_`, where some readers would end the cell.
      probability: In [0, 1].
      thick: The part to draw thick.
    """
    return [
        *(locus.chrom, str(locus.start), str(locus.end)),
        *("_".join(name.split()), score_of(probability), locus.strand),
        *(str(thick.start), str(thick.end), "0", str(len(locus.blocks))),
        ",".join(str(end - start) for start, end in locus.blocks),
        ",".join(str(start - locus.start) for start, _end in locus.blocks),
    ]


def in_order(row: Sequence[str]) -> tuple[bytes, Interval]:
    """Sorts rows as `LC_ALL=C sort -k1,1 -k2,2n -k3,3n` does."""
    return row[0].encode(), (int(row[1]), int(row[2]))


def write_rows(file: TextIO, rows: Iterable[Sequence[str]]) -> None:
    """Writes rows, cells between tabs."""
    file.writelines("\t".join(row) + "\n" for row in rows)
