"""The networks on another backend of Keras than TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.small_models import (
    batch_of,
    compiled_scorer,
    random_sites,
    trained_model,
)

NAMES = ("batch-norm, cnn-only", "positions")

# Loads each network on JAX, scores the same sites, and trains the last for a step.
ON_JAX = """
import pathlib, sys
sys.modules["tensorflow"] = None
import jax
import keras
import numpy as np
from deeprke_tf import kmer_conv, positions, vmap_layers

directory = pathlib.Path(sys.argv[1])
batch = dict(np.load(directory / "batch.npz"))
for path in sorted(directory.glob("*.keras")):
    model = keras.models.load_model(path, compile=False)
    inputs = {tensor.name: batch[tensor.name] for tensor in model.inputs}
    # Compiled as a whole: step by step JAX would compile each operation alone.
    score = jax.jit(lambda batch, model=model: model(batch, training=False))
    probabilities = np.asarray(score(inputs))
    np.savez(path.with_suffix(".npz"), probabilities=probabilities)
model.compile("adam", "binary_crossentropy")
loss = model.train_on_batch(inputs, np.ones(len(probabilities)))
assert np.isfinite(loss), loss
"""


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="JAX is not installed: pip install 'deeprke_tf[jax]'",
)
def test_a_network_gives_the_same_probabilities_on_jax_and_can_be_trained(tmp_path):
    sites = random_sites([30, 1, 7, 40, 2])
    batch = batch_of(sites, ["sequence_kmers", "structure_kmers"])
    np.savez(tmp_path / "batch.npz", **{k: np.asarray(v) for k, v in batch.items()})
    expected = {}
    for number, name in enumerate(NAMES):
        model = trained_model(name)
        views = [tensor.name for tensor in model.inputs]
        expected[number] = compiled_scorer(model)(batch_of(sites, views))
        model.save(tmp_path / f"{number}.keras")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for number, probabilities in expected.items():
        on_jax = np.load(tmp_path / f"{number}.npz")
        np.testing.assert_allclose(
            on_jax["probabilities"][:, 0],
            probabilities,
            atol=1e-5,
            err_msg=NAMES[number],
        )
