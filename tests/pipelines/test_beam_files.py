"""Beam jobs on files of a filesystem that is not the local one."""

import os
import shutil

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from apache_beam.io.localfilesystem import LocalFileSystem

from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from pipelines.beam import files as beam_files
from tests.support.beam import (
    DIRECT,
    assert_same_files,
    error_of,
    run,
)

pytest_plugins = ["tests.support.beam"]


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
    assert description.read(tmp_path / "data").contents["seed"] == 2
    assert (tmp_path / "data" / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob("*data.partial*"))


def test_a_failed_job_leaves_nothing_where_there_are_no_directories(
    fasta, tmp_path, monkeypatch, capsys
):
    def delete(_self, paths):
        # Object stores know only files; files that are not deleted stay.
        for path in filter(os.path.isfile, map(local, paths)):
            os.remove(path)

    def fail(directory):
        assert beam_files.names_in(directory)
        raise UserError("cut off")

    monkeypatch.setattr(Shelf, "delete", delete)
    monkeypatch.setattr(beam_files, "take_summary", fail)
    flags = ["--sites", fasta, "--out", f"shelf:/{tmp_path}/data", *DIRECT]
    assert "cut off" in error_of(capsys, *flags)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [fasta]
