import numpy as np
import pytest

from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.genome import open_genome
from deeprke_tf.genome.landmarks import described
from deeprke_tf.genome.site_table import sites_table
from deeprke_tf.rna.loci import Locus

GTF = """\
1\tx\texon\t101\t200\t.\t+\t.\tgene_id "a"; transcript_id "a1";
1\tx\texon\t301\t400\t.\t+\t.\tgene_id "a"; transcript_id "a1";
1\tx\texon\t151\t170\t.\t+\t.\tgene_id "a"; transcript_id "a2";
1\tx\texon\t101\t200\t.\t-\t.\tgene_id "b"; transcript_id "b1";
"""
LOCI = {  # and distances of their middle to a splice site and a transcript end
    "1:180-191(+)": (15, 15),
    "1:205-216(+)": (10, 40),
    "1:195-200,300-306(+)": (0, 100),
    "1:180-191(-)": (np.nan, 15),
    "2:10-21(+)": (np.nan, np.nan),
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "g.fa").write_text(f">1\n{'ACgt' * 125}\n>2\n{'a' * 30}\n")
    (tmp_path / "a.gtf").write_text(GTF)
    with open_genome(tmp_path / "g.fa") as genome:
        yield genome, read_annotation(tmp_path / "a.gtf")


def table(genome):
    loci = [Locus.parse(text) for text in LOCI]
    n = len(loci)
    letters = map(genome.fetch_locus, loci)
    return sites_table(LOCI, loci, [1] * n, [""] * n, letters, [""] * n)


def test_distances_are_those_to_the_landmarks_of_the_same_strand(files):
    genome, annotation = files
    sites = described(table(genome), genome, annotation)
    expected = np.array([*LOCI.values()])
    found = sites[["to_splice_site", "to_transcript_end"]].to_numpy()
    np.testing.assert_array_equal(found, expected)


def test_repeats_are_the_fraction_of_lower_case_in_the_genome(files):
    genome, _ = files
    sites = described(table(genome), genome, None)
    expected = [
        np.mean([letter.islower() for letter in sequence])
        for sequence in sites["sequence"]
    ]
    assert sites["repeats"].tolist() == pytest.approx(expected)
    assert sites["to_splice_site"].isna().all()
