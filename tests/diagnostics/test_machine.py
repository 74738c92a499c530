import os
import shutil

import pytest

from deeprke_tf.diagnostics import examination, machine
from deeprke_tf.diagnostics.machine import Finding
from deeprke_tf.errors import UserError

GPU = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"


def test_gpus_are_listed_by_nvidia_smi(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{GPU}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert machine.system_gpus() == [GPU]


def test_a_full_disk_is_an_error(monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    _cache, *disks = machine.cache_and_disks(tmp_path / "new" / "folds.sqlite")
    assert [disk.observed for disk in disks] == ["1.0 GB free"] * 2
    assert disks[0].advice == f"make room on the disk of {tmp_path}"


def test_a_cache_that_cannot_be_written_to_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = machine.cache_and_disks(tmp_path / "folds.sqlite")[0]
    assert found.advice.endswith("set DEEPRKE_CACHE to another directory")


def test_no_place_for_a_cache_is_an_error():
    (found,) = machine.cache_and_disks(None)
    assert found.advice.startswith("set DEEPRKE_CACHE to a directory")


def test_the_size_of_the_cache_includes_the_files_of_sqlite(tmp_path):
    (tmp_path / "folds.sqlite").write_bytes(bytes(2_000_000))
    (tmp_path / "folds.sqlite-wal").write_bytes(bytes(1_000_000))
    found = machine.cache_and_disks(tmp_path / "folds.sqlite")[0]
    assert found == Finding("fold cache", f"{tmp_path / 'folds.sqlite'}, 3.0 MB")


def test_a_missing_package_is_an_error():
    assert machine.versions(["no-such-package"])[-1] == Finding(
        "no-such-package", "missing", "install it: pip install no-such-package"
    )


def test_a_wrong_fold_of_viennarna_is_an_error(monkeypatch):
    assert not machine.viennarna().advice
    monkeypatch.setattr("deeprke_tf.rna.structure.fold", lambda _rna: ("." * 12, 0.0))
    assert "GGGGAAAACCCC folds into ............" in machine.viennarna().advice


@pytest.mark.parametrize("name", ["seconds", "batch_size"])
def test_a_setting_out_of_range_is_refused(name):
    with pytest.raises(UserError, match=f"`{name}` must be above 0, got 0"):
        next(examination.examine(**{name: 0}))
