"""Preprocessing, through its command."""

import collections
import contextlib
import csv
import gzip
import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tensorflow as tf

from deeprke_tf.data import description, local_runner, site_store
from deeprke_tf.data.batches import read_split
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.rna.structure import fold
from deeprke_tf.system.files import sha256
from pipelines import preprocess


def random_sequences(n, length, seed):
    rng = random.Random(seed)
    return ["".join(rng.choices("ACGU", k=length)) for _ in range(n)]


def write_table(path, rows, columns="name sequence label structure"):
    lines = ["\t".join(map(str, cells)) for cells in [columns.split(), *rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_fasta(path, sites):
    path.write_text("".join(f">{header}\n{letters}\n" for header, letters in sites))
    return path


def unfolded(sequences, label, prefix=""):
    """Rows of a table with structures, so that nothing is folded."""
    return [
        (f"{prefix}{label}:{i}", sequence, label, "." * len(sequence))
        for i, sequence in enumerate(sequences)
    ]


@pytest.fixture
def table(tmp_path):
    """30 bound and 60 background sites."""
    return write_table(
        tmp_path / "table.tsv",
        unfolded(random_sequences(30, 12, seed=1), 1)
        + unfolded(random_sequences(60, 12, seed=2), 0),
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "dataset"


def run(*arguments):
    """Runs the command, which must succeed."""
    assert preprocess.main(list(map(str, arguments))) == 0


def error_of(capsys, *arguments):
    """Runs the command, which must fail; returns the one line it says."""
    assert preprocess.main(list(map(str, arguments))) == 1
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    (line,) = (line for line in said.err.splitlines() if "error:" in line)
    assert said.err.endswith(line + "\n") and not said.out
    return line


def contents_of(directory):
    return json.loads((directory / "dataset.json").read_text())


def counts_of(directory):
    """Sites and bound sites by split."""
    return {
        split: (info["n_sites"], info["n_positive"])
        for split, info in contents_of(directory)["splits"].items()
    }


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def records_of(directory, split):
    """(name, label, sequence k-mer ids, structure k-mer ids), read by TensorFlow."""
    shards = sorted(map(str, directory.glob(f"{split}-*.tfrecord.gz")))
    found = []
    for record in tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        (name,) = feature["name"].bytes_list.value
        (label,) = feature["label"].int64_list.value
        sequence, structure = (
            list(feature[view].int64_list.value)
            for view in ("sequence_kmers", "structure_kmers")
        )
        found.append((name.decode(), label, sequence, structure))
    return found


def names_of(directory, split):
    return [name for name, *_ in records_of(directory, split)]


def skipped_of(directory):
    with open(directory / "skipped.tsv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, dialect="excel-tab"))


def left_behind(tmp_path):
    """What a run that fails must not leave."""
    return [path.name for path in tmp_path.iterdir() if "dataset" in path.name]


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
    assert "folded 1 sequences" in capsys.readouterr().out
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


# === What is skipped ===

UNUSABLE = [
    ("a", "GGAAACC", 1, "((...))"),
    ("b", "GGAAACC", 0, "((...)"),
    ("c", "GGAAXCC", 0, "((...))"),
    ("d", "NNNN", 0, "...."),
    ("e", "NNNNN", 0, "....."),
    ("f", "GGAAACC", 2, "((...))"),
    ("g", "GGAAACC" * 3, 0, "." * 21),
]


def test_a_site_that_cannot_be_used_is_listed_and_counted(tmp_path, out):
    sites = write_table(tmp_path / "sites.tsv", UNUSABLE)
    run("--test-sites", sites, "--out", out, "--max-length", 20)
    assert [(row["row"], row["name"], row["reason"]) for row in skipped_of(out)] == [
        ("2", "b", "structure and sequence differ in length"),
        ("3", "c", "letters that are not nucleotides"),
        ("4", "d", "nothing but N"),
        ("5", "e", "nothing but N"),
        ("6", "f", "label is not 0 or 1"),
        ("7", "g", "longer than the maximum length"),
    ]
    assert {(row["split"], row["file"]) for row in skipped_of(out)} == {
        ("test", "sites.tsv")
    }
    assert skipped_of(out)[1]["detail"] == "'X', first as letter 5 of 7"
    assert skipped_of(out)[5]["detail"] == "21 nt, at most 20"
    contents = contents_of(out)
    assert contents["skipped"]["test"] == collections.Counter(
        row["reason"] for row in skipped_of(out)
    )
    (read,) = contents["inputs"]
    assert (read["n_sites"], read["n_skipped"]) == (7, 6)
    assert counts_of(out) == {"test": (1, 1)}


def test_skipped_sites_are_counted_by_split(table, tmp_path, out, capsys):
    test_sites = write_table(tmp_path / "sites.tsv", UNUSABLE)
    run("--sites", table, "--test-sites", test_sites, "--out", out)
    assert contents_of(out)["skipped"]["train"] == {}
    assert sum(contents_of(out)["skipped"]["test"].values()) == 5
    said = capsys.readouterr().out
    assert "sites.tsv: table (tab), 7 sites, 5 skipped" in said
    assert "skipped.tsv: what was skipped" in said


def test_strict_refuses_what_would_be_skipped(tmp_path, out, capsys):
    sites = write_table(tmp_path / "sites.tsv", UNUSABLE)
    error = error_of(capsys, "--test-sites", sites, "--out", out, "--strict")
    assert "5 unusable sites (2 nothing but N, 1 structure and" in error
    assert (
        "The first skipped is site 2 of sites.tsv, 'b': structure and sequence differ "
        "in length (6 symbols for 7 letters)."
    ) in error
    assert left_behind(tmp_path) == []


def test_strict_does_not_mind_usable_sites(table, out):
    run("--sites", table, "--out", out, "--strict")
    assert skipped_of(out) == []


@pytest.mark.parametrize("length", [19, 20, 21])
def test_the_longest_site_allowed_is_kept(tmp_path, out, length):
    rows = [("a", "GGAAACC", 1, "." * 7), ("b", "A" * length, 0, "." * length)]
    sites = write_table(tmp_path / "sites.tsv", rows)
    run("--test-sites", sites, "--out", out, "--max-length", 20)
    assert set(names_of(out, "test")) == ({"a", "b"} if length <= 20 else {"a"})


# === What stands more than once ===


def test_what_stands_more_than_once_is_counted(tmp_path, out, capsys):
    bound, background = random_sequences(10, 12, 10), random_sequences(20, 12, 11)
    rows = unfolded(bound, 1) + unfolded(background, 0)
    rows += [("1:0", bound[1], 1, "." * 12)]  # name and sequence once more
    rows += [("new", bound[2], 0, "." * 12)]  # sequence once more, other class
    test_rows = [*rows[:3], ("again", "ACGUACGU", 1, "." * 8)]
    test_rows += [("again", "GGGGGGGG", 0, "." * 8)]
    sites = write_table(tmp_path / "sites.tsv", rows)
    test_sites = write_table(tmp_path / "test.tsv", test_rows)
    inputs = ("--sites", sites, "--test-sites", test_sites)
    run(*inputs, "--out", out, "--validation-fraction", 0.3)
    assert contents_of(out)["duplicates"] == {
        "train_sites_with_duplicate_names": 1,
        "train_sites_with_duplicate_sequences": 2,
        "train_sequences_in_both_classes": 1,
        "test_sites_with_duplicate_names": 1,
        "test_sites_with_duplicate_sequences": 0,
        "test_sequences_in_both_classes": 0,
        "sequences_in_train_and_test": 3,
    }
    said = capsys.readouterr().out
    assert "note: 3 sequences in train and test" in said
    assert "test sites with duplicate sequences" not in said


def test_duplicates_are_counted_but_kept(tmp_path, out):
    rows = unfolded(["GGAAACC"] * 3, 1)
    run("--test-sites", write_table(tmp_path / "sites.tsv", rows), "--out", out)
    assert counts_of(out) == {"test": (3, 3)}


# === Where it goes ===


def test_a_directory_that_is_not_empty_is_refused(table, out, capsys):
    run("--sites", table, "--out", out)
    capsys.readouterr()
    before = files_of(out)
    error = error_of(capsys, "--sites", table, "--out", out, "--seed", 2)
    assert f"--out {out} is not empty; name another, or give --overwrite" in error
    assert files_of(out) == before


def test_overwrite_replaces_the_dataset(table, out):
    run("--sites", table, "--out", out, "--sites-per-shard", 10)
    run("--test-sites", table, "--out", out, "--overwrite")
    assert sorted(files_of(out)) == [
        "dataset.json",
        "skipped.tsv",
        "test-00000-of-00001.tfrecord.gz",
    ]
    assert left_behind(out.parent) == ["dataset"]


def test_overwrite_keeps_what_is_not_of_the_dataset(table, out):
    run("--sites", table, "--out", out)
    (out / "run").mkdir()
    (out / "run" / "model.keras").write_text("a day's training")
    (out / "notes.txt").write_text("mine")
    run("--test-sites", table, "--out", out, "--overwrite")
    assert (out / "run" / "model.keras").read_text() == "a day's training"
    assert (out / "notes.txt").read_text() == "mine"
    assert left_behind(out.parent) == ["dataset"]


def test_overwrite_refuses_a_directory_that_is_no_dataset(table, out, capsys):
    out.mkdir()
    (out / "thesis.tex").write_text("mine")
    error = error_of(capsys, "--sites", table, "--out", out, "--overwrite")
    assert "holds other files but no dataset (dataset.json)" in error
    assert files_of(out) == {"thesis.tex": b"mine"}


def test_a_failure_leaves_the_old_dataset(table, out, capsys, tmp_path):
    run("--sites", table, "--out", out)
    capsys.readouterr()
    before = files_of(out)
    missing = tmp_path / "none.fa"
    error_of(capsys, "--sites", missing, "--out", out, "--overwrite")
    assert files_of(out) == before
    assert left_behind(tmp_path) == ["dataset"]


def test_an_empty_directory_is_used(table, out):
    out.mkdir()
    run("--sites", table, "--out", out)
    assert (out / "dataset.json").is_file()


def test_directories_on_the_way_are_made(table, tmp_path):
    run("--sites", table, "--out", tmp_path / "a" / "b c" / "d.e")
    assert (tmp_path / "a" / "b c" / "d.e" / "dataset.json").is_file()


def test_a_link_stays_a_link(table, tmp_path, out):
    (tmp_path / "disk").mkdir()
    out.symlink_to(tmp_path / "disk")
    run("--sites", table, "--out", out)
    run("--sites", table, "--out", out, "--overwrite")
    assert out.is_symlink()
    assert (tmp_path / "disk" / "dataset.json").is_file()


def test_the_working_directory_can_be_the_place(table, out, monkeypatch):
    out.mkdir()
    monkeypatch.chdir(out)
    place = os.stat(out).st_ino
    run("--sites", table, "--out", ".")
    (out / "notes.txt").write_text("mine")
    run("--sites", table, "--out", ".", "--overwrite", "--seed", 2)
    # A shell that is in it is still in it.
    assert os.stat(out).st_ino == place
    assert description.read(Path()).contents["seed"] == 2
    assert (out / "notes.txt").read_text() == "mine"


def test_a_file_at_out_is_refused(table, out, capsys):
    out.write_text("mine")
    error = error_of(capsys, "--sites", table, "--out", out, "--overwrite")
    assert f"--out {out} is a file; name a directory" in error
    assert out.read_text() == "mine"


def test_a_file_on_the_way_to_out_is_named(table, out, capsys):
    out.write_text("mine")
    error = error_of(capsys, "--sites", table, "--out", out / "deeper")
    assert f"{out} is a file; name a directory." in error


def test_a_name_that_is_too_long_is_refused(table, tmp_path, capsys):
    error = error_of(capsys, "--sites", table, "--out", tmp_path / ("x" * 300))
    assert "File name too long" in error


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_is_named(table, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    out = tmp_path / "locked" / "dataset"
    error = error_of(capsys, "--sites", table, "--out", out)
    assert f"Cannot write to {out.parent}: Permission denied" in error


def test_two_runs_do_not_write_the_same_directory(
    table, out, capsys, monkeypatch, tmp_path
):
    errors = []

    def start_another_run(store):
        monkeypatch.undo()
        errors.append(error_of(capsys, "--sites", table, "--out", out))
        store.index()

    monkeypatch.setattr(site_store.SiteStore, "index", start_another_run)
    run("--sites", table, "--out", out)
    assert f"Another process is writing --out {out}; wait for it" in errors[0]
    assert len(names_of(out, "train") + names_of(out, "validation")) == 90
    assert left_behind(tmp_path) == ["dataset"]


def test_the_root_of_a_disk_is_refused(table, capsys):
    error = error_of(capsys, "--sites", table, "--out", "/", "--overwrite")
    assert "--out / is a mount point; name a directory in it" in error


# === Input that cannot be used ===


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "sites is empty; expected FASTA or a table"),
        (b"\n\n", "sites is empty"),
        (gzip.compress(b"", mtime=0), "sites is empty"),
        (b"hello\n", "line 1: expected a FASTA header"),
        (b">a\nACGU\n", "labels are needed"),
        (b"sequence\nACGU\n", "labels are needed"),
        (b">a;class:1\nNNN\n>b;class:3\nACG\n>c;class:0\nNN\n", "skipped: 2 nothing"),
        (
            b"sequence\tlabel\n",
            "train input, sites; skipped: none, as there is",
        ),
        (
            b">a;class:1\nACGU\n",
            "1 bound and 0 background training sites; both classes",
        ),
        (
            b">a;class:0\nACGU\n",
            "0 bound and 1 background training sites; both classes",
        ),
        (
            b">a;class:0\nACGU\n>b;class:1\nGCGU\n",
            "0 bound and 0 background validation sites; both classes are needed: give "
            "more sites, or another --validation-fraction or --seed",
        ),
        (
            gzip.compress(b">a;class:1\nACGU\n" * 999, mtime=0)[:50],
            "cut off or damaged",
        ),
        (
            gzip.compress(b">a;class:1\nACGU\n" * 999, mtime=0)[:-9],
            "cut off or damaged",
        ),
        (b"\x1f\x8bnot gzip at all", "cut off or damaged"),
        (bytes(range(128, 256)), "not UTF-8 text"),
    ],
)
def test_input_that_makes_no_dataset_is_one_line(tmp_path, out, capsys, content, words):
    sites = tmp_path / "sites"
    sites.write_bytes(content)
    assert words in error_of(capsys, "--sites", sites, "--out", out)
    assert left_behind(tmp_path) == []


def test_a_training_file_without_a_usable_site_is_not_passed_over(
    table, tmp_path, out, capsys
):
    sites = write_fasta(tmp_path / "n.fa", [("a; class:1", "NNN"), ("b; class:0", "A")])
    error = error_of(capsys, "--sites", sites, "--test-sites", table, "--out", out)
    assert (
        "No usable site in the train input, n.fa; skipped: 1 nothing but N, " in error
    )
    assert "first skipped is site 1 of n.fa, 'a': nothing but N (3 letters)." in error


def test_a_class_without_a_usable_site_is_told_with_the_reason(tmp_path, out, capsys):
    bound = write_fasta(tmp_path / "bound.fa", [("a", "ACGU-ACGU")])
    background = write_fasta(tmp_path / "background.fa", [("b", "ACGUACGU")])
    error = error_of(
        capsys, "--positives", bound, "--negatives", background, "--out", out
    )
    assert "There are 0 bound and 1 background training sites; both" in error
    assert "The first skipped is site 1 of bound.fa, 'a': letters that are" in error


def test_a_wrong_name_is_found_before_anything_is_read(tmp_path, out, capsys):
    sites = tmp_path / "sites.fa.gz"
    sites.write_bytes(gzip.compress(b">a;class:1\nACGU\n" * 99_999)[:-9])
    missing = tmp_path / "no such file.fa"
    error = error_of(capsys, "--sites", sites, "--test-sites", missing, "--out", out)
    assert f"Cannot read {missing}: No such file or directory" in error


def test_a_directory_as_input_is_refused(tmp_path, out, capsys):
    error = error_of(capsys, "--sites", tmp_path, "--out", out)
    assert f"Cannot read {tmp_path}: Is a directory" in error


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("", "No input: give --sites, or --positives and --negatives (for a"),
        ("--positives f", "--positives and --negatives go together; one is missing"),
        ("--negatives f", "--positives and --negatives go together"),
        ("--test-positives f", "--test-positives and --test-negatives go together"),
        ("--sites f --positives f", "Give --sites or the pair --positives and"),
        ("--test-sites f --test-negatives f", "Give --test-sites or the pair --test-"),
        ("--positives - --negatives -", "Only one input can be standard input"),
        ("--sites f --k 0", "k must be between 1 and 8, got 0"),
        ("--sites f --k 9", "k must be between 1 and 8, got 9"),
        (
            "--sites f --validation-fraction 0",
            "--validation-fraction must be between 0 and 1, got 0.0",
        ),
        ("--sites f --validation-fraction 1", "must be between 0 and 1, got 1.0"),
        ("--sites f --validation-fraction nan", "must be between 0 and 1, got nan"),
        ("--sites f --max-length 0", "--max-length must be at least 1, got 0"),
        (
            "--sites f --sites-per-shard 0",
            "--sites-per-shard must be at least 1, got 0",
        ),
        ("--sites f --workers 0", "--workers must be at least 1, got 0"),
        ("--sites f --seed -1", "--seed must be between 0 and 2^63 - 1, got -1"),
        (f"--sites f --seed 1{'0' * 80}", "--seed must be between 0 and 2^63 - 1"),
        (
            "--sites f --temperature 400",
            "--temperature must be from -50 to 150, got 400",
        ),
        ("--sites f --max-bp-span 2", "--max-bp-span must be from 5 to "),
    ],
)
def test_flags_that_make_no_sense_are_refused(out, capsys, flags, words):
    assert words in error_of(capsys, "--out", out, *flags.split())
    assert not out.exists()


@pytest.mark.parametrize(
    "flags", [[], ["--out", "x", "--no-such-flag"], ["--out", "x", "--k", "three"]]
)
def test_flags_that_do_not_parse_end_with_status_2(flags, capsys):
    with pytest.raises(SystemExit) as ended:
        preprocess.main(flags)
    assert ended.value.code == 2


def test_a_damaged_fold_cache_is_named_and_not_used(table, tmp_path, out, capsys):
    cache = tmp_path / "folds.sqlite"
    cache.write_bytes(b"no cache" * 1000)
    run("--sites", table, "--out", out, "--fold-cache", cache)
    assert f"Cannot use the fold cache {cache}: file is not a database" in (
        capsys.readouterr().err
    )
    assert len(names_of(out, "train") + names_of(out, "validation")) == 90


# === Killed half-way ===

DIE_WITH_TWENTY_FOLDS = """
import os
import signal
import sys
from deeprke_tf.rna import folding
from deeprke_tf.rna.fold_cache import FoldCache
from pipelines import preprocess

folding.NT_PER_TASK = 500
folding.SECONDS_BETWEEN_WRITES = 0.0
put, n_put = FoldCache.put, 0

def put_and_die(cache, folds):
    global n_put
    put(cache, folds)
    n_put += len(folds)
    if n_put >= 20:
        os.kill(os.getpid(), signal.SIGKILL)

FoldCache.put = put_and_die
if __name__ == "__main__":
    preprocess.main(sys.argv[1:])
"""


def n_folds(cache):
    with contextlib.closing(sqlite3.connect(cache)) as database:
        return database.execute("SELECT COUNT(*) FROM folds").fetchone()[0]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_run_goes_on_and_gives_the_same_records(tmp_path, out, capsys):
    sequences = random_sequences(200, 100, seed=12)
    rows = [(f"{i}; class:{i % 2}", letters) for i, letters in enumerate(sequences)]
    sites = write_fasta(tmp_path / "sites.fa", rows)
    script, cache = tmp_path / "script.py", tmp_path / "folds.sqlite"
    script.write_text(DIE_WITH_TWENTY_FOLDS)
    command = ["--sites", sites, "--out", out, "--fold-cache", cache, "--workers", "1"]
    killed = subprocess.run([sys.executable, script, *command], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    n_kept = n_folds(cache)
    assert 20 <= n_kept < 200
    assert left_behind(tmp_path) == [".dataset.lock", ".dataset.partial"]

    run(*command)
    assert f"folded {200 - n_kept} sequences" in capsys.readouterr().out
    assert left_behind(tmp_path) == ["dataset"]
    run("--sites", sites, "--out", tmp_path / "never killed")
    assert files_of(tmp_path / "never killed") == files_of(out)


def test_ctrl_c_leaves_nothing(table, tmp_path, out, capsys, monkeypatch):
    def interrupted(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(site_store.SiteStore, "index", interrupted)
    assert preprocess.main(["--sites", str(table), "--out", str(out)]) == 130
    assert "deeprke preprocess: interrupted." in capsys.readouterr().err
    assert left_behind(tmp_path) == []
