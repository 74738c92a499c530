"""Saved networks find their layers in a process that has built none."""

import importlib
import pkgutil
import subprocess
import sys

import keras

from deeprke_tf import networks

_REGISTERED = """
import keras
from deeprke_tf.runs import layout

layout.register_layers()
print(*keras.saving.get_custom_objects())
"""


def test_every_layer_of_the_networks_is_registered_before_loading():
    for module in pkgutil.iter_modules(networks.__path__, "deeprke_tf.networks."):
        importlib.import_module(module.name)
    layers = {
        name
        for name, layer in keras.saving.get_custom_objects().items()
        if layer.__module__.startswith("deeprke_tf.networks.")
    }
    assert "deeprke_tf>FusedLSTM" in layers
    fresh = subprocess.run(
        [sys.executable, "-c", _REGISTERED], capture_output=True, text=True, check=True
    )
    assert layers <= set(fresh.stdout.split())
