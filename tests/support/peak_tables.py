"""Tables of peaks, written short."""

import pandas as pd

from deeprke_tf.genome.peaks import COLUMNS, NO_SUMMIT
from deeprke_tf.rna.loci import Locus


def peaks_of(*texts, file="a.bed"):
    """Peaks of texts such as `chr1:5-9(+) 3.5 name 7`: place, score, name, summit."""
    rows = []
    for line, text in enumerate(texts, start=1):
        place, *others = text.split()
        score, name, summit = [*others, *["1", "", NO_SUMMIT][len(others) :]]
        locus = Locus.parse(place)
        peak = (locus.chrom, locus.start, locus.end, name, float(score))
        rows.append((*peak, locus.strand, int(summit), file, line))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def places_of(table):
    """The places of a table, as texts."""
    columns = (table[name] for name in ("chrom", "start", "end", "strand"))
    return [f"{c}:{s}-{e}({x})" for c, s, e, x in zip(*columns, strict=True)]
