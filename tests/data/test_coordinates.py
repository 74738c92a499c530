"""Coordinates, genes and a column `split`, from tables of sites to records."""

import random

import pytest
import tensorflow as tf

from deeprke_tf.data import batches, records, stored_sites
from deeprke_tf.data.preprocessing import preprocess
from deeprke_tf.errors import UserError

COLUMNS = "name chrom start end strand label split blocks gene sequence"


def row(i, split):
    letters = "".join(random.Random(i).choices("ACGU", k=20))
    place = ("chr1", i * 100, i * 100 + 20, "+-"[i % 2]) if i % 5 else ("",) * 4
    gene = f"gene{i // 4}" if i % 3 else ""
    return (f"site{i}", *place, i // 4 % 2, split, "", gene, letters)


def write_table(path, rows, columns=COLUMNS):
    lines = ["\t".join(map(str, cells)) for cells in [columns.split(), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def preprocessed(sites, out, **settings):
    return preprocess(sites, out=out, structure=False, **settings)


@pytest.fixture(scope="module")
def rows():
    return [row(i, ("train", "validation", "test")[i % 4 % 3]) for i in range(48)]


@pytest.fixture(scope="module")
def data(rows, tmp_path_factory):
    directory = tmp_path_factory.mktemp("coordinates")
    return preprocessed(write_table(directory / "t.tsv", rows), directory / "out")


def test_coordinates_and_genes_come_back_from_the_records(data, rows):
    found = {}
    for split in data.splits:
        sites = stored_sites.sites_of_split(data, split)
        texts = zip(sites["label"], sites["locus"], sites["gene"], strict=True)
        found |= dict(zip(sites["name"], texts, strict=True))
    assert found == {
        name: (label, f"{chrom}:{start}-{end}({strand})" if chrom else "", gene)
        for name, chrom, start, end, strand, label, _split, _, gene, _ in rows
    }


def test_described_batches_hold_them_beside_their_sites(data):
    described = list(
        batches.read_split(data, "train", ("sequence_kmers",), 5, described=True)
    )
    of_split = stored_sites.sites_of_split(data, "train")
    for column in ("name", "locus", "gene"):
        values = [
            v for *_, texts in described for v in stored_sites.as_texts(texts[column])
        ]
        assert sorted(values) == sorted(of_split[column])


def test_the_column_decides_the_split_of_each_site(data, rows):
    for split in records.SPLITS:
        expected = {cells[0] for cells in rows if cells[6] == split}
        assert set(stored_sites.sites_of_split(data, split)["name"]) == expected
    (given,) = data.contents["inputs"]
    assert given["n_split_by_column"] == len(rows)
    assert "column `split`" in data.contents["validation_rule"]
    assert data.contents["validation_fraction"] is None


def test_equal_sequences_are_counted_in_the_splits_of_the_column(tmp_path, rows):
    copies = [(*rows[0][:6], "train", "", "", rows[2][-1])]  # of a test site
    data = preprocessed(write_table(tmp_path / "t.tsv", rows + copies), tmp_path / "o")
    counts = data.contents["duplicates"]
    assert counts["sequences_in_train_and_test"] == 1
    assert counts["train_sites_with_duplicate_names"] == 1
    assert counts["test_sites_with_duplicate_names"] == 0


def test_an_empty_column_leaves_the_split_to_the_hash(tmp_path, rows):
    empty = [(*cells[:6], "", *cells[7:]) for cells in rows]
    without = [(*cells[:6], *cells[7:]) for cells in rows]
    columns = COLUMNS.replace(" split", "")
    one = preprocessed(write_table(tmp_path / "t.tsv", empty), tmp_path / "one", seed=3)
    path = write_table(tmp_path / "t.tsv", without, columns)
    other = preprocessed(path, tmp_path / "other", seed=3)
    assert one.splits == other.splits
    assert one.contents["validation_rule"] == other.contents["validation_rule"]


def test_a_column_that_is_filled_in_part_is_refused(tmp_path, rows):
    path = write_table(tmp_path / "t.tsv", [*rows, row(48, "")])
    with pytest.raises(UserError, match="`split` is empty for 1 of 49 training sites"):
        preprocessed(path, tmp_path / "out")


def test_a_column_without_validation_sites_is_refused(tmp_path, rows):
    path = write_table(tmp_path / "t.tsv", [r for r in rows if r[6] != "validation"])
    with pytest.raises(UserError, match="0 bound and 0 background validation sites"):
        preprocessed(path, tmp_path / "out")


def test_a_test_file_keeps_its_test_sites_and_lists_the_others(tmp_path, rows):
    path = write_table(tmp_path / "t.tsv", rows)
    data = preprocessed(None, tmp_path / "out", test=path)
    n_test = sum(cells[6] == "test" for cells in rows)
    assert data.split("test").n_sites == n_test
    reasons = {"split is not test, but its file is": len(rows) - n_test}
    assert data.contents["skipped"] == {"test": reasons}


def test_coordinates_that_do_not_fit_are_counted(tmp_path, rows):
    moved = [(*rows[1][:3], rows[1][3] + 1, *rows[1][4:]), *rows[2:]]
    data = preprocessed(write_table(tmp_path / "t.tsv", moved), tmp_path / "out")
    (given,) = data.contents["inputs"]
    assert (given["n_without_coordinates"], given["n_skipped"]) == (1, 0)


def test_records_without_coordinates_are_those_of_older_versions(tmp_path):
    record = records.serialize("site", [5, 6], [7, 8], 1)
    assert record == records.serialize("site", [5, 6], [7, 8], 1, "", "")
    parsed = stored_sites.parse(tf.constant([record]))
    assert (parsed["locus"].numpy()[0], parsed["gene"].numpy()[0]) == (b"", b"")
    written = {"locus": "chr1:1-6(+)", "gene": "QKI"}
    example = tf.train.Example.FromString(
        records.serialize("s", [5], [7], 1, **written)
    )
    for name, text in written.items():
        assert example.features.feature[name].bytes_list.value[0].decode() == text
    assert example.SerializeToString(deterministic=True) == records.serialize(
        "s", [5], [7], 1, **written
    )
