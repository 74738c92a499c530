import gzip

import pytest

from deeprke_tf.benchmarking import edge_masking
from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import Site, clean_site

SITE = clean_site("s", 1, "acguacguACGUACGUACgacguacg", k=3)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("3prime-edge", "ACGUACGUACGUACNNNNNNNGUACG"),
        ("both-edges", "ACGUNNNNNNNUACNNNNNNNGUACG"),
    ],
)
def test_an_edge_and_three_neighbors_on_each_side_are_masked(mask, expected):
    # The last base of the site is at 17, the one before its first at 7.
    assert edge_masking.masked(SITE, mask) == expected


def test_masking_ends_with_the_sequence():
    site = clean_site("s", 1, "aCGUACGUa", k=3)
    assert edge_masking.masked(site, "3prime-edge") == "ACGUNNNNN"
    assert edge_masking.masked(site, "both-edges") == "NNNNNNNNN"


def test_a_site_that_is_not_marked_is_refused():
    with pytest.raises(UserError, match="'s' is not marked by letter case"):
        edge_masking.masked(Site("s", "ACGU"), "3prime-edge")


def test_a_file_is_masked_site_by_site(tmp_path):
    source = tmp_path / "sites.fa"
    source.write_text(">a;chr1\nacguacguACGUACGUACgacguacg\n>b\nnnnn\n>c\nACGU\n")
    edge_masking.write_masked(source, 1, "3prime-edge", tmp_path / "new" / "out.fa.gz")
    with gzip.open(tmp_path / "new" / "out.fa.gz", "rt") as file:
        assert file.read() == ">a;chr1\nACGUACGUACGUACNNNNNNNGUACG\n"
    again = tmp_path / "again.fa.gz"
    edge_masking.write_masked(source, 1, "3prime-edge", again)
    assert again.read_bytes() == (tmp_path / "new" / "out.fa.gz").read_bytes()


def test_a_file_that_marks_no_site_is_refused(tmp_path):
    (tmp_path / "sites.fa").write_text(">a\nACGU\n")
    with pytest.raises(UserError, match="marks no site by letter case"):
        edge_masking.write_masked(
            tmp_path / "sites.fa", 1, "both-edges", tmp_path / "out.fa.gz"
        )
    assert [path.name for path in tmp_path.iterdir()] == ["sites.fa"]
