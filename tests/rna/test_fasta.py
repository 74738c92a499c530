import gzip

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna.fasta import Rna, read_rnas


def write(tmp_path, text, name="rnas.fa"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_an_rna_keeps_every_letter_of_its_record(tmp_path):
    path = write(tmp_path, ">tx1 a transcript\nnnACGT\nRYacgu\nNNN\n")
    assert list(read_rnas(path, k=3)) == [Rna("tx1", 1, "NNACGUNNACGUNNN")]


def test_gzip_reads_as_plain(tmp_path):
    path = write(tmp_path, ">a\nACGU\n>b\nNACG\n")
    packed = tmp_path / "rnas.fa.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_rnas(packed, k=3)) == list(read_rnas(path, k=3))


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        ("", "empty sequence"),
        ("AC", "shorter than k"),
        ("NNNN", "nothing but N"),
        ("ACNGU", "no k-mer without N"),
        ("ACGUZ", "letters that are not nucleotides"),
    ],
)
def test_what_cannot_be_scanned_is_skipped_with_a_reason(tmp_path, sequence, reason):
    path = write(tmp_path, f">tx\n{sequence}\n>next\nACGU\n")
    skipped, after = read_rnas(path, k=3)
    assert (skipped.name, skipped.row, skipped.reason) == ("tx", 1, reason)
    assert after == Rna("next", 2, "ACGU")


def test_a_name_names_one_rna(tmp_path):
    path = write(tmp_path, ">a one\nACGU\n>b\nACGU\n>a two\nGGGG\n")
    _first, _second, third = read_rnas(path, k=3)
    assert (third.reason, third.detail) == ("name of an earlier record", "record 1")


def test_an_rna_without_a_name_is_named_after_its_file(tmp_path):
    path = write(tmp_path, "> \nACGU\n")
    assert next(iter(read_rnas(path, k=3))).name == "rnas.fa:1"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no FASTA record"),
        (b"name\tsequence\na\tACGU\n", "Expected '>'"),
        (
            gzip.compress(b">a\nACGU\n" * 900, mtime=0)[:-8],
            "cannot be read from line 1801 on",
        ),
        (b">a\nAC\xff\xfe\n", "from line 2 on.*this is not UTF-8 text"),
    ],
)
def test_what_is_no_fasta_is_refused(tmp_path, content, message):
    path = tmp_path / "rnas.fa"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(read_rnas(path, k=3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read .*none.fa: No such file"):
        list(read_rnas(tmp_path / "none.fa", k=3))
