"""Preprocessing: sites that are skipped, and input that cannot be used."""

import collections
import gzip

import pytest

from pipelines import preprocess
from tests.support.preprocessing import (
    contents_of,
    counts_of,
    error_of,
    left_behind,
    names_of,
    random_sequences,
    run,
    skipped_of,
    unfolded,
    write_fasta,
    write_table,
)

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
