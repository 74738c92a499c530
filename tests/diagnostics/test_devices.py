import pytest
import tensorflow as tf

from deeprke_tf.diagnostics import devices
from deeprke_tf.diagnostics.machine import Finding


def test_a_gpu_in_use_is_no_error(monkeypatch):
    gpu = tf.config.PhysicalDevice("GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _kind: [gpu])
    assert devices.gpus(["GPU 0: NVIDIA H100"]) == [
        Finding("GPUs", "1, of which TensorFlow uses 1"),
        Finding("", "GPU 0: NVIDIA H100"),
    ]


def test_a_device_that_does_not_compute_is_an_error(monkeypatch):
    elsewhere = tf.constant(1.0)
    monkeypatch.setattr(devices, "training_step", lambda *_: (None, elsewhere))
    found = devices.timed_device("GPU:0", 4)
    assert found.observed.startswith("not used: the result lies on /job:localhost")
    assert "computes elsewhere" in found.advice


@pytest.mark.parametrize("message", ["no kernel image\nstack", "no kernel image"])
def test_a_device_on_which_training_fails_is_an_error(message, monkeypatch):
    def fail(*_arguments):
        raise tf.errors.InternalError(None, None, message)

    monkeypatch.setattr(devices, "training_step", fail)
    found = devices.timed_device("CPU:0", 4)
    assert found.observed == "fails: no kernel image"
    assert found.advice
