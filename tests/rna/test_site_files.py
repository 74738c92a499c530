"""Sites files: formats recognized, sites in order, errors in one line."""

import bz2
import gzip
import io
import lzma
import os
import sys

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna import fasta
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.system import streams

LABELLED_FASTA = """\
> chr1,+,10,20; class:1
ACGT
ACG
> chr1,-,30,40; class:0
GGGTTT
"""
SITES = [Site("chr1,+,10,20", "ACGUACG", 1), Site("chr1,-,30,40", "GGGUUU", 0)]
FASTA = ">id_1;chr7,5,9,+\nacgtTTACGacg\n>id_2;chr7,5,9,-\nACGUA\n"


def write(tmp_path, content, name="sites.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def packed(text):
    """Gzip without its date: a test is named after its data."""
    return gzip.compress(text.encode(), mtime=0)


def read(path, **options):
    return list(SitesFile(path, k=3, **options))


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


# === Errors ===


def error_of(path, **options):
    with pytest.raises(UserError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith((str(path), f"Cannot read {path}"))
    return message


def test_a_missing_file_is_an_error(tmp_path):
    assert "No such file" in error_of(tmp_path / "absent.fa")


def test_a_folder_is_an_error(tmp_path):
    assert error_of(tmp_path).startswith(f"Cannot read {tmp_path}: ")


def test_a_file_that_vanishes_is_an_error(tmp_path):
    path = write(tmp_path, LABELLED_FASTA)
    sites_file = SitesFile(path, k=3)
    path.unlink()
    with pytest.raises(UserError, match=r"^Cannot read .*sites\.txt: No such file"):
        list(sites_file)


@pytest.mark.parametrize("content", [b"", b"\n \n", gzip.compress(b"", mtime=0)])
@pytest.mark.parametrize("options", [{}, {"label": 1}, {"labelled": False}])
def test_an_empty_file_is_an_error(tmp_path, content, options):
    assert "is empty; expected FASTA or" in error_of(
        write(tmp_path, content), **options
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (FASTA, "found the FASTA header '>id_1;chr7,5,9,+', but labels are needed"),
        (
            "Sequence,score\nACGU,1\n",
            "found a table with the columns 'Sequence', 'score'",
        ),
    ],
)
def test_missing_labels_are_an_error_that_names_the_ways_to_give_them(
    tmp_path, content, found
):
    message = error_of(write(tmp_path, content))
    assert found in message
    assert "('>name; class:1')" in message
    assert "'sequence' and 'label'" in message
    assert "positives and negatives" in message


def test_bed_is_told_from_a_table(tmp_path):
    message = error_of(write(tmp_path, "chr1\t100\t201\t.\t0\t+\n"))
    assert "line 1: this looks like BED" in message
    assert "deeprke extract --peaks" in message


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("seq\tlabel\nACGU\t1\n", "found the columns 'seq', 'label'."),
        ("ACGU\nACGU\n", "found 'ACGU'."),
        ("ACGU" * 100_000, "found 'ACGUACGU"),
    ],
)
def test_what_is_neither_fasta_nor_table_is_an_error(tmp_path, content, found):
    message = error_of(write(tmp_path, content))
    assert "line 1: expected a FASTA header ('>name') or a table header" in message
    assert "tabs, commas or semicolons between columns" in message
    assert found in message
    assert len(message) < 300 + len(str(tmp_path))


def test_an_error_names_the_line_that_tells_the_format(tmp_path):
    path = write(tmp_path, "\n# by hand\n>a\nACGU\n")
    assert f"{path}, line 3: found the FASTA header '>a'" in error_of(path)
    path = write(tmp_path, "\n\nsequence,score\nACGU,1\n")
    assert f"{path}, line 3: found a table" in error_of(path)


def test_a_column_that_occurs_twice_is_an_error(tmp_path):
    path = write(tmp_path, "sequence,label,Label\nACGU,1,0\n")
    assert "the column 'label' occurs more than once in" in error_of(path)


def cut_gzip(n_records):
    # Random enough that several blocks are needed.
    records = (f">{i**5}; class:1\nACGU\n" for i in range(n_records))
    whole = gzip.compress("".join(records).encode())
    return whole[: len(whole) * 3 // 4]


def test_a_gzip_file_that_is_cut_off_is_an_error_that_names_the_line(tmp_path):
    path = write(tmp_path, cut_gzip(20_000))
    lines = []
    with gzip.open(path) as file, pytest.raises(EOFError):
        lines.extend(file)
    assert 20_000 < len(lines) < 40_000
    sites = []
    with pytest.raises(UserError) as caught:
        sites.extend(SitesFile(path, k=3))
    # A record is known to be whole when a header begins behind it.
    assert len(sites) in ((len(lines) - 1) // 2, len(lines) // 2)
    place = f"{path} cannot be read from line {len(lines) + 1} on"
    assert f"{place}: the compressed data are cut off or damaged" in str(caught.value)


def test_a_gzip_file_that_is_damaged_is_an_error(tmp_path):
    whole = gzip.compress(LABELLED_FASTA.encode())
    wrong_checksum = whole[:-8] + b"\0" * 4 + whole[-4:]
    wrong_block = whole[:12] + b"\0" * 28 + whole[40:]
    for content in wrong_checksum, wrong_block, whole[:6]:
        message = error_of(write(tmp_path, content))
        assert "the compressed data are cut off or damaged" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"@read_1\nACGU\n+\nIIII\n", "this looks like FASTQ"),
        (b'track name="x"\nchr1\t10\t90\n', "this looks like BED"),
        (b"chr1\t1.85e+08\t185000090\tp\t5\t+\n", "this looks like BED"),
        (">a\nACGU\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"PK\x03\x04" + bytes(30), "is a zip archive; unpack it"),
        (b"\xfd7zXZ\x00\x00\n", "the compressed data are cut off or damaged"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 30, "compressed"),
    ],
)
def test_a_format_that_is_not_read_is_named(tmp_path, content, words):
    assert words in error_of(write(tmp_path, content))


def zstandard_of(data):
    return pytest.importorskip("zstandard").compress(data)


def test_zstandard_that_is_cut_off_is_refused(tmp_path):
    content = zstandard_of(
        b"".join(b">s%d; class:1\nACGU\n" % i for i in range(50_000))
    )
    said = error_of(write(tmp_path, content[:-40]))
    assert "the compressed data are cut off or damaged" in said


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


def test_comments_without_an_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "LONGEST_HEAD", 1000)
    error = error_of(write(tmp_path, "# no end\n" * 200))
    assert "only comments and blank lines" in error


def test_a_record_without_an_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(fasta, "LONGEST_RECORD", 1000)
    content = ">a; class:1\nACGU\n>b; class:0\n" + "A" * 2000
    error = error_of(write(tmp_path, content))
    assert "from line 4 on: a record has more than 1,000 letters" in error


@pytest.mark.parametrize(
    "content",
    [
        "sequence,label\nACGU,1\nACGU,\xff\n".encode("latin-1"),
        "> a; class:1\nACGU\xff\n".encode("latin-1"),
    ],
)
def test_bytes_that_are_no_text_are_an_error(tmp_path, content):
    assert "this is not UTF-8 text" in error_of(write(tmp_path, content))


@pytest.mark.parametrize("n_before", [0, 1, 5_000])
@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
def test_bytes_that_are_no_text_are_an_error_with_their_line(tmp_path, n_before, wrap):
    fasta = b"> a; class:1\nACGU\n" * (n_before + 1) + b"> b; class:1\nACGU\xff\n" * 9
    table = b"sequence,label\n" + b"ACGU,1\n" * n_before + b"ACGU,\xff\n" * 9
    for content, line in (fasta, 2 * n_before + 4), (table, n_before + 2):
        message = error_of(write(tmp_path, wrap(content)))
        assert f"cannot be read from line {line} on: this is not UTF-8" in message


def test_a_lost_quote_mark_is_an_error_with_the_line_where_its_row_begins(tmp_path):
    rows = 'name,sequence,label\na,ACGU,1\n\n"b,ACGU,1\nc,ACGU,1\n'
    path = write(tmp_path, rows)
    assert "line 4: the row that begins here cannot be read: unex" in error_of(path)


def test_two_lost_quote_marks_do_not_swallow_the_rows_between(tmp_path):
    rows = 'name\tsequence\tlabel\n"a\tACGU\t1\nb\tACGU\t1\nc"\tACGU\t1\n'
    path = write(tmp_path, rows)
    error = error_of(path)
    assert "line 2: the row that begins here cannot be read: a cell goes on" in error
