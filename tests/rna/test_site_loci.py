"""Coordinates, genes and splits in the files of sites."""

import pytest

from deeprke_tf.rna.site_files import SitesFile
from deeprke_tf.rna.sites import Reason


def write(tmp_path, content):
    path = tmp_path / "sites.txt"
    path.write_text(content)
    return path


def places(path, **options):
    return [str(site.locus or "") for site in SitesFile(path, k=3, **options)]


COORDINATES = "name\tchrom\tstart\tend\tstrand\tlabel\tblocks\tgene\tsequence\n"


def test_a_table_with_coordinates_says_where_its_sites_lie(tmp_path):
    rows = (
        "a\tchr1\t100\t106\t+\t1\t\tQKI\tACGUAC\n"
        "b\tchr1\t100\t306\t-\t0\t100-103,303-306\t\tACGUAC\n"
        "c\t\t\t\t\t0\t\t\tACGUAC\n"
    )
    path = write(tmp_path, COORDINATES + rows)
    assert places(path) == ["chr1:100-106(+)", "chr1:100-103,303-306(-)", ""]
    assert [site.gene for site in SitesFile(path, k=3)] == ["QKI", "", ""]


@pytest.mark.parametrize(
    ("strand", "expected"), [("+", "chr1:102-106(+)"), ("-", "chr1:101-105(-)")]
)
def test_n_padding_is_cut_off_the_coordinates_too(tmp_path, strand, expected):
    row = f"a\tchr1\t100\t107\t{strand}\t1\t\t\tnnACGUN\n"
    assert places(write(tmp_path, COORDINATES + row)) == [expected]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ("chr1\t100\t105\t+\t1\t", "6 letters, but 5 in chr1:100-105(+)"),
        ("chr1\t100\t106\t.\t1\t", "expected 'chr1:100-201(+)'"),
        ("chr1\tx\t106\t+\t1\t", "expected 'chr1:100-201(+)'"),
        ("\t100\t106\t+\t1\t", "expected 'chr1:100-201(+)'"),
        ("chr1\t106\t100\t+\t1\t", "ascending"),
        ("chr1\t100\t306\t+\t1\t100-103,302-305", "blocks from 100 to 305, not"),
    ],
)
def test_a_site_whose_coordinates_do_not_fit_goes_on_without(
    tmp_path, cells, why, caplog
):
    path = write(tmp_path, COORDINATES + f"a\t{cells}\t\tACGUAC\n" * 2)
    file = SitesFile(path, k=3)
    assert [(site.sequence, site.locus) for site in file] == [("ACGUAC", None)] * 2
    assert file.coordinates.n_dropped == 2
    (warning,) = caplog.messages
    assert "the coordinates of 2 sites do not fit and are left out; site 1: " in warning
    assert why in warning


def test_a_table_that_lacks_a_strand_has_no_coordinates_and_says_so(tmp_path, caplog):
    path = write(tmp_path, "chrom\tstart\tend\tsequence\nchr1\t0\t4\tACGU\n")
    assert places(path, labelled=False) == [""]
    assert "has a column 'chrom', but not 'strand'" in caplog.text


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("chr1:100-104(+)", "chr1:100-104(+)"),
        ("peak 7::chr1:100-104(-)", "chr1:100-104(-)"),
        ("peak::chr1:100-104(-); class:1", "chr1:100-104(-)"),
        ("a::chr1:100-102,202-204(-)", "chr1:100-102,202-204(-)"),
        ("chr1:100-104", ""),
        ("chr1:100-104(.)", ""),
        ("QKI(+)", ""),
        ("chr1:100-105(+)", ""),
    ],
)
def test_names_of_bedtools_say_where_sites_lie(tmp_path, header, expected):
    path = write(tmp_path, f">{header}\nACGU\n")
    assert places(path, labelled=False) == [expected]
    (site,) = SitesFile(path, k=3, labelled=False)
    assert site.name == header.removesuffix("; class:1")


def test_a_column_says_the_split_of_each_site(tmp_path):
    words = ["train", "Validation", "test", "", "dev"]
    rows = "".join(f"ACGU,1,{word}\n" for word in words)
    path = write(tmp_path, "sequence,label,split\n" + rows)
    *sites, skipped = SitesFile(path, k=3)
    assert [site.split for site in sites] == ["train", "validation", "test", ""]
    assert (skipped.row, skipped.reason) == (5, Reason.WRONG_SPLIT)
    assert skipped.detail == "dev"
    assert [site.split for site in SitesFile(path, k=3, labelled=False)] == [""] * 5
