import gzip

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import Transcript, read_annotation
from deeprke_tf.rna.loci import Locus

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
    ("text", "form"), [(GTF, "gtf"), (BED12, "bed12"), (GTF, None), (BED12, None)]
)
def test_gtf_and_bed12_hold_the_same_transcripts(tmp_path, text, form):
    path = tmp_path / "annotation.gz"
    path.write_bytes(gzip.compress(text.encode()))
    annotation = read_annotation(path, form=form)
    assert annotation["tx1"].locus == Locus("chr1", EXONS, "+")
    assert annotation.find("tx1", 35) == annotation["tx1"]
    assert annotation["tx2"].locus == Locus("chr2", ((10, 20),), "-")


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
    assert read_annotation(path).find(name, length) == reason


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
    found = read_annotation(path).find("tx1", 20)
    assert found.locus == Locus("chr1", ((0, 10), (100, 110)), "-")


@pytest.mark.parametrize("name", ["tx1", "tx1.4", "tx1|gene|more", "tx1.4|gene"])
def test_names_of_gencode_and_ensembl_find_their_transcript(tmp_path, name):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    found = read_annotation(path).find(name, 35)
    assert isinstance(found, Transcript)


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        ("", "gtf", "holds no transcript; expected GTF"),
        ("chr1\tx\texon\t5\t9\t.\t+\t.\tID=1;Name=tx1\n", "gtf", "transcript_id"),
        ("#\nchr1\tx\texon\t9\t5\t.\t+\t.\ttranscript_id 1;", "gtf", "line 2: .* 9 to"),
        ("chr1\tx\texon\t-9\t-5\t.\t+\t.\ttranscript_id 1;", "gtf", "line 1: .* -9 to"),
        ("chr1\t1\t9\ttx1\t0\t+\t1\t9\t0\t1\t9\t1e3\n", "bed12", "line 1: .*1e3"),
        (f"chr1\t1{'0' * 30}\t9\ttx1\t0\t+\t1\t9\t0\t1\t9\t0\n", "bed12", "line 1"),
        (BED12, "gtf", "holds no transcript; expected GTF"),
        (GTF, "bed12", "line 2: this is not BED12"),
        ("chr1\t1\t9\ttx1\t0\t+\t1\t9\t0\t2\t4\t0\n", "bed12", "line 1: .*BED12"),
    ],
)
def test_another_format_is_refused(tmp_path, text, form, message):
    path = tmp_path / "annotation"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_annotation(path, form=form)
