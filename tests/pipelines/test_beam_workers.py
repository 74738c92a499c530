"""Beam jobs whose workers are processes of their own."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from tests.support.beam import (
    DIRECT,
    assert_same_files,
    random_sequences,
    run,
    write_fasta,
)

pytest_plugins = ["tests.support.beam"]


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
def test_after_a_killed_worker_nothing_is_written_and_folds_are_kept(tmp_path):
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
