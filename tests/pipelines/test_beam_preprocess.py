"""Preprocessing by Apache Beam, through its command."""

import gzip
import os

import pytest
import tensorflow as tf

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from deeprke_tf.data import description
from pipelines.beam import folding, records
from tests.support.beam import (
    DIRECT,
    assert_same_files,
    error_of,
    random_sequences,
    run,
    write_fasta,
)

pytest_plugins = ["tests.support.beam"]


def write_table(path, sequences):
    """Writes sites between commas, some with structures and some of them faulty."""
    rows = [
        (f"site{i}", s, int(i % 3 == 0), "." * len(s) if i % 4 == 0 else "")
        for i, s in enumerate(sequences)
    ]
    rows += [("site1", sequences[4], 1, ""), ("again", sequences[5], 1, "")]
    rows += [("all-N", "NNNN", 0, ""), ("foreign", "ACGZ", 1, "")]
    rows += [("label", "ACGUACGU", 2, ""), ("pairs", "ACGUACGU", 1, "((....")]
    lines = [("name", "sequence", "label", "structure"), *rows]
    cells = [
        [str(int(c)) if c is True or c is False else str(c) for c in r] for r in lines
    ]
    path.write_text("".join(",".join(row) + "\n" for row in cells))
    return path


def write_columns(path, sequences):
    """Writes sites with coordinates, most of which fit, genes and splits."""
    lines = ["name,chrom,start,end,strand,label,split,gene,sequence"]
    for i, s in enumerate(sequences):
        place = f"chr2,{i},{i + len(s) + (i == 4)},+" if i % 4 else ",,,"
        split = ("train", "validation", "test", "dev")[
            min(i % 10, 3) if i < 13 else i % 3
        ]
        lines.append(f"site{i},{place},{i // 3 % 2},{split},gene{i % 7},{s}")
    path.write_text("\n".join(lines) + "\n")


def records_of(directory, split):
    shards = [str(path) for path in directory.glob(f"{split}-*")]
    return sorted(tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator())


# With 2 sites per shard, some shards get no site.
@pytest.mark.parametrize(
    "training, sites_per_shard", [("table", 2), ("gzip", 25), ("columns", 9)]
)
def test_local_and_beam_write_the_same_files(
    training, sites_per_shard, tmp_path, capsys
):
    sequences = random_sequences(90, seed=1)
    sites = tmp_path / "sites"
    if training == "gzip":
        write_fasta(sites, sequences)
        sites.write_bytes(gzip.compress(sites.read_bytes()))
    elif training == "columns":
        write_columns(sites, sequences)
    else:
        write_table(sites, sequences)
    positives = write_fasta(tmp_path / "bound.fa", random_sequences(20, seed=2))
    negatives = write_fasta(tmp_path / "background.fa", [*sequences[:3], "ACGUACGUAC"])
    flags = ["--sites", sites, "--test-positives", positives]
    flags += ["--test-negatives", negatives, "--seed", 7]
    flags += ["--max-length", 29, "--sites-per-shard", sites_per_shard]
    run(*flags, "--out", tmp_path / "local")
    capsys.readouterr()
    run(*flags, "--out", tmp_path / "beam", *DIRECT)
    assert_same_files(tmp_path / "local", tmp_path / "beam")
    assert len(description.read(tmp_path / "beam").split("train").shards) > 2
    assert "counted sites_read:" in capsys.readouterr().out


def test_a_sequence_is_folded_once_and_counted(tmp_path, capsys):
    fasta = write_fasta(tmp_path / "sites.fa", random_sequences(20, seed=4) * 3)
    out, cache = tmp_path / "out", tmp_path / "folds.sqlite"
    run("--sites", fasta, "--out", out, "--fold-cache", cache, *DIRECT)
    shown = capsys.readouterr().out
    for counted in ("sequences_folded: 20", "sites_read: 60", "records: 60"):
        assert f"counted {counted}" in shown
    run("--sites", fasta, "--out", out, "--fold-cache", cache, "--overwrite", *DIRECT)
    assert "counted folds_from_cache: 20" in capsys.readouterr().out


def test_without_structure_nothing_is_folded(fasta, tmp_path, capsys):
    flags = ["--sites", fasta, "--no-structure"]
    run(*flags, "--out", tmp_path / "local")
    run(*flags, "--out", tmp_path / "beam", *DIRECT)
    assert_same_files(tmp_path / "local", tmp_path / "beam")
    assert "sequences_folded" not in capsys.readouterr().out


def test_a_pattern_names_many_files_unless_a_file_has_that_name(tmp_path):
    sequences = random_sequences(80, seed=5)
    write_fasta(tmp_path / "part1.fa", sequences[:42])
    write_fasta(tmp_path / "part2.fa", sequences[42:], prefix="more")
    whole = tmp_path / "[all]*.fa"
    whole.write_text("".join((tmp_path / f"part{i}.fa").read_text() for i in (1, 2)))
    flags = ("--validation-fraction", 0.3, *DIRECT)
    run("--sites", tmp_path / "part?.fa", "--out", tmp_path / "parts", *flags)
    run("--sites", whole, "--out", tmp_path / "whole", *flags)
    files = [given["file"] for given in read_contents(tmp_path / "parts")["inputs"]]
    assert files == ["part1.fa", "part2.fa"]
    for split in ("train", "validation"):
        expected = records_of(tmp_path / "whole", split)
        assert expected and records_of(tmp_path / "parts", split) == expected


def read_contents(directory):
    return description.read(directory).contents


def test_a_sequence_that_cannot_be_folded_is_listed_and_the_others_written(
    fasta, tmp_path, monkeypatch, capsys
):
    lines = fasta.read_text().splitlines()
    name, sequence = lines[8][1:].partition(";")[0], lines[9]
    fold = folding.fold

    def failing(letters, settings):
        if letters == sequence:
            raise RuntimeError("no memory for\nthis")
        return fold(letters, settings)

    monkeypatch.setattr(folding, "fold", failing)
    cache = tmp_path / "folds.sqlite"
    flags = ["--sites", fasta, "--out", tmp_path / "out", "--fold-cache", cache]
    run(*flags, *DIRECT)
    contents = read_contents(tmp_path / "out")
    assert contents["skipped"] == {"train": {"could not be folded": 1}}
    assert contents["inputs"][0]["n_skipped"] == 1
    assert sum(split["n_sites"] for split in contents["splits"].values()) == 29
    row = (tmp_path / "out" / "skipped.tsv").read_text().splitlines()[1].split("\t")
    assert row[1:] == [
        *("sites.fa", "5", name, "could not be folded"),
        "RuntimeError: no memory for this",
    ]
    capsys.readouterr()
    error = error_of(capsys, *flags, "--overwrite", "--strict", *DIRECT)
    assert "1 unusable sites (1 could not be folded) and --strict is set" in error


@pytest.mark.parametrize("fault", ["one class", "strict", "cut off", "one validation"])
def test_both_runners_report_the_same_user_errors(fault, fasta, tmp_path, capsys):
    flags = ["--sites", fasta, "--out", tmp_path / "out"]
    if fault == "one class":
        fasta.write_text(">a; class:1\nACGUACGU\n>b; class:1\nACGUACGUA\n")
    elif fault == "strict":
        fasta.write_text(fasta.read_text() + ">n; class:0\nNNN\n")
        flags.append("--strict")
    elif fault == "cut off":
        fasta.write_bytes(gzip.compress(fasta.read_bytes())[:-12])
    else:
        flags += ["--validation-fraction", 0.04]
    # The local runner also shows a skipped site.
    expected = error_of(capsys, *flags).partition(" The first skipped is ")[0]
    assert error_of(capsys, *flags, *DIRECT) == expected
    assert os.listdir(tmp_path) == ["sites.fa"]


def test_a_failed_job_keeps_the_older_dataset(fasta, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    run("--sites", fasta, "--out", out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def broken(*_arguments):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(records, "sites_to_records", broken)
    error = error_of(capsys, "--sites", fasta, "--out", out, "--overwrite", *DIRECT)
    assert "The Beam job failed" in error and "a defect" in error
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ["out", "sites.fa"]


def test_input_that_beam_cannot_use_is_refused(fasta, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    flags = ["--out", tmp_path / "out", *DIRECT]
    assert f"{pipe} is a pipe" in error_of(capsys, "--sites", pipe, *flags)
    error = error_of(capsys, "--sites", fasta, "--workers", "2", *flags)
    assert "--workers goes with --runner local; " in error


def test_unknown_flags_are_refused(fasta, tmp_path, capsys):
    flags = ["--sites", fasta, "--out", tmp_path / "out"]
    error = error_of(capsys, *flags, *DIRECT, "--direct_num_worker", "2")
    assert "--direct_num_worker is neither an option of this command nor of" in error
    assert "Beam; Beam has --direct_num_workers." in error
    error = error_of(capsys, *flags, "--runner", "FlinkRunner", "--max-lenght", "50")
    assert "--max-lenght is neither" in error
    error = error_of(capsys, *flags, "second.fa", *DIRECT, "--direct_num_workers", "2")
    assert "No option takes second.fa; several files are given as one pattern" in error
    error = error_of(capsys, *DIRECT, "--save_main_session", *flags, "second.fa")
    assert "No option takes second.fa" in error
    error = error_of(capsys, *flags, "--runner", "local", "--direct_num_workers=2")
    assert "--direct_num_workers=2 is no option of --runner local" in error


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--sites", "-"], "Standard input (-) goes with --runner local only."),
        (["--sites", "no*.fa"], "No file matches no*.fa."),
        (["--sites", "none.fa"], "Cannot read none.fa: No such file or directory."),
        (["--sites", "xyz://b/s.fa"], "Unable to get filesystem from specified path"),
        (["--runner", "NoRunner"], "--runner NoRunner: Unexpected pipeline runner"),
    ],
)
def test_unreadable_sites_and_unknown_runners_are_refused_at_once(
    arguments, words, fasta, tmp_path, capsys
):
    flags = ["--sites", fasta, "--out", tmp_path / "out", *DIRECT, *arguments]
    assert words in error_of(capsys, *flags)


def test_without_beam_the_extra_is_named(fasta, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = error_of(capsys, "--sites", fasta, "--out", tmp_path / "out", *DIRECT)
    assert "--runner DirectRunner needs Apache Beam, which is not installed" in error
    assert error.endswith("pip install 'deeprke_tf[beam]'")
