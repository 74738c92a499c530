import gzip
import random

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.scanning.transcripts import Annotation, Transcript

EXONS = ((100, 110), (200, 205), (300, 320))  # 10, 5 and 20 nt

GTF = """\
# made by hand
chr1\tx\tgene\t101\t320\t.\t+\t.\tgene_id "g";
chr1\tx\texon\t301\t320\t.\t+\t.\tgene_id "g"; transcript_id "tx1"; exon_number 3;
chr1\tx\texon\t101\t110\t.\t+\t.\tgene_id "g"; transcript_id "tx1"; exon_number 1;
chr1\tx\texon\t201\t205\t.\t+\t.\ttranscript_id "tx1"; gene_id "g";
chr2\tx\texon\t11\t20\t.\t-\t.\ttranscript_id tx2;
chr2\tx\texon\t11\t20\t.\t.\t.\ttranscript_id "unstranded";
chrX\tx\texon\t11\t20\t.\t+\t.\ttranscript_id "par";
chrY\tx\texon\t11\t20\t.\t+\t.\ttranscript_id "par";
chr3\tx\texon\t11\t20\t.\t+\t.\ttranscript_id "folded";
chr3\tx\texon\t15\t30\t.\t+\t.\ttranscript_id "folded";
chr3\tx\tCDS\t900\t910\t.\t+\t0\ttranscript_id "tx1";
"""
BED12 = """\
track name="genes"
chr1\t100\t320\ttx1\t0\t+\t100\t320\t0\t3\t10,5,20,\t0,100,200,
chr2\t10\t20\ttx2\t0\t-\t10\t20\t0\t1\t10\t0
"""


@pytest.mark.parametrize(
    ("strand", "start", "end", "expected"),
    [
        ("+", 0, 35, [(100, 110), (200, 205), (300, 320)]),
        ("+", 0, 1, [(100, 101)]),
        ("+", 8, 12, [(108, 110), (200, 202)]),
        ("+", 8, 16, [(108, 110), (200, 205), (300, 301)]),
        ("-", 0, 35, [(100, 110), (200, 205), (300, 320)]),
        ("-", 0, 1, [(319, 320)]),
        ("-", 18, 22, [(203, 205), (300, 302)]),
        ("-", 18, 27, [(108, 110), (200, 205), (300, 302)]),
    ],
)
def test_a_stretch_of_a_transcript_has_its_place_on_the_genome(
    strand, start, end, expected
):
    assert Transcript("chr1", strand, EXONS).to_genome(start, end) == expected


@pytest.mark.parametrize("strand", "+-")
def test_pieces_of_exons_that_touch_are_one_block(strand):
    transcript = Transcript("chr1", strand, ((0, 5), (5, 9), (20, 30)))
    assert transcript.to_genome(0, 19) == [(0, 9), (20, 30)]


@pytest.mark.parametrize("strand", "+-")
def test_single_nucleotides_make_up_any_stretch(strand):
    transcript = Transcript("chr1", strand, EXONS)
    rng = random.Random(1)
    for _ in range(100):
        start, end = sorted(rng.sample(range(36), 2))
        blocks = transcript.to_genome(start, end)
        singles = [transcript.to_genome(i, i + 1)[0][0] for i in range(start, end)]
        assert sorted(singles) == [i for block in blocks for i in range(*block)]
        assert singles == sorted(singles, reverse=strand == "-")


@pytest.mark.parametrize(("text", "is_gtf"), [(GTF, True), (BED12, False)])
def test_gtf_and_bed12_hold_the_same_transcripts(tmp_path, text, is_gtf):
    path = tmp_path / "annotation.gz"
    path.write_bytes(gzip.compress(text.encode()))
    annotation = Annotation(path, ["tx1", "tx2"], is_gtf=is_gtf)
    assert annotation.find("tx1", 35) == Transcript("chr1", "+", EXONS)
    assert annotation.find("tx2", 10) == Transcript("chr2", "-", ((10, 20),))


@pytest.mark.parametrize(
    ("name", "length", "reason"),
    [
        ("other", 35, "not in the annotation"),
        ("tx1", 36, "36 nt in FASTA, 35 nt in the annotation"),
        ("unstranded", 10, "strand '.' in the annotation"),
        ("par", 20, "on more than one chromosome or strand in the annotation"),
        ("folded", 26, "exons overlap in the annotation"),
    ],
)
def test_a_transcript_without_a_place_has_a_reason(tmp_path, name, length, reason):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    assert Annotation(path, [name], is_gtf=True).find(name, length) == reason


@pytest.mark.parametrize(
    "attributes",
    [
        'gene_id "g"; transcript_id "tx1";',
        "ID=exon:1;Parent=tx1;transcript_id=tx1",
        "Parent=transcript:tx1;Name=exon1",
    ],
    ids=["GTF", "GFF3 of GENCODE", "GFF3 of Ensembl"],
)
@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_gff3_and_all_line_ends_are_read(tmp_path, attributes, line_end):
    path = tmp_path / "genes"
    lines = [
        f"chr1\tx\texon\t{start}\t{start + 9}\t.\t-\t.\t{attributes}"
        for start in (1, 101)
    ]
    path.write_bytes(line_end.join(["##gff-version 3", *lines, ""]).encode())
    found = Annotation(path, ["tx1"], is_gtf=True).find("tx1", 20)
    assert found == Transcript("chr1", "-", ((0, 10), (100, 110)))


@pytest.mark.parametrize("name", ["tx1", "tx1.4", "tx1|gene|more", "tx1.4|gene"])
def test_names_of_gencode_and_ensembl_find_their_transcript(tmp_path, name):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    found = Annotation(path, [name], is_gtf=True).find(name, 35)
    assert isinstance(found, Transcript)


@pytest.mark.parametrize(
    ("text", "is_gtf", "message"),
    [
        ("", True, "holds no transcript; expected GTF"),
        ("chr1\tx\texon\t5\t9\t.\t+\t.\tID=1;Name=tx1\n", True, "transcript_id"),
        ("#\nchr1\tx\texon\t9\t5\t.\t+\t.\ttranscript_id 1;", True, "line 2: .* 9 to"),
        ("chr1\tx\texon\t-9\t-5\t.\t+\t.\ttranscript_id 1;", True, "line 1: .* -9 to"),
        ("chr1\t1\t9\ttx1\t0\t+\t1\t9\t0\t1\t9\t1e3\n", False, "line 1: .*1e3"),
        (f"chr1\t1{'0' * 30}\t9\ttx1\t0\t+\t1\t9\t0\t1\t9\t0\n", False, "line 1"),
        (BED12, True, "holds no transcript; expected GTF"),
        (GTF, False, "line 2: this is not BED12"),
        ("chr1\t1\t9\ttx1\t0\t+\t1\t9\t0\t2\t4\t0\n", False, "line 1: .*BED12"),
    ],
)
def test_another_format_is_refused(tmp_path, text, is_gtf, message):
    path = tmp_path / "annotation"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        Annotation(path, ["tx1"], is_gtf=is_gtf)
