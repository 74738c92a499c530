import numpy as np
import pytest

from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.sources import spliced_segments

# Gene b lies in the intron of gene a, on the same strand, and is non-coding.
GTF = """\
1\tx\texon\t101\t200\t.\t{s}\t.\tgene_id "a"; transcript_id "a1";
1\tx\tCDS\t151\t200\t.\t{s}\t.\tgene_id "a"; transcript_id "a1";
1\tx\texon\t401\t500\t.\t{s}\t.\tgene_id "a"; transcript_id "a1";
1\tx\tCDS\t401\t420\t.\t{s}\t.\tgene_id "a"; transcript_id "a1";
1\tx\texon\t251\t300\t.\t{s}\t.\tgene_id "b"; transcript_id "b1";
"""


@pytest.fixture(params=["+", "-"])
def annotation(request, tmp_path):
    path = tmp_path / "a.gtf"
    path.write_text(GTF.format(s=request.param))
    return read_annotation(path)


def test_stretches_of_a_gene_have_the_region_of_each_position(annotation):
    regions = Regions(annotation)
    strand = annotation["a1"].strand
    for start, end in ((100, 500), (0, 600), (120, 260), (150, 200), (160, 170)):
        stretches = regions.within("1", strand, start, end)
        labels = np.concatenate(
            [np.repeat(region, high - low) for low, high, region in stretches]
        )
        expected = regions.of("1", strand, np.arange(start, end))
        assert labels.tolist() == expected.tolist()
        assert stretches[0][0] == start and stretches[-1][1] == end


def test_regions_of_a_spliced_transcript_are_those_of_its_genome_positions(annotation):
    regions = Regions(annotation)
    for transcript in (annotation["a1"], annotation["b1"]):
        locus = transcript.locus
        for start, end, region in spliced_segments(transcript):
            for position in (start, end - 1):
                place = locus.part(position, position + 1)
                assert regions.of("1", locus.strand, [place.start]).tolist() == [region]
