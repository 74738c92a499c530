"""The table of labelled sites that the steps of an extraction hand on."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from deeprke_tf.rna.loci import Locus

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("name", "chrom", "start", "end", "strand", "label", "region", "split"),
    *("sequence", "blocks", "gene"),
)


def sites_table(
    names: Iterable[str],
    loci: Sequence[Locus],
    labels: Iterable[int],
    regions: Iterable[str],
    sequences: Iterable[str],
    genes: Iterable[str],
) -> "pd.DataFrame":
    """Returns sites as a table, without splits.

    Args:
      names: Names of the sites.
      loci: Where they lie.
      labels: 1 bound, 0 background.
      regions: Their regions; empty where nothing is known.
      sequences: DNA letters of their strand.
      genes: Their genes; empty: none or unknown.

    Returns:
      A table of `COLUMNS`.
    """
    import pandas as pd

    rows = [
        (
            *(name, locus.chrom, locus.start, locus.end, locus.strand),
            *(label, region, "", sequence, blocks_text(locus), gene),
        )
        for name, locus, label, region, sequence, gene in zip(
            names, loci, labels, regions, sequences, genes, strict=True
        )
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def blocks_text(locus: Locus) -> str:
    """Returns the blocks as the table has them; empty for one block.

    >>> blocks_text(Locus.parse("chr1:10-20,30-40(-)"))
    '10-20,30-40'
    """
    if len(locus.blocks) == 1:
        return ""
    return ",".join(f"{start}-{end}" for start, end in locus.blocks)


def loci_of(sites: "pd.DataFrame") -> list[Locus]:
    """Returns where the sites of a table lie."""
    # Lists, because single cells of a pandas column are slow to read.
    places = ("chrom", "start", "end", "strand", "blocks")
    columns = (sites[name].tolist() for name in places)
    return [
        Locus.parse(f"{chrom}:{blocks}({strand})")
        if blocks
        else Locus(chrom, ((start, end),), strand)
        for chrom, start, end, strand, blocks in zip(*columns, strict=True)
    ]
