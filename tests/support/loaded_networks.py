"""Networks of runs, loaded and compiled once in a process.

Many tests load the same few runs; to load a network and to compile it takes a second.
Whether its file is whole is checked each time, before it is loaded.
"""

import contextlib
import functools
from pathlib import Path

import keras
import pytest

from deeprke_tf.runs import layout, scorer
from deeprke_tf.system import files

_MOST = 12  # networks kept in memory


@contextlib.contextmanager
def loaded_once():
    """Lets runs share the network of one file, and what it was compiled to."""
    load, compile_network = keras.models.load_model, scorer.scorer
    networks = {}

    @functools.wraps(load)
    def load_once(path, **settings):
        if Path(path).name != layout.MODEL or settings.get("compile", True):
            return load(path, **settings)
        digest = files.sha256(Path(path))
        if digest not in networks:
            if len(networks) == _MOST:
                del networks[next(iter(networks))]
            networks[digest] = load(path, **settings)
        return networks[digest]

    def compile_once(model):
        # Kept by the network, so that both are freed together.
        if "compiled_once" not in vars(model):
            vars(model)["compiled_once"] = compile_network(model)
        return vars(model)["compiled_once"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.models, "load_model", load_once)
        patch.setattr(scorer, "scorer", compile_once)
        yield
