import dataclasses
import os
import shutil

import keras
import pytest
import tensorflow as tf

from deeprke_tf import doctor
from deeprke_tf.diagnostics import devices
from deeprke_tf.doctor import Finding
from deeprke_tf.errors import UserError
from tests.support.small_models import CONFIGS

GPU = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)"


@pytest.fixture
def small(monkeypatch):
    """A network of a few units and no BiLSTM, so that a step takes no time."""
    monkeypatch.setattr(devices, "ModelConfig", lambda: CONFIGS["cnn-only"])


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(devices, "timed_devices", lambda *_: [])
    speed = Finding("throughput", "9 sites/s")
    monkeypatch.setattr(devices, "throughput", lambda *_: speed)


def test_a_machine_without_gpu_is_well(small, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doctor, "system_gpus", list)
    cache = tmp_path / "folds.sqlite"
    flags = ["--seconds", "0.1", "--batch-size", "4", "--fold-cache", str(cache)]
    assert doctor.main(flags) == 0
    said = capsys.readouterr()
    assert not said.err
    lines = said.out.splitlines()
    seen = {line[3:17].strip(): line[17:] for line in lines}
    assert seen["tensorflow"] == tf.__version__ and seen["keras"] == keras.__version__
    assert seen["fold cache"] == f"{cache}, not begun"
    assert "used, a step of 4 sites in" in seen["CPU:0"]
    assert "probability float32" in seen["CPU:0"]
    assert "sites/s trained on CPU:0, 101 nt each, preset paper" in seen["throughput"]
    assert lines[-1] == "   all is well"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("hidden", "with_cuda", "advice"),
    [
        ("", True, "CUDA_VISIBLE_DEVICES='' hides it: unset the variable."),
        ("-1", True, "CUDA_VISIBLE_DEVICES='-1' hides it"),
        (None, False, "this TensorFlow is built without CUDA: install the package"),
        (None, True, "pip install 'tensorflow[and-cuda]=="),
        ("0", True, "pip install 'tensorflow[and-cuda]=="),
    ],
)
def test_a_gpu_that_tensorflow_does_not_use_is_an_error_that_says_what_to_do(
    hidden, with_cuda, advice, no_training, monkeypatch, capsys
):
    monkeypatch.setattr(doctor, "system_gpus", lambda: [GPU])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [])
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: with_cuda)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr(
        "deeprke_tf.system.tensorflow.import_tensorflow", lambda _verbose: None
    )
    assert doctor.main([]) == 1
    said = capsys.readouterr()
    assert "!! GPUs          1, of which TensorFlow uses 0" in said.out
    assert GPU in said.out and "all is well" not in said.out
    assert said.err.startswith("deeprke doctor: error: GPUs: there is a GPU, but ")
    assert advice in said.err


def test_a_gpu_that_is_used_is_well(monkeypatch):
    gpu = tf.config.PhysicalDevice("GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [gpu])
    found, name = devices.gpus([GPU])
    assert found == Finding("GPUs", "1, of which TensorFlow uses 1")
    assert name.seen == GPU


def test_a_device_that_is_listed_but_does_not_compute_is_an_error(small, monkeypatch):
    elsewhere = tf.constant(1.0)
    monkeypatch.setattr(devices, "_stepper", lambda *_: (None, elsewhere))
    found = devices._timed_device("GPU:0", 4, 20)
    assert found.seen.startswith("not used: the result lies on /job:localhost")
    assert "computes elsewhere" in found.advice


def test_a_device_on_which_training_fails_is_an_error(monkeypatch):
    def fail(*_arguments):
        raise tf.errors.InternalError(None, None, "no kernel image\nstack")

    monkeypatch.setattr(devices, "_stepper", fail)
    found = devices._timed_device("CPU:0", 4, 20)
    assert (found.seen, bool(found.advice)) == ("fails: no kernel image", True)


def test_gpus_are_those_that_nvidia_smi_lists(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{GPU}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert doctor.system_gpus() == [GPU]


def test_a_full_disk_is_an_error(monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    _cache, *disks = doctor._cache_and_disk(tmp_path / "new" / "folds.sqlite")
    assert [disk.seen for disk in disks] == ["1.0 GB free"] * 2
    assert disks[0].advice == f"make room on the disk of {tmp_path}"


def test_a_cache_that_cannot_be_written_to_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda *_: False)
    found = doctor._cache_and_disk(tmp_path / "folds.sqlite")[0]
    assert found.advice.endswith("set DEEPRKE_CACHE to another directory")


def test_the_size_of_the_cache_is_that_of_all_its_files(tmp_path):
    (tmp_path / "folds.sqlite").write_bytes(bytes(2_000_000))
    (tmp_path / "folds.sqlite-wal").write_bytes(bytes(1_000_000))
    found = doctor._cache_and_disk(tmp_path / "folds.sqlite")[0]
    assert found == Finding("fold cache", f"{tmp_path / 'folds.sqlite'}, 3.0 MB")


def test_a_package_that_is_missing_is_an_error(monkeypatch):
    monkeypatch.setattr(doctor, "_PACKAGES", ("no-such-package",))
    found = doctor._versions()[-1]
    assert found == Finding(
        "no-such-package", "missing", "install it: pip install no-such-package"
    )


def test_viennarna_that_folds_otherwise_is_an_error(monkeypatch):
    assert not doctor._viennarna()[0].advice
    monkeypatch.setattr("deeprke_tf.rna.structure.fold", lambda _rna: ("." * 12, 0.0))
    assert "GGGGAAAACCCC folds into ............" in doctor._viennarna()[0].advice


@pytest.mark.parametrize("flag", ["seconds", "batch_size"])
def test_nonsense_is_refused(flag):
    with pytest.raises(UserError, match=f"{flag} must be above 0, got 0"):
        dataclasses.replace(doctor.DoctorFlags(), **{flag: 0})
