"""Which strands and stretches of a genome are RNAs: all, genes, or given regions."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.variants_alleles import Reason
from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.regions import Regions


class Stretch(NamedTuple):
    """What a strand of a position belongs to; `start` and `end` as on the genome."""

    strand: str
    start: int
    end: int
    gene: str = ""
    gene_name: str = ""
    region: str = ""


class OnStrands:
    """Takes every position, on one strand or both.

    Args:
      sizes: Length of each chromosome.
      strands: `+`, `-` or `+-`.
    """

    outside = ""

    def __init__(self, sizes: Mapping[str, int], strands: str):
        self._sizes, self._strands = sizes, strands

    def at(self, chrom: str, _position: int) -> list[Stretch]:
        """Returns the stretches that a position (from 0) of a chromosome lies in."""
        return [Stretch(strand, 0, self._sizes[chrom]) for strand in self._strands]


class InGenes:
    """Takes positions in transcripts, introns included, on their strand.

    Args:
      annotation: Transcripts on the chromosomes of the genome.
      regions: Their regions.
    """

    outside = Reason.OUTSIDE_TRANSCRIPTS

    def __init__(self, annotation: Annotation, regions: Regions):
        self._names, self._regions = annotation.gene_names, regions
        self._span = functools.cache(self._span_of)

    def at(self, chrom: str, position: int) -> list[Stretch]:
        """As `OnStrands.at`; of several genes on a strand the one of `gene_at`."""
        found = []
        for strand in "+-":
            if gene := self._regions.gene_at(chrom, strand, position):
                region = str(self._regions.of(chrom, strand, [position])[0])
                name = self._names.get(gene, "")
                found.append(Stretch(strand, *self._span(gene), gene, name, region))
        return found

    def _span_of(self, gene: str) -> tuple[int, int]:
        segments = self._regions.segments(gene)
        return segments[0][0], segments[-1][1]


class InRegions:
    """Takes positions in the regions of a BED file, on their strand or, without, both.

    Args:
      path: BED, narrowPeak or broadPeak.
      sizes: Length of each chromosome.

    Raises:
      UserError: The file cannot be read, or none of its regions lies on the genome.
    """

    outside = Reason.OUTSIDE_REGIONS

    def __init__(self, path: Path, sizes: Mapping[str, int]):
        names = ChromosomeNames(sizes)
        table = read_peaks(path, needs_strand=False).table
        table = table.assign(chrom=table["chrom"].map(names.find)).dropna(
            subset=["chrom"]
        )
        if table.empty:
            raise UserError(f"None of `regions` {path} lies on the genome.")
        size = table["chrom"].map(sizes)
        table = table[table["start"] < size].assign(end=np.minimum(table["end"], size))
        self._by_place = {}
        for place, rows in table.sort_values("start").groupby(["chrom", "strand"]):
            starts, ends = rows["start"].to_numpy(), rows["end"].to_numpy()
            reach = np.maximum.accumulate(ends)
            self._by_place[place] = starts, ends, reach, rows["name"].tolist()

    def at(self, chrom: str, position: int) -> list[Stretch]:
        """As `OnStrands.at`; of several regions on a strand the first."""
        found: dict[str, Stretch] = {}
        for mark in "+-.":
            if (chrom, mark) not in self._by_place:
                continue
            starts, ends, reach, names = self._by_place[chrom, mark]
            first = np.searchsorted(reach, position, side="right")
            last = np.searchsorted(starts, position, side="right")
            hits = first + np.flatnonzero(ends[first:last] > position)
            for strand in mark.replace(".", "+-") if len(hits) else "":
                i = int(hits[0])
                stretch = Stretch(strand, int(starts[i]), int(ends[i]), region=names[i])
                found.setdefault(strand, stretch)
        return list(found.values())
