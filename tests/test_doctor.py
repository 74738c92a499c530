import keras
import pytest
import tensorflow as tf

from deeprke_tf import doctor
from deeprke_tf.diagnostics import devices, machine
from deeprke_tf.diagnostics.machine import Finding
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


def test_a_machine_without_a_gpu_is_all_right(small, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine, "system_gpus", list)
    cache = tmp_path / "folds.sqlite"
    flags = ["--seconds", "0.1", "--batch-size", "4", "--fold-cache", str(cache)]
    assert doctor.main(flags) == 0
    shown = capsys.readouterr()
    assert not shown.err
    lines = shown.out.splitlines()
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
    monkeypatch.setattr(machine, "system_gpus", lambda: [GPU])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [])
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: with_cuda)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    monkeypatch.setattr(
        "deeprke_tf.system.tensorflow.import_tensorflow", lambda _verbose: None
    )
    assert doctor.main([]) == 1
    shown = capsys.readouterr()
    assert "!! GPUs          1, of which TensorFlow uses 0" in shown.out
    assert GPU in shown.out and "all is well" not in shown.out
    assert shown.err.startswith("deeprke doctor: error: GPUs: there is a GPU, but ")
    assert advice in shown.err


def test_a_wrong_flag_ends_with_one_line(capsys):
    assert doctor.main(["--batch-size", "0"]) == 1
    expected = "deeprke doctor: error: --batch-size must be above 0, got 0.\n"
    assert capsys.readouterr() == ("", expected)
