"""Reading sites from FASTA and tables."""

import bz2
import gzip
import io
import lzma
import os
import sys

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite
from tests.support.sites_files import (
    FASTA,
    LABELLED_FASTA,
    SITES,
    packed,
    read,
    write,
    zstandard_of,
)

# === Formats ===


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (LABELLED_FASTA, "labelled FASTA"),
        ("\n# by hand\n" + LABELLED_FASTA, "labelled FASTA"),
        (FASTA, "FASTA"),
        ("sequence\tlabel\nACGU\t1\n", "table (tab)"),
        ("sequence,label\nACGU,1\n", "table (comma)"),
        ("label\tnote, long\tsequence\n1\t\tACGU\n", "table (tab)"),
        ("sequence\nACGU\n", "table (comma)"),
    ],
)
@pytest.mark.parametrize("name", ["a.fa", "b.csv", "c.gz"])
def test_the_content_tells_the_format_not_the_name(tmp_path, content, expected, name):
    path = write(tmp_path, content, name)
    assert SitesFile(path, k=3, labelled=False).format == expected


@pytest.mark.parametrize(
    "content",
    [
        LABELLED_FASTA,
        LABELLED_FASTA.replace("\n", "\r\n"),
        LABELLED_FASTA.replace("\n", "\r"),
        "\ufeff" + LABELLED_FASTA,
        LABELLED_FASTA.replace("; class:", ";CLASS : "),
        LABELLED_FASTA.lower(),
        LABELLED_FASTA.rstrip("\n"),
        packed(LABELLED_FASTA),
        packed(LABELLED_FASTA[:30]) + packed(LABELLED_FASTA[30:]),
    ],
)
def test_a_labelled_fasta_reads_the_same_in_any_guise(tmp_path, content):
    assert read(write(tmp_path, content)) == SITES


TABLE = 'name,sequence,label\n"chr1,+,10,20",ACGTACG,1\n"chr1,-,30,40",GGGTTT,0\n'


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        "\ufeff" + TABLE,
        "\n" + TABLE + "\n \n",
        TABLE.replace("name,sequence,label", " Name,SEQUENCE ,Label"),
        TABLE.replace(",1\n", ", 1.0\n").replace(",0\n", ",0.0 \n"),
        TABLE.replace("1\n", "1,,\n"),
        packed(TABLE),
        "label\tid\tsequence\tname\n1\tx\tACGUACG\tchr1,+,10,20\n"
        "0\ty\tGGGUUU\tchr1,-,30,40\n",
    ],
)
def test_a_table_reads_the_same_in_any_guise(tmp_path, content):
    assert read(write(tmp_path, content)) == SITES


def test_a_table_may_give_structures(tmp_path):
    path = write(
        tmp_path,
        "sequence\tlabel\tstructure\nGGAAACC\t1\t((...))\nGGAAACC\t0\t\n",
    )
    assert [site.dot_bracket for site in read(path)] == ["((...))", None]


def test_letter_case_marks_the_viewpoint(tmp_path):
    sites = read(write(tmp_path, FASTA), label=1)
    assert [site.viewpoint for site in sites] == [(4, 9), None]


def test_a_long_rna_fits_into_a_cell(tmp_path):
    path = write(tmp_path, "sequence,label\n" + "ACGU" * 50_000 + ",1\n")
    assert len(read(path)[0].sequence) == 200_000


def test_a_table_with_a_header_only_has_no_sites(tmp_path):
    assert read(write(tmp_path, "sequence,label\n")) == []


# === Names ===


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("sites.tsv.gz", "sites:1"),
        ("A--B_+,1.train.fa.gz", "A--B_+,1.train:1"),
        ("sites.CSV", "sites:1"),
        ("sites.tsv.txt", "sites:1"),
        ("sites", "sites:1"),
        (".fa", ".fa:1"),
        ("fa.gz.sites", "fa.gz.sites:1"),
        ("two\nlines.fa", "two lines:1"),
    ],
)
def test_a_site_without_a_name_is_named_after_file_and_row(tmp_path, file_name, name):
    path = write(tmp_path, "sequence,label\nACGU,1\n", file_name)
    assert read(path)[0].name == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("> chr1,+,10,20; class:0", "chr1,+,10,20"),
        (">x;chr7,5,9,+ ;class: 0", "x;chr7,5,9,+"),
        (">x\ty; class:0", "x y"),
        (">Ü; class:0", "Ü"),
        (">; class:0", "sites:1"),
        (">class:0", "sites:1"),
    ],
)
def test_the_name_is_the_header_before_the_class(tmp_path, header, name):
    path = write(tmp_path, f"{header}\nACGU\n")
    assert read(path) == [Site(name, "ACGU", 0)]


def test_a_header_without_a_class_is_the_name(tmp_path):
    names = [site.name for site in read(write(tmp_path, FASTA), label=0)]
    assert names == ["id_1;chr7,5,9,+", "id_2;chr7,5,9,-"]


def test_a_name_in_a_table_stays_one_line(tmp_path):
    path = write(tmp_path, 'name,sequence,label\n"a\nb\tc",ACGU,1\n')
    assert read(path)[0].name == "a b c"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("AluSx;class:SINE;chr1:100-160(+)", "AluSx;class:SINE;chr1:100-160(+)"),
        ("b;class:1;chr1:100-160(+)", "b;class:1;chr1:100-160(+)"),
        ("c; class:2", "c; class:2"),
        ("d; class:1 ", "d"),
    ],
)
def test_where_labels_are_not_read_another_class_is_part_of_the_name(
    tmp_path, header, name
):
    path = write(tmp_path, f">{header}\nACGU\n")
    for options in ({"labelled": False}, {"label": 0}):
        assert [site.name for site in read(path, **options)] == [name]


def test_a_table_header_may_begin_with_a_hash(tmp_path):
    path = write(tmp_path, "#name\tsequence\tlabel\nx\tACGU\t1\n")
    assert read(path) == [Site("x", "ACGU", 1)]
    path = write(tmp_path, "#sequence\tlabel\nACGU\t1\n")
    assert [site.sequence for site in read(path)] == ["ACGU"]


# === Labels ===


def test_a_given_label_is_that_of_every_site(tmp_path):
    path = write(tmp_path, FASTA)
    assert [site.label for site in read(path, label=0)] == [0, 0]
    assert [site.label for site in read(path, label=1)] == [1, 1]


@pytest.mark.parametrize(
    "content", [FASTA, LABELLED_FASTA, "sequence,label\nACGU,1\nACGU,x\n"]
)
def test_labels_are_ignored_where_none_are_wanted(tmp_path, content):
    sites = read(write(tmp_path, content), labelled=False)
    assert [site.label for site in sites] == [None, None]


@pytest.mark.parametrize(
    ("label", "reason", "detail"),
    [
        ("", "no label", ""),
        ("2", "label is not 0 or 1", "2"),
        ("-2", "label is not 0 or 1", "-2"),
        ("0.5", "label is not 0 or 1", "0.5"),
        ("yes", "label is not 0 or 1", "yes"),
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        "name,sequence,label\na,ACGU,1\nb,ACGU,{}\n",
        ">a; class:1\nACGU\n>b; class:{}\nACGU\n",
    ],
)
def test_a_site_without_a_proper_label_is_skipped(
    tmp_path, form, label, reason, detail
):
    path = write(tmp_path, form.format(label))
    assert read(path)[1] == SkippedSite("b", 2, reason, detail)


def test_a_later_header_without_a_class_is_skipped(tmp_path):
    path = write(tmp_path, LABELLED_FASTA + ">b\nACGU\n>c; class:1\nACGU\n")
    assert read(path)[2:] == [SkippedSite("b", 3, "no label", ""), Site("c", "ACGU", 1)]


# === Skipped sites ===


def test_skipped_sites_keep_their_place_and_row(tmp_path):
    path = write(tmp_path, ">a\nACGU\n>b\n>c\nNNN\n>d\nACGU\n")
    assert read(path, label=1) == [
        Site("a", "ACGU", 1),
        SkippedSite("b", 2, "empty sequence", ""),
        SkippedSite("c", 3, "nothing but N", "3 letters"),
        Site("d", "ACGU", 1),
    ]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("b", "missing cells", "1 cells for 3 columns"),
        ("b,ACGU", "missing cells", "2 cells for 3 columns"),
        ("b,+,10,20,ACGU,1", "more cells than columns", "6 cells for 3 columns"),
    ],
)
def test_a_row_with_other_cells_than_columns_is_skipped(tmp_path, row, reason, detail):
    path = write(tmp_path, f"name,sequence,label\na,ACGU,1\n{row}\nc,ACGU,0\n")
    assert read(path) == [
        Site("a", "ACGU", 1),
        SkippedSite("b", 2, reason, detail),
        Site("c", "ACGU", 0),
    ]


# === Streams ===


def test_a_file_can_be_read_again(tmp_path):
    sites_file = SitesFile(write(tmp_path, LABELLED_FASTA), k=3)
    assert list(sites_file) == list(sites_file) == SITES


def test_a_file_that_is_read_in_part_can_be_read_again(tmp_path):
    sites_file = SitesFile(write(tmp_path, LABELLED_FASTA), k=3)
    assert next(iter(sites_file)) == SITES[0]
    assert list(sites_file) == SITES


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_standard_input_is_read_once(monkeypatch, compress):
    content = compress(b"sequence,label\nACGU,1\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    sites_file = SitesFile("-", k=3)
    assert list(sites_file) == [Site("stdin:1", "ACGU", 1)]
    with pytest.raises(UserError, match=r"^Standard input can be read only once; save"):
        list(sites_file)


@pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs named pipes")
def test_a_pipe_is_read_once():
    read_end, write_end = os.pipe()
    os.write(write_end, LABELLED_FASTA.encode())
    os.close(write_end)
    sites_file = SitesFile(f"/dev/fd/{read_end}", k=3)
    assert list(sites_file) == SITES
    with pytest.raises(UserError, match=r"^/dev/fd/\d+ can be read only once"):
        list(sites_file)
    os.close(read_end)


# === Other forms ===


@pytest.mark.parametrize(
    "compress",
    [
        bz2.compress,
        lzma.compress,
        lambda data: gzip.compress(gzip.compress(data)),
        zstandard_of,
        lambda data: zstandard_of(data[:20]) + zstandard_of(data[20:]),
    ],
    ids=["bzip2", "xz", "gzip twice", "Zstandard", "Zstandard of two frames"],
)
def test_other_compressions_are_read(tmp_path, compress):
    content = compress(LABELLED_FASTA.encode())
    assert read(write(tmp_path, content)) == read(write(tmp_path, LABELLED_FASTA))


@pytest.mark.parametrize(
    "table",
    [
        "name;sequence;label\na;ACGU;1\n",
        "# exported 2024-01-01\n# twice\n\nname\tsequence\tlabel\na\tACGU\t1\n",
        "# by hand\n#name,sequence,label\na,ACGU,1\n",
    ],
)
def test_other_tables_are_read(tmp_path, table):
    assert read(write(tmp_path, table)) == [Site("a", "ACGU", 1)]


@pytest.mark.parametrize(
    ("bound", "background"),
    [
        *(("1.00", "0.0"), ("+1", "-1"), ("Positive", "negative")),
        *(("bound", "background"), ("TRUE", "False")),
    ],
)
def test_labels_may_be_numbers_or_words(tmp_path, bound, background):
    table = f"sequence,label\nACGU,{bound}\nGGGG,{background}\n"
    assert [site.label for site in read(write(tmp_path, table))] == [1, 0]


def test_the_structure_in_a_file_of_viennarna_is_taken(tmp_path):
    text = ">a\nGGGGAAAACCCC\n((((....)))) ( -5.40)\n>b\nAC\nGU\n....\n"
    sites = list(SitesFile(write(tmp_path, text), k=3, labelled=False))
    assert [site.dot_bracket for site in sites] == ["((((....))))", "...."]


def test_a_header_that_is_not_utf_8_is_latin_1(tmp_path):
    content = ">caf\xe9\nACGU\n>\xfcmlaut\nA C G U\n".encode("latin-1")
    sites = SitesFile(write(tmp_path, content), k=3, labelled=False)
    assert [site.name for site in sites] == ["caf\xe9", "\xfcmlaut"]


def test_a_long_head_of_comments_takes_linear_time(tmp_path):
    content = ("#" * 79 + "\n") * 131_072 + ">a; class:1\nACGU\n"
    assert read(write(tmp_path, content)) == [Site("a", "ACGU", 1)]
