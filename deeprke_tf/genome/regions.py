"""Regions of transcripts: where on the RNA a position lies.

Where transcripts overlap, the first of `REGIONS` counts that one of them has at the
position, as in iCount's segmentation: a base that is coding in one transcript and
intronic in another is CDS.
"""

import numpy as np

from deeprke_tf.genome.annotation import Annotation

CDS, UTR3, UTR5, NCRNA, INTRON, INTERGENIC = REGIONS = (
    *("CDS", "3'UTR", "5'UTR", "ncRNA"),
    *("intron", "intergenic"),
)
_INTERGENIC = len(REGIONS) - 1

Segment = tuple[int, int, str]


class Regions:
    """The region of any position, by the transcripts of an annotation.

    Exons of transcripts without a CDS are ncRNA. What lies between exons of a
    transcript is intron, what lies in no transcript of the strand is intergenic.

    Args:
      annotation: Transcripts on the chromosomes of the genome.
    """

    def __init__(self, annotation: Annotation):
        self._annotation = annotation
        columns = annotation.columns
        self._places: dict[tuple[str, str], list[int]] = {}
        for number, place in enumerate(
            zip(columns.chroms, columns.strands, strict=True)
        ):
            self._places.setdefault(place, []).append(number)
        self._spans: dict[tuple[str, str], tuple[np.ndarray, ...]] = {}
        self._maps: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        self._numbers = {name: number for number, name in enumerate(annotation)}

    def of(self, chrom: str, strand: str, positions) -> np.ndarray:
        """Returns the region of each position, [n] texts of `REGIONS`.

        Args:
          chrom: Chromosome.
          strand: `+` or `-`.
          positions: On the chromosome, from 0, [n].
        """
        bounds, codes = self._map_of(chrom, strand)
        found = np.searchsorted(bounds, np.asarray(positions), side="right")
        return np.array(REGIONS)[codes[found]]

    def within(self, chrom: str, strand: str, start: int, end: int) -> list[Segment]:
        """Returns start, end and region of all that lies between two positions.

        All genes count; `of` says the same of each position.

        Args:
          chrom: Chromosome.
          strand: `+` or `-`.
          start: First position, from 0.
          end: Position behind the last.
        """
        bounds, codes = self._map_of(chrom, strand)
        first = np.searchsorted(bounds, start, side="right")
        last = np.searchsorted(bounds, end, side="left")
        edges = [start, *bounds[first:last].tolist(), end]
        regions = [REGIONS[code] for code in codes[first : last + 1].tolist()]
        return list(zip(edges[:-1], edges[1:], regions, strict=True))

    def _map_of(self, chrom: str, strand: str) -> tuple[np.ndarray, np.ndarray]:
        place = (chrom, strand)
        if place not in self._maps:
            self._maps[place] = self._map(self._places.get(place, []))
        return self._maps[place]

    def segments(self, gene: str) -> list[Segment]:
        """Returns start, end and region of the stretches of a gene, ascending.

        Other genes that overlap it do not count here. Of a gene at several places the
        one of its canonical transcript counts.

        Args:
          gene: One of the annotation's `genes`.
        """
        canonical = self._annotation.canonical(gene)
        columns, place = self._annotation.columns, (canonical.chrom, canonical.strand)
        numbers = (self._numbers[name] for name in self._annotation.genes[gene])
        bounds, codes = self._map(
            [n for n in numbers if (columns.chroms[n], columns.strands[n]) == place]
        )
        starts, ends = bounds[:-1].tolist(), bounds[1:].tolist()
        regions = [REGIONS[code] for code in codes[1:-1]]
        return [
            segment
            for segment in zip(starts, ends, regions, strict=True)
            if segment[2] != INTERGENIC
        ]

    def gene_at(self, chrom: str, strand: str, position: int) -> str:
        """Returns the gene that a position lies in, or an empty text.

        Of several genes that overlap there it is the one whose region comes first in
        `REGIONS`, then the longest at the place, then the first by name.

        Args:
          chrom: Chromosome.
          strand: `+` or `-`.
          position: On the chromosome, from 0.
        """
        genes = self.genes_at(chrom, strand, position)
        if len(genes) < 2:
            return genes[0] if genes else ""

        def preference(gene: str) -> tuple[int, int, str]:
            segments = self.segments(gene)
            region = next(
                (name for start, end, name in segments if start <= position < end),
                INTERGENIC,
            )
            length = segments[-1][1] - segments[0][0] if segments else 0
            return REGIONS.index(region), -length, gene

        return min(genes, key=preference)

    def genes_at(self, chrom: str, strand: str, position: int) -> list[str]:
        """Returns the genes whose transcripts, introns included, have a position."""
        place = (chrom, strand)
        if place not in self._spans:
            self._spans[place] = self._spans_of(self._places.get(place, []))
        numbers, starts, ends, reaches = self._spans[place]
        first = np.searchsorted(reaches, position, side="right")
        last = np.searchsorted(starts, position, side="right")
        found = numbers[first:last][ends[first:last] > position]
        genes = self._annotation.columns.genes
        return sorted({genes[number] for number in found.tolist()})

    def _spans_of(self, numbers: list[int]) -> tuple[np.ndarray, ...]:
        """Returns transcripts by start: numbers, starts, ends, and the furthest end."""
        columns, some = self._annotation.columns, np.array(numbers, int)
        starts = columns.exons[columns.first_exons[some], 0]
        order = np.argsort(starts, kind="stable")
        ends = columns.exons[columns.first_exons[some + 1] - 1, 1][order]
        return some[order], starts[order], ends, np.maximum.accumulate(ends)

    def _map(self, numbers: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Returns where the region changes, ascending, and codes before and behind.

        Args:
          numbers: Of transcripts of one strand of a chromosome.

        Returns:
          Positions [n] and codes [n + 1], places in `REGIONS`: code i holds from
          position i - 1 to position i.
        """
        intervals = self._intervals(np.array(numbers, int))
        bounds = np.unique(np.concatenate(list(intervals.values())))
        codes = np.full(len(bounds) + 1, _INTERGENIC)
        for region in reversed(REGIONS[:-1]):
            steps = np.zeros(len(bounds) + 1, int)
            for column, step in enumerate((1, -1)):
                places = np.searchsorted(bounds, intervals[region][:, column]) + 1
                np.add.at(steps, places, step)
            codes[np.cumsum(steps) > 0] = REGIONS.index(region)
        changes = np.flatnonzero(np.diff(codes))
        return bounds[changes], codes[np.concatenate([[0], changes + 1])]

    def _intervals(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the intervals [n, 2] of each region but the last, as they come."""
        columns = self._annotation.columns
        firsts, ends = columns.first_exons[numbers], columns.first_exons[numbers + 1]
        counts = ends - firsts
        # The rows of the exons of these transcripts.
        offsets = np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(firsts, counts) + np.arange(counts.sum()) - offsets
        exons = columns.exons[rows]
        cds = np.repeat(columns.cds[numbers], counts, axis=0)
        is_coding = cds[:, 0] >= 0
        parts, bounds = exons[is_coding], cds[is_coding]
        left = np.stack([parts[:, 0], np.minimum(parts[:, 1], bounds[:, 0])], 1)
        right = np.stack([np.maximum(parts[:, 0], bounds[:, 1]), parts[:, 1]], 1)
        inner = np.stack(
            [
                np.maximum(parts[:, 0], bounds[:, 0]),
                np.minimum(parts[:, 1], bounds[:, 1]),
            ],
            1,
        )
        is_minus = len(numbers) > 0 and columns.strands[numbers[0]] == "-"
        spans = np.stack([columns.exons[firsts, 0], columns.exons[ends - 1, 1]], 1)
        found = {
            CDS: inner,
            UTR5: right if is_minus else left,
            UTR3: left if is_minus else right,
            NCRNA: exons[~is_coding],
            INTRON: spans,
        }
        return {name: some[some[:, 0] < some[:, 1]] for name, some in found.items()}
