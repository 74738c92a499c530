"""What loading TensorFlow says and brings with it."""

import sys

import pytest

from deeprke_tf.system import tensorflow

# While it is loaded it writes to the file descriptor and looks for JAX, as TensorFlow
# does.
PRETENDED = """
import logging
import os
os.write(2, b"noise")
try:
    import jax
except ImportError:
    jax = None
class config:
    list_physical_devices = list
def get_logger():
    return logging.getLogger("tensorflow")
"""


@pytest.fixture
def pretend(tmp_path, monkeypatch):
    """Writes a module in place of TensorFlow, beside an empty one in place of JAX."""
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # Undone at the end.
    for name in ("tensorflow", "jax"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
        (tmp_path / f"{name}.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return (tmp_path / "tensorflow.py").write_text


@pytest.mark.parametrize(("verbose", "heard"), [(False, ""), (True, "noise")])
def test_tensorflow_is_heard_if_asked_for(verbose, heard, pretend, capfd):
    pretend(PRETENDED)
    tensorflow.import_tensorflow(verbose)
    assert capfd.readouterr().err == heard


def test_tensorflow_is_heard_where_it_cannot_be_loaded(pretend, capfd):
    pretend("import os; os.write(2, b'no such library'); raise OSError")
    with pytest.raises(OSError):
        tensorflow.import_tensorflow()
    assert capfd.readouterr().err == "no such library"


def test_jax_is_not_loaded_with_tensorflow(pretend, tmp_path):
    pretend(PRETENDED)
    tensorflow.import_tensorflow()
    assert sys.modules["tensorflow"].jax is None
    import jax

    assert jax.__file__ == str(tmp_path / "jax.py")
