import gzip

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.variants_reading import VariantsFile

VCF = """\
##fileformat=VCFv4.2
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
1\t10\trs1\tA\tC,G\t.\tPASS\tAF=0.1
1\tten\t.\tA\tC\t.\t.\t.
chr2\t7\t.\tCAG\tC\t.\t.\t.
1 12 . A C
1\t20\t.\tA\t.
"""


def read(tmp_path, text, **options):
    path = tmp_path / "variants"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(VariantsFile(path, **options))


@pytest.mark.parametrize(
    "encode",
    [str.encode, lambda text: gzip.compress(text.encode())],
    ids=["plain", "gzip"],
)
def test_a_vcf_is_read_line_by_line_and_bad_lines_keep_their_place(tmp_path, encode):
    first, bad, deletion, spaces, no_alt = read(tmp_path, encode(VCF))
    assert (first.chrom, first.position, first.name) == ("1", 10, "rs1")
    assert (first.ref, first.alts, first.cells[7]) == ("A", ("C", "G"), "AF=0.1")
    assert (deletion.chrom, deletion.name, deletion.ref) == ("chr2", "", "CAG")
    assert bad.reason == spaces.reason == "line is not a variant"
    assert bad.detail.startswith("line 4: '1\\tten")
    assert no_alt.alts == ()


def test_line_ends_of_windows_and_other_encodings_are_read(tmp_path):
    text = VCF.replace("\n", "\r\n").encode().replace(b"AF=0.1", b"N=\xe9")
    first, *_ = read(tmp_path, text)
    assert first.cells[7].encode("utf-8", "surrogateescape") == b"N=\xe9"


@pytest.mark.parametrize(
    "head",
    ["chrom\tpos\talt\tname", "#chrom\tposition\tALT\trs", "Chr,Pos,Alt,ID"],
)
def test_a_table_names_its_columns(tmp_path, head):
    row = "1\t1,010\tC\trs1".replace("\t", "\t" if "\t" in head else ",")
    row = row.replace("1,010", "1010") if "," in head else row
    (record,) = read(tmp_path, f"# by hand\n{head}\n{row}\n")
    assert (record.chrom, record.position, record.name) == ("1", 1010, "rs1")
    assert (record.ref, record.alts) == (None, ("C",))


def test_a_table_of_names_and_positions_means_every_other_letter(tmp_path):
    (record,) = read(tmp_path, "rs chrom pos\nrs7 chr1 5\n")
    assert (record.name, record.ref, record.alts) == ("rs7", None, None)


def test_mutations_of_rnas_name_the_rna(tmp_path):
    text = "name\tposition\tref\talt\nrna1\t3\tu\tG\n"
    (record,) = read(tmp_path, text, in_rnas=True)
    assert (record.chrom, record.position, record.ref) == ("rna1", 3, "u")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\t5\t.\tA\tC\n", "neither VCF nor a table of variants"),
        ("", "neither VCF nor a table of variants"),
        ("chrom\talt\n1\tA\n", "names no column pos; it is 'chrom"),
        (b"BCF\x02\x02", "is BCF; convert it"),
        (gzip.compress(VCF.encode(), mtime=0)[:-20], "cut off or damaged"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="There is no file of variants"):
        VariantsFile(tmp_path / "none.vcf")
