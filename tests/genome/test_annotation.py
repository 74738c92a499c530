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


FLAVOURS = {
    "Ensembl GTF": [
        'gene\t11\t90\tgene_id "G1"; gene_version "2"; gene_name "ABC"; '
        'gene_biotype "protein_coding";',
        'transcript\t11\t90\tgene_id "G1"; transcript_id "T1"; gene_name "ABC"; '
        'transcript_biotype "protein_coding"; tag "basic"; tag "Ensembl_canonical";',
        'exon\t11\t40\tgene_id "G1"; transcript_id "T1"; gene_name "ABC"; '
        'transcript_biotype "protein_coding"; tag "basic"; tag "Ensembl_canonical";',
        'exon\t61\t90\tgene_id "G1"; transcript_id "T1"; exon_number "2";',
        'CDS\t31\t40\tgene_id "G1"; transcript_id "T1";',
        'CDS\t61\t67\tgene_id "G1"; transcript_id "T1";',
        'stop_codon\t68\t70\tgene_id "G1"; transcript_id "T1";',
    ],
    "GENCODE GTF": [
        'exon\t61\t90\tgene_id "G1"; transcript_id "T1"; gene_type "protein_coding"; '
        'gene_name "ABC"; transcript_type "protein_coding"; level 2; tag "basic"; '
        'tag "MANE_Select"; tag "Ensembl_canonical";',
        'CDS\t61\t70\tgene_id "G1"; transcript_id "T1";',
        'CDS\t31\t40\tgene_id "G1"; transcript_id "T1";',
        'exon\t11\t40\tgene_id "G1"; transcript_id "T1"; exon_number 1;',
    ],
    "RefSeq GTF": [
        'gene\t11\t90\tgene_id "G1"; transcript_id ""; gene "ABC"; gbkey "Gene";',
        'exon\t11\t40\tgene_id "G1"; transcript_id "T1"; db_xref "GeneID:1"; '
        'gene "ABC"; transcript_biotype "protein_coding"; tag "MANE Select";',
        'exon\t61\t90\tgene_id "G1"; transcript_id "T1"; gene "ABC";',
        'CDS\t31\t70\tgene_id "G1"; transcript_id "T1";',
    ],
    "UCSC GTF": [
        'transcript\t11\t90\tgene_id "G1"; transcript_id "T1";  gene_name "ABC"; '
        'transcript_type "protein_coding"; tag "RefSeq Select";',
        'exon\t11\t40\tgene_id "G1"; transcript_id "T1"; exon_id "T1.1";',
        'exon\t61\t90\tgene_id "G1"; transcript_id "T1"; gene_name "ABC";',
        '5UTR\t11\t30\tgene_id "G1"; transcript_id "T1"; gene_name "ABC";',
        'CDS\t31\t70\tgene_id "G1"; transcript_id "T1"; gene_name "ABC";',
    ],
    "Ensembl GFF3": [
        "gene\t11\t90\tID=gene:G1;Name=ABC;biotype=protein_coding;gene_id=G1",
        "mRNA\t11\t90\tID=transcript:T1;Parent=gene:G1;Name=ABC-201;"
        "biotype=protein_coding;tag=basic,Ensembl_canonical;transcript_id=T1",
        "five_prime_UTR\t11\t30\tParent=transcript:T1",
        "exon\t11\t40\tParent=transcript:T1;Name=E1;exon_id=E1;rank=1",
        "exon\t61\t90\tParent=transcript:T1;Name=E2;exon_id=E2;rank=2",
        "CDS\t31\t40\tID=CDS:P1;Parent=transcript:T1;protein_id=P1",
        "CDS\t61\t70\tID=CDS:P1;Parent=transcript:T1;protein_id=P1",
    ],
    "GENCODE GFF3": [
        "gene\t11\t90\tID=G1;gene_id=G1;gene_type=protein_coding;gene_name=ABC",
        "transcript\t11\t90\tID=T1;Parent=G1;gene_id=G1;transcript_id=T1;"
        "gene_name=ABC;transcript_type=protein_coding;tag=basic,MANE_Select",
        "exon\t11\t40\tID=exon:T1:1;Parent=T1;gene_id=G1;transcript_id=T1;gene_name=ABC",
        "exon\t61\t90\tID=exon:T1:2;Parent=T1;gene_id=G1;transcript_id=T1;gene_name=ABC",
        "CDS\t31\t70\tID=CDS:T1;Parent=T1;gene_id=G1;transcript_id=T1;gene_name=ABC",
    ],
    "RefSeq GFF3": [
        "gene\t11\t90\tID=gene-G1;Dbxref=GeneID:1;Name=ABC;gene=ABC",
        "exon\t11\t40\tID=exon-T1-1;Parent=rna-T1;gene=ABC;transcript_id=T1",
        "exon\t61\t90\tID=exon-T1-2;Parent=rna-T1;gene=ABC;transcript_id=T1",
        "CDS\t31\t70\tID=cds-P1;Parent=rna-T1;gene=ABC;Note=64%25 of it",
        "mRNA\t11\t90\tID=rna-T1;Parent=gene-G1;gbkey=mRNA;gene=ABC;"
        "transcript_id=T1;tag=RefSeq Select",
    ],
}


def gtf_line(line, chrom="1", strand="-"):
    feature, start, end, attributes = line.split("\t")
    return f"{chrom}\tx\t{feature}\t{start}\t{end}\t.\t{strand}\t.\t{attributes}\n"


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_all_flavours_give_the_same_transcript(flavour, line_end, tmp_path):
    path = tmp_path / "genes"
    lines = "".join(map(gtf_line, FLAVOURS[flavour])).replace("\n", line_end)
    path.write_bytes(("##header" + line_end + lines).encode())
    annotation = read_annotation(path, sizes={"chr1": 100})
    (transcript,) = annotation.values()
    assert transcript.biotype in ("protein_coding", "mRNA")
    assert transcript._replace(biotype="") == Transcript(
        *("T1", "G1", "chr1", "-", ((10, 40), (60, 90))),
        cds=(30, 70),
        is_canonical=True,
    )
    assert annotation.genes == {"G1": ["T1"]}
    assert annotation.gene_names == {"G1": "ABC"}
    assert annotation.renamed == {"1": "chr1"}


def test_bed12_has_coding_transcripts(tmp_path):
    path = tmp_path / "genes.bed"
    path.write_text("1\t10\t90\tT1\t0\t-\t30\t70\t0,0,0\t2\t30,30,\t0,50,\textra\n")
    assert read_annotation(path)["T1"] == Transcript(
        "T1", "T1", "1", "-", ((10, 40), (60, 90)), cds=(30, 70)
    )


def exons(*rows):
    """Lines of GTF: transcript, start, end, and what else is said."""
    return "".join(
        gtf_line(f'exon\t{start}\t{end}\tgene_id "g"; transcript_id "{name}"; {said}')
        for name, start, end, said in rows
    )


@pytest.mark.parametrize(
    ("rows", "canonical"),
    [
        ([("a", 1, 9, ""), ("b", 1, 20, ""), ("c", 30, 49, "")], "b"),
        ([("a", 1, 9, 'tag "basic";'), ("b", 1, 20, "")], "b"),
        ([("a", 1, 9, 'tag "Ensembl_canonical";'), ("b", 1, 20, "")], "a"),
        (
            [
                ("a", 1, 9, 'tag "Ensembl_canonical";'),
                ("b", 1, 5, 'tag "basic"; tag "MANE_Select";'),
            ],
            "b",
        ),
        ([("b", 1, 9, 'tag "MANE Select";'), ("a", 1, 20, 'tag "x";')], "b"),
        (
            [
                ("a", 1, 9, 'tag "appris_principal_1";'),
                ("b", 1, 8, 'tag "appris_principal_1";'),
                ("c", 1, 30, 'tag "appris_alternative_1";'),
            ],
            "a",
        ),
    ],
)
def test_the_canonical_transcript_has_the_best_tag_or_is_the_longest(
    rows, canonical, tmp_path
):
    path = tmp_path / "genes.gtf"
    path.write_text(exons(*rows))
    assert read_annotation(path).canonical("g").name == canonical


def test_an_exon_of_several_parents_is_of_each(tmp_path):
    path = tmp_path / "genes.gff3"
    path.write_text(
        gtf_line("exon\t1\t9\tParent=a,b") + gtf_line("exon\t20\t29\tParent=b")
    )
    annotation = read_annotation(path)
    assert annotation["a"].exons == ((0, 9),)
    assert annotation["b"].exons == ((0, 9), (19, 29))


def test_a_gene_with_coding_parts_alone_has_them_as_exons(tmp_path):
    path = tmp_path / "genes.gff3"
    path.write_text(
        gtf_line("gene\t1\t30\tID=YAL001C")
        + gtf_line("CDS\t1\t9\tParent=YAL001C_mRNA")
        + gtf_line("CDS\t20\t30\tParent=YAL001C_mRNA")
        + gtf_line("mRNA\t1\t30\tID=YAL001C_mRNA;Parent=YAL001C")
    )
    transcript = read_annotation(path)["YAL001C_mRNA"]
    assert (transcript.exons, transcript.cds) == (((0, 9), (19, 30)), (0, 30))
    assert transcript.gene == "YAL001C"


def test_a_transcript_at_two_places_is_there_twice(tmp_path):
    path = tmp_path / "genes.gtf"
    said = 'exon\t1\t9\tgene_id "g"; transcript_id "NM_1";'
    path.write_text(gtf_line(said, "chrX", "+") + gtf_line(said, "chrY", "+"))
    annotation = read_annotation(path)
    assert [one.chrom for one in annotation.values()] == ["chrX", "chrY"]
    assert [*annotation] == ["NM_1", "NM_1@chrY:0"]
    assert annotation.find("NM_1", 9) == (
        "on more than one chromosome or strand in the annotation"
    )


def test_transcripts_that_cannot_be_used_are_listed(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    annotation = read_annotation(path, sizes={"chr1": 319, "chr2": 100})
    assert annotation.skipped == {
        "tx1": "past the end of the chromosome",
        "unstranded": "strand '.'",
        "folded": "exons overlap",
    }
    assert "tx2" in annotation


def test_a_gene_without_an_identifier_is_named_after_its_transcript(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(gtf_line('exon\t1\t9\ttranscript_id "tx";'))
    assert read_annotation(path)["tx"].gene == "tx"
