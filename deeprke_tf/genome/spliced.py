"""Spliced transcripts that windows of peaks in exons are cut from, one of each gene."""

from deeprke_tf.genome.annotation import Annotation, Transcript
from deeprke_tf.genome.regions import Regions


class SplicedTranscripts:
    """The canonical transcript of each gene, found by a position in its exons.

    Args:
      annotation: Transcripts on the chromosomes of the genome.
      regions: The same annotation's.
    """

    def __init__(self, annotation: Annotation, regions: Regions):
        self._annotation = annotation
        self._regions = regions
        self._canonical: dict[str, Transcript] = {}

    def at(self, chrom: str, strand: str, position: int) -> Transcript | None:
        """Returns the transcript that has a position in an exon, or None.

        Of several genes the one counts in whose CDS the position lies, then the one
        with the longest transcript, then the first by name.

        Args:
          chrom: Chromosome.
          strand: `+` or `-`.
          position: On the chromosome, from 0.
        """
        found = [
            transcript
            for gene in self._regions.genes_at(chrom, strand, position)
            if (transcript := self.canonical(gene)).chrom == chrom
            if transcript.strand == strand
            if any(start <= position < end for start, end in transcript.exons)
        ]
        if not found:
            return None

        def preference(transcript: Transcript) -> tuple[bool, int, str]:
            start, end = transcript.cds or (0, 0)
            n = transcript.locus.n_nucleotides
            return not start <= position < end, -n, transcript.gene

        return min(found, key=preference)

    def canonical(self, gene: str) -> Transcript:
        """Returns the transcript that stands for a gene."""
        if gene not in self._canonical:
            self._canonical[gene] = self._annotation.canonical(gene)
        return self._canonical[gene]
