"""Preprocessing, through its command: records, description, splits."""

import itertools
import os
import subprocess
import sys
import time

import pytest

from deeprke_tf.data import description, local_runner, site_store
from deeprke_tf.data.batches import read_split
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.rna.structure import fold
from deeprke_tf.system.files import sha256
from tests.support.preprocessing import (
    contents_of,
    counts_of,
    error_of,
    files_of,
    left_behind,
    names_of,
    random_sequences,
    records_of,
    run,
    skipped_of,
    unfolded,
    write_fasta,
    write_table,
)

# === What goes in comes out ===


def test_a_labelled_fasta_becomes_records_of_its_folds(tmp_path, out):
    sequences = dict(zip("abcdef", random_sequences(6, 30, seed=3), strict=True))
    sites = write_fasta(
        tmp_path / "sites.fa",
        [
            (f"{name}; class:{number % 2}", sequence.replace("U", "T").lower())
            for number, (name, sequence) in enumerate(sequences.items())
        ],
    )
    run("--sites", sites, "--out", out, "--validation-fraction", 0.4, "--workers", 1)
    records = records_of(out, "train") + records_of(out, "validation")
    assert sorted(name for name, *_ in records) == list("abcdef")
    for name, label, sequence_kmers, structure_kmers in records:
        expected = Encoding(k=3).encode(sequences[name], fold(sequences[name])[0])
        assert label == "abcdef".index(name) % 2
        assert sequence_kmers == expected[0].tolist()
        assert structure_kmers == expected[1].tolist()


def test_a_pair_of_fasta_files_is_labelled_by_which_is_which(tmp_path, out):
    first, second = random_sequences(4, 20, seed=4), random_sequences(6, 20, seed=5)
    positives = write_fasta(tmp_path / "p.fa", zip("abcd", first, strict=True))
    negatives = write_fasta(tmp_path / "n.fa", zip("uvwxyz", second, strict=True))
    pair = ("--positives", positives, "--negatives", negatives)
    test_pair = ("--test-positives", positives, "--test-negatives", negatives)
    run(*pair, *test_pair, "--out", out, "--validation-fraction", 0.25, "--workers", 1)
    assert counts_of(out) == {"train": (7, 3), "validation": (3, 1), "test": (10, 4)}
    labels = {name: label for name, label, *_ in records_of(out, "test")}
    assert labels == dict.fromkeys("abcd", 1) | dict.fromkeys("uvwxyz", 0)


def test_structures_of_a_table_are_taken_as_they_are(tmp_path, out):
    sites = write_table(tmp_path / "sites.tsv", [("a", "NGGAAACCN", 1, ".((...)).")])
    run("--test-sites", sites, "--out", out)
    sequence_kmers, structure_kmers = Encoding().encode("GGAAACC", "((...))")
    assert records_of(out, "test") == [
        ("a", 1, sequence_kmers.tolist(), structure_kmers.tolist())
    ]


def test_a_structure_left_blank_is_folded(tmp_path, out, capsys):
    rows = [("a", "GGGGAAAACCCC", 1, ""), ("b", "GGGGAAAACCCC", 0, "." * 12)]
    sites = write_table(tmp_path / "sites.tsv", rows)
    run("--test-sites", sites, "--out", out, "--fold-cache", tmp_path / "own.sqlite")
    assert "folded 1 sequence\n" in capsys.readouterr().out
    structures = {name: structure for name, _, _, structure in records_of(out, "test")}
    vocabulary = Encoding().structure_vocabulary
    assert structures["a"] == vocabulary.encode("SSSSHHHHSSSS").tolist()
    assert structures["b"] == vocabulary.encode("FFFFFFFFFFFF").tolist()


def test_no_sequence_is_folded_twice_whatever_k(tmp_path, out, capsys):
    first, second = random_sequences(2, 20, seed=6)
    rows = [("a; class:1", first), ("b; class:0", second), ("c; class:0", first)]
    sites = write_fasta(tmp_path / "sites.fa", rows)
    options = ("--test-sites", sites, "--fold-cache", tmp_path / "own.sqlite")
    run(*options, "--out", out)
    run(*options, "--out", tmp_path / "other", "--k", 5)
    said = capsys.readouterr().out
    assert "folded 2 sequences" in said and "folded 0 sequences: all" in said


def test_fold_settings_change_the_structures_and_are_noted(tmp_path, out):
    sites = write_fasta(tmp_path / "sites.fa", [("a; class:1", "GGGGAAAACCCC")])
    run("--test-sites", sites, "--out", out, "--temperature", 99, "--workers", 1)
    assert description.read(out).encoding.fold.temperature == 99
    (record,) = records_of(out, "test")
    assert set(Encoding().structure_vocabulary.decode(record[3])) == {"FFF"}


def test_a_file_name_of_the_benchmark_is_no_trouble(tmp_path, out):
    name = "1_PARCLIP_AGO1234+AGO2, hg19 --clusters=a_b,c.train.tsv"
    sites = write_table(tmp_path / name, [("a", "GGAAACC", 1, "((...))")])
    run(f"--test-sites={sites}", "--out", out)
    assert contents_of(out)["inputs"][0]["file"] == name


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text there")
def test_a_file_name_that_is_not_utf8_is_no_trouble(tmp_path, out):
    sites = os.fsencode(tmp_path) + b"/caf\xe9.csv"
    with open(sites, "w") as file:
        file.write("sequence,label,structure\nGGAAACC,1,((...))\nXX,0,\n")
    command = [sys.executable, "-m", "pipelines.preprocess", "--out", out]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    subprocess.run([*command, "--test-sites", sites], env=environment, check=True)
    assert names_of(out, "test") == ["caf?:1"]
    assert [row["file"] for row in skipped_of(out)] == [r"caf\udce9.csv"]


def test_standard_input_is_read(tmp_path, out):
    command = [sys.executable, "-m", "pipelines.preprocess", "--out", out]
    fasta = b">a;class:1\nGGAAACC\n>b;class:0\nCCCCCCC\n"
    subprocess.run([*command, "--test-sites", "-"], input=fasta, check=True)
    (read,) = contents_of(out)["inputs"]
    assert (read["n_sites"], read["sha256"]) == (2, None)


# === dataset.json ===


def test_counts_are_those_of_the_records(table, out):
    run("--sites", table, "--test-sites", table, "--out", out)
    counts = counts_of(out)
    assert counts["test"] == (90, 30)
    assert sum(counts["train"] + counts["validation"]) == 90 + 30
    for split, (n_sites, n_positive) in counts_of(out).items():
        labels = [label for _, label, *_ in records_of(out, split)]
        assert (len(labels), sum(labels)) == (n_sites, n_positive)
        assert contents_of(out)["splits"][split]["longest_site"] == 12


def test_the_inputs_are_described(table, out):
    run("--sites", table, "--out", out)
    assert contents_of(out)["inputs"] == [
        {
            "split": "train",
            "file": "table.tsv",
            "format": "table (tab)",
            "label": None,
            "sha256": sha256(table),
            "n_sites": 90,
            "n_skipped": 0,
        }
    ]


def test_the_description_reads_back(table, out):
    run("--sites", table, "--out", out, "--k", 4, "--max-bp-span", 50)
    info = description.read(out)
    assert (info.encoding.k, info.encoding.fold.max_bp_span) == (4, 50)
    assert list(info.splits) == ["train", "validation"]


def test_digests_are_those_of_the_shards(table, out):
    run("--sites", table, "--test-sites", table, "--out", out)
    shards = [s for info in contents_of(out)["splits"].values() for s in info["shards"]]
    on_disk = {path.name: sha256(path) for path in out.glob("*.tfrecord.gz")}
    assert {shard["file"]: shard["sha256"] for shard in shards} == on_disk


def test_a_dataset_holds_nothing_but_its_files(table, out):
    run("--sites", table, "--out", out)
    assert sorted(files_of(out)) == [
        "dataset.json",
        "skipped.tsv",
        "train-00000-of-00001.tfrecord.gz",
        "validation-00000-of-00001.tfrecord.gz",
    ]
    assert left_behind(out.parent) == ["dataset"]


def test_many_sites_go_into_shards_of_about_equal_size(table, out):
    run("--test-sites", table, "--out", out, "--sites-per-shard", 40)
    shards = contents_of(out)["splits"]["test"]["shards"]
    assert [shard["file"] for shard in shards] == [
        f"test-0000{index}-of-00003.tfrecord.gz" for index in range(3)
    ]
    assert [shard["n_sites"] for shard in shards] == pytest.approx([30] * 3, abs=15)


@pytest.mark.parametrize("sites_per_shard", [1, 7, 89, 90, 91])
def test_the_size_of_shards_changes_no_record(table, out, tmp_path, sites_per_shard):
    run("--test-sites", table, "--out", out)
    cut = tmp_path / "cut"
    run("--test-sites", table, "--out", cut, "--sites-per-shard", sites_per_shard)
    assert records_of(cut, "test") == records_of(out, "test")
    sizes = [s["n_sites"] for s in contents_of(cut)["splits"]["test"]["shards"]]
    assert sum(sizes) == 90 and len(sizes) == -(-90 // sites_per_shard)
    # A shard that gets no site is there, too, and can be read.
    assert (min(sizes) == 0) == (sites_per_shard == 1)
    batches = read_split(description.read(cut), "test", ("sequence_kmers",), 9)
    assert len(list(batches)) == 10


# === Splitting ===


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.5, 0.9])
def test_validation_has_about_the_fraction_of_each_class(tmp_path, out, fraction):
    rows = unfolded(random_sequences(1_000, 12, seed=1), 1)
    rows += unfolded(random_sequences(2_000, 12, seed=2), 0)
    sites = write_table(tmp_path / "sites.tsv", rows)
    run("--sites", sites, "--out", out, "--validation-fraction", fraction)
    n_sites, n_bound = counts_of(out)["validation"]
    for n, total in ((n_bound, 1_000), (n_sites - n_bound, 2_000)):
        deviation = (fraction * (1 - fraction) * total) ** 0.5
        assert n == pytest.approx(fraction * total, abs=4 * deviation)


@pytest.mark.parametrize(
    ("fraction", "split"), [(0.001, "validation"), (0.999, "training")]
)
def test_a_split_without_both_classes_is_refused(table, out, capsys, fraction, split):
    arguments = ("--sites", table, "--out", out, "--validation-fraction", fraction)
    error = error_of(capsys, *arguments)
    assert f"There are 0 bound and 0 background {split} sites; both classes" in error
    assert "give more sites, or another --validation-fraction or --seed." in error
    assert not out.exists()


def test_a_sequence_is_never_in_both_train_and_validation(tmp_path, out):
    # 15 sequences, each four times, five of them in both classes.
    sequences = random_sequences(15, 12, seed=8)
    rows = unfolded(sequences[:10] * 4, 0) + unfolded(sequences[5:] * 4, 1)
    sites = write_table(tmp_path / "sites.tsv", rows)
    run("--sites", sites, "--out", out, "--validation-fraction", 0.4)
    train, validation = (
        {tuple(sequence_kmers) for _, _, sequence_kmers, _ in records_of(out, split)}
        for split in ("train", "validation")
    )
    assert not train & validation
    assert len(train) + len(validation) == 15
    assert 1 < len(validation) < 12


def test_equal_input_and_seed_give_equal_bytes(table, out, tmp_path, monkeypatch):
    sites = ("--sites", table, "--test-sites", table)
    run(*sites, "--out", out)
    monkeypatch.setattr(time, "time", lambda: 1e9)  # gzip notes when it wrote
    run(*sites, "--out", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(out)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_byte(tmp_path, workers):
    sequences = random_sequences(20, 300, seed=9)
    rows = [(f"{i}; class:{i % 2}", letters) for i, letters in enumerate(sequences)]
    sites = write_fasta(tmp_path / "sites.fa", rows)
    cache = ("--fold-cache", tmp_path / "own.sqlite")
    options = ("--sites", sites, "--max-bp-span", 30, "--validation-fraction", 0.5)
    run(*options, *cache, "--out", tmp_path / "one", "--workers", workers)
    run(*options, "--out", tmp_path / "other", "--workers", 2)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "other")


def test_how_many_sites_are_looked_at_at_once_changes_no_byte(
    table, out, tmp_path, monkeypatch
):
    test_sites = write_table(
        tmp_path / "test.tsv",
        unfolded(random_sequences(30, 12, seed=1), 0)
        + unfolded(random_sequences(30, 13, seed=7), 1)
        + [("folded", "GGGGAAAACCCC", 1, ""), ("again", "GGGGAAAACCCC", 0, "")],
    )
    sites = ("--sites", table, "--test-sites", test_sites, "--workers", 1)
    run(*sites, "--out", out)
    assert counts_of(out)["test"] == (62, 31)
    assert len(records_of(out, "test")) == 62
    monkeypatch.setattr(local_runner, "SITES_TO_READ", 20)
    monkeypatch.setattr(local_runner, "SITES_AT_ONCE", 3)
    monkeypatch.setattr(site_store, "SITES_AT_ONCE", 10)
    run(*sites, "--out", tmp_path / "again")
    assert files_of(tmp_path / "again") == files_of(out)


def test_another_seed_gives_another_split_and_another_order(table, out, tmp_path):
    other = tmp_path / "other"
    run("--sites", table, "--test-sites", table, "--out", out)
    run("--sites", table, "--test-sites", table, "--out", other, "--seed", 2)
    assert counts_of(other)["test"] == counts_of(out)["test"]
    for split in ("train", "validation"):
        assert set(names_of(other, split)) != set(names_of(out, split))
    assert names_of(other, "test") != names_of(out, "test")
    assert set(names_of(other, "test")) == set(names_of(out, "test"))


def test_classes_are_mixed_in_a_shard(table, out):
    run("--test-sites", table, "--out", out)
    labels = [label for _, label, *_ in records_of(out, "test")]
    assert sum(a != b for a, b in itertools.pairwise(labels)) > 20


def test_a_test_set_alone_makes_a_dataset(table, out):
    run("--test-sites", table, "--out", out)
    assert counts_of(out) == {"test": (90, 30)}
