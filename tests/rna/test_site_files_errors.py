"""Sites files that cannot be read: one line says what is wrong, and where."""

import gzip

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna import fasta
from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.system import streams
from tests.support.sites_files import (
    FASTA,
    LABELLED_FASTA,
    read,
    write,
    zstandard_of,
)


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


def test_zstandard_that_is_cut_off_is_refused(tmp_path):
    content = zstandard_of(
        b"".join(b">s%d; class:1\nACGU\n" % i for i in range(50_000))
    )
    said = error_of(write(tmp_path, content[:-40]))
    assert "the compressed data are cut off or damaged" in said


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
