"""Networks that a newer Keras wrote."""

import zipfile

import keras
import numpy as np
import pytest

from deeprke_tf.runs import keras_files


@pytest.fixture
def saved(tmp_path):
    """A network and its file."""
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    network.save(tmp_path / "model.keras")
    return network, tmp_path / "model.keras"


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json").decode()


def test_a_file_of_the_installed_keras_is_read_itself(saved):
    _network, path = saved
    with keras_files.readable(path) as readable:
        assert readable == path


def test_a_file_of_a_newer_keras_is_read_without_settings_that_are_new(
    saved, monkeypatch
):
    network, path = saved
    monkeypatch.setattr(keras, "__version__", "3.8.0")
    with keras_files.readable(path) as readable:
        assert "quantization_config" not in config_of(readable)
        assert "input_axes" not in config_of(readable)
        loaded = keras.models.load_model(readable, compile=False, safe_mode=True)
    assert not readable.exists()
    sites = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(loaded(sites), network(sites))
