"""Preprocessing: where the dataset goes, and what an interrupted run leaves."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from deeprke_tf.data import description, site_store
from pipelines import preprocess
from tests.support.preprocessing import (
    error_of,
    files_of,
    left_behind,
    names_of,
    random_sequences,
    run,
    write_fasta,
)

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
