"""The networks on another backend of Keras than TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.support.small_models import (
    CONFIGS,
    batch_of,
    compiled_scorer,
    random_sites,
    trained_model,
)

# It has all that could differ: both views, BiLSTM, positional embedding, k-mer counts
# and batch normalization.
NAME = "positions, narrow union, k-mer counts"

# Loads the network on JAX, scores the same sites, and trains it for a step.
ON_JAX = """
import pathlib, sys
sys.modules["tensorflow"] = None
import jax
import keras
import numpy as np
from deeprke_tf.networks import kmer_conv, kmer_counts, positions, vmap_layers

directory = pathlib.Path(sys.argv[1])
batch = dict(np.load(directory / "batch.npz"))
model = keras.models.load_model(directory / "model.keras", compile=False)
# Compiled as a whole: step by step JAX would compile each operation alone.
score = jax.jit(lambda batch: model(batch, training=False))
probabilities = np.asarray(score(batch))
np.save(directory / "on_jax.npy", probabilities)
model.compile("adam", "binary_crossentropy")
loss = model.train_on_batch(batch, np.ones(len(probabilities)))
assert np.isfinite(loss), loss
"""


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None,
    reason="JAX is not installed: pip install 'deeprke_tf[jax]'",
)
def test_a_network_gives_the_same_probabilities_on_jax_and_can_be_trained(tmp_path):
    model = trained_model(NAME)
    batch = batch_of(random_sites([30, 1, 7, 40, 2]), CONFIGS[NAME].views)
    np.savez(tmp_path / "batch.npz", **{k: np.asarray(v) for k, v in batch.items()})
    expected = compiled_scorer(model)(batch)
    model.save(tmp_path / "model.keras")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path)],
        env=os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    on_jax = np.load(tmp_path / "on_jax.npy")[:, 0]
    np.testing.assert_allclose(on_jax, expected, atol=1e-5)
