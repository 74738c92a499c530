"""Preprocessing by Apache Beam, through its command."""

import contextlib
import filecmp
import gzip
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest
import tensorflow as tf

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from apache_beam.io.localfilesystem import LocalFileSystem

from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from pipelines import preprocess
from pipelines.beam import files as beam_files
from pipelines.beam import folding, records
from pipelines.beam import preprocess as beam_runner

DIRECT = ("--runner", "DirectRunner")


def random_sequences(n, seed, shortest=12, longest=30):
    rng = random.Random(seed)
    return [
        "".join(rng.choices("ACGU", k=rng.randint(shortest, longest))) for _ in range(n)
    ]


def write_fasta(path, sequences, first_label=0, prefix="site"):
    """Writes labelled FASTA; every third site has the other label."""
    path.write_text(
        "".join(
            f">{prefix}{i}; class:{first_label if i % 3 else 1 - first_label}\n{s}\n"
            for i, s in enumerate(sequences)
        )
    )
    return path


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


def run(*arguments):
    """Runs the command, which must succeed."""
    assert preprocess.main(list(map(str, arguments))) == 0


def error_of(capsys, *arguments):
    """Runs the command, which must fail; returns the one line it says."""
    assert preprocess.main(list(map(str, arguments))) == 1
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if "error:" in line
    )
    return line


def assert_same_files(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert sorted(path.name for path in other.iterdir()) == names
    assert filecmp.cmpfiles(one, other, names, shallow=False)[0] == names


def records_of(directory, split):
    shards = [str(path) for path in directory.glob(f"{split}-*")]
    return sorted(tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator())


@pytest.fixture
def fasta(tmp_path):
    return write_fasta(tmp_path / "sites.fa", random_sequences(30, seed=3))


@pytest.mark.parametrize("training", ["table", "labelled gzip"])
def test_local_and_beam_write_the_same_files(training, tmp_path, capsys):
    sequences = random_sequences(90, seed=1)
    sites = tmp_path / "sites"
    if training == "labelled gzip":
        write_fasta(sites, sequences)
        sites.write_bytes(gzip.compress(sites.read_bytes()))
    else:
        write_table(sites, sequences)
    positives = write_fasta(tmp_path / "bound.fa", random_sequences(20, seed=2))
    negatives = write_fasta(tmp_path / "background.fa", [*sequences[:3], "ACGUACGUAC"])
    flags = ["--sites", sites, "--test-positives", positives]
    flags += ["--test-negatives", negatives, "--sites-per-shard", 25, "--seed", 7]
    flags += ["--max-length", 29]
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
    said = capsys.readouterr().out
    for counted in ("sequences_folded: 20", "sites_read: 60", "records: 60"):
        assert f"counted {counted}" in said
    run("--sites", fasta, "--out", out, "--fold-cache", cache, "--overwrite", *DIRECT)
    assert "counted folds_from_cache: 20" in capsys.readouterr().out


def test_a_pattern_names_many_files_and_a_file_that_looks_like_one_itself(tmp_path):
    sequences = random_sequences(40, seed=5)
    write_fasta(tmp_path / "part1.fa", sequences[:21])
    write_fasta(tmp_path / "part2.fa", sequences[21:], prefix="more")
    whole = tmp_path / "[all]*.fa"
    whole.write_text("".join((tmp_path / f"part{i}.fa").read_text() for i in (1, 2)))
    run("--sites", tmp_path / "part?.fa", "--out", tmp_path / "parts", *DIRECT)
    run("--sites", whole, "--out", tmp_path / "whole", *DIRECT)
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
    assert "1 unusable sites (1 could not be folded) and --strict is given" in error


@pytest.mark.parametrize("fault", ["one class", "strict", "cut off", "one validation"])
def test_what_a_user_must_mend_is_said_as_the_local_runner_says_it(
    fault, fasta, tmp_path, capsys
):
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


def test_a_job_that_fails_leaves_what_was_there(fasta, tmp_path, monkeypatch, capsys):
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


class Shelf(LocalFileSystem):
    """Stands for a remote filesystem: shelf://path is the local /path."""

    @classmethod
    def scheme(cls):
        return "shelf"

    def has_dirs(self):
        return True

    def join(self, basepath, *paths):
        return "/".join([basepath, *paths])

    def match(self, patterns, limits=None):
        found = super().match([local(pattern) for pattern in patterns], limits)
        for matched in found:
            for file in matched.metadata_list:
                file.path = f"shelf:/{file.path}"
        return found

    def mkdirs(self, path):
        super().mkdirs(local(path))

    def create(self, path, *arguments, **settings):
        return super().create(local(path), *arguments, **settings)

    def open(self, path, *arguments, **settings):
        return super().open(local(path), *arguments, **settings)

    def rename(self, sources, destinations):
        super().rename(list(map(local, sources)), list(map(local, destinations)))

    def exists(self, path):
        return super().exists(local(path))

    def delete(self, paths):
        for path in map(local, paths):
            shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def local(path):
    return path.replace("shelf:/", "", 1)


def test_files_may_lie_on_a_remote_filesystem(fasta, tmp_path, capsys):
    run("--sites", fasta, "--out", tmp_path / "local")
    remote = f"shelf:/{tmp_path}"
    flags = ["--sites", f"{remote}/s*.fa", "--out", f"{remote}/data", *DIRECT]
    run(*flags)
    assert_same_files(tmp_path / "local", tmp_path / "data")
    assert "is not empty" in error_of(capsys, *flags)
    (tmp_path / "data" / "notes.txt").write_text("mine")
    run(*flags, "--overwrite", "--seed", 2)
    assert read_contents(tmp_path / "data")["seed"] == 2
    assert (tmp_path / "data" / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob("*data.partial*"))


def test_a_failed_job_leaves_nothing_where_there_are_no_directories(
    fasta, tmp_path, monkeypatch, capsys
):
    def delete(_self, paths):
        # Object stores know files alone; what they are not told of stays.
        for path in filter(os.path.isfile, map(local, paths)):
            os.remove(path)

    def fail(_plan, directory):
        assert beam_files.names_in(directory)
        raise UserError("cut off")

    monkeypatch.setattr(Shelf, "delete", delete)
    monkeypatch.setattr(beam_runner, "_settle", fail)
    flags = ["--sites", fasta, "--out", f"shelf:/{tmp_path}/data", *DIRECT]
    assert "cut off" in error_of(capsys, *flags)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [fasta]


def test_what_beam_cannot_do_is_refused(fasta, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    flags = ["--out", tmp_path / "out", *DIRECT]
    assert f"{pipe} is a pipe" in error_of(capsys, "--sites", pipe, *flags)
    error = error_of(capsys, "--sites", fasta, "--workers", "2", *flags)
    assert "--workers goes with --runner local; " in error


def test_flags_that_nobody_knows_are_refused(fasta, tmp_path, capsys):
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
def test_what_cannot_be_read_or_run_is_an_error_at_once(
    arguments, words, fasta, tmp_path, capsys
):
    flags = ["--sites", fasta, "--out", tmp_path / "out", *DIRECT, *arguments]
    assert words in error_of(capsys, *flags)


def test_without_beam_the_extra_is_named(fasta, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = error_of(capsys, "--sites", fasta, "--out", tmp_path / "out", *DIRECT)
    assert "--runner DirectRunner needs Apache Beam, which is not installed" in error
    assert error.endswith("pip install 'deeprke_tf[beam]'")


# === Workers in processes of their own ===


@contextlib.contextmanager
def job_service(directory):
    """Starts Beam's own job service; yields the options of a job on it."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    module = "apache_beam.runners.portability.local_job_service_main"
    with open(directory / "service.log", "w") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port)], stdout=log, stderr=log
        )
    try:
        yield (
            *("--runner", "PortableRunner", "--job_endpoint", f"localhost:{port}"),
            *("--environment_type", "beam:env:harness_subprocess_python:v1"),
            "--environment_config",
            f"{sys.executable} -m apache_beam.runners.worker.sdk_worker_main",
        )
    finally:
        service.kill()
        service.wait()


def workers_below(pid):
    """Returns the worker processes that a process started, and theirs."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    below = []
    for child in found.stdout.split():
        with contextlib.suppress(OSError), open(f"/proc/{child}/cmdline") as file:
            words = file.read().split("\0")
            if "python" in words[0] and any("sdk_worker_main" in w for w in words):
                below.append(int(child))
        below += workers_below(child)
    return below


def n_folds(cache):
    with contextlib.closing(sqlite3.connect(cache)) as database:
        try:
            return database.execute("SELECT COUNT(*) FROM folds").fetchone()[0]
        except sqlite3.OperationalError:
            return 0


@pytest.mark.slow
def test_two_worker_processes_write_the_same_files(fasta, tmp_path):
    run("--sites", fasta, "--out", tmp_path / "local")
    options = ["--direct_num_workers", 2, "--direct_running_mode", "multi_processing"]
    run("--sites", fasta, "--out", tmp_path / "beam", *DIRECT, *options)
    assert_same_files(tmp_path / "local", tmp_path / "beam")


@pytest.mark.slow
def test_a_job_service_writes_the_same_files(fasta, tmp_path):
    run("--sites", fasta, "--out", tmp_path / "local")
    with job_service(tmp_path) as options:
        run("--sites", fasta, "--out", tmp_path / "beam", *options)
    assert_same_files(tmp_path / "local", tmp_path / "beam")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_after_a_killed_worker_nothing_looks_whole_and_the_next_run_goes_on(tmp_path):
    sequences = random_sequences(600, seed=6, shortest=90, longest=100)
    fasta = write_fasta(tmp_path / "long.fa", sequences)
    cache, out = tmp_path / "folds.sqlite", tmp_path / "out"
    flags = ["--sites", fasta, "--out", out, "--fold-cache", cache, *DIRECT]
    flags += ["--direct_num_workers", 2, "--direct_running_mode", "multi_processing"]
    command = [sys.executable, "-m", "pipelines.preprocess", *map(str, flags)]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while job.poll() is None and n_folds(cache) == 0:
        time.sleep(0.05)
    os.kill(workers_below(job.pid)[0], signal.SIGKILL)
    _said, error = job.communicate(timeout=120)
    assert job.returncode == 1
    assert "The Beam job failed" in error.splitlines()[-1]
    assert not out.exists() and not list(tmp_path.glob("*out.partial*"))
    kept = n_folds(cache)
    assert 0 < kept < 600
    result = subprocess.run(command, capture_output=True, text=True)
    assert f"counted folds_from_cache: {kept}" in result.stdout
    run("--sites", fasta, "--out", tmp_path / "local", "--fold-cache", cache)
    assert_same_files(tmp_path / "local", out)
