import dataclasses
import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest

from deeprke_tf.networks.saved_weights import SavedNetwork
from deeprke_tf.networks.window_convolution import WindowConvolution
from deeprke_tf.networks.window_network import WindowNetwork, is_possible
from tests.support.small_models import CONFIGS, random_sites, tiny, tiny_model
from tests.support.small_models import batch_of as padded

SHAPES = {
    "no-structure": CONFIGS["no-structure"],
    "cnn-only": dataclasses.replace(CONFIGS["cnn-only"], structure=False),
    "deeprke": dataclasses.replace(
        tiny(CONFIGS["no-structure"]),
        filters=(5,),
        kernel_sizes=(8,),
        union_filters=(4, 3),
        union_kernel_sizes=(6, 5),
        union_size=4,
        union_mean=0.5,
        position_size=3,
        kmer_weight=0.3,
    ),
}


@functools.cache
def model_of(name):
    return tiny_model(SHAPES[name])


@functools.cache
def weights_of(name):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.keras"
        model_of(name).save(path)
        return SavedNetwork(path).weights()


@pytest.mark.parametrize(("length", "size"), [(50, 16), (25, 16), (7, 3), (3, 8)])
def test_a_fourier_convolution_is_a_convolution_pooled(length, size):
    rng = np.random.default_rng(length)
    x = rng.normal(size=(length, 2, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, 3, 4)).astype(np.float32)
    bias = rng.normal(size=4).astype(np.float32)
    before = (size - 1) // 2
    around = np.pad(x, [(before, size), (0, 0), (0, 0)])
    plain = sum(around[j : j + length] @ kernel[j] for j in range(size)) + bias
    pairs = np.pad(plain, [(0, length % 2), (0, 0), (0, 0)]).reshape(-1, 2, 2, 4)
    found = WindowConvolution(kernel, bias, length)(x)
    np.testing.assert_allclose(found, np.maximum(pairs.max(axis=1), 0), atol=1e-4)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    ("n_kmers", "stride"), [(19, 5), (20, 3), (4, 2), (2, 1), (7, 7), (6, 9)]
)
def test_windows_have_the_probabilities_that_they_have_alone(name, n_kmers, stride):
    config, model = SHAPES[name], model_of(name)
    (stretch,) = random_sites([n_kmers + 11 * stride])
    ids = stretch["sequence_kmers"]
    alone = [
        {"sequence_kmers": ids[start : start + n_kmers]}
        for start in range(0, 12 * stride, stride)
    ]
    expected = model(padded(alone, config.views), training=False)[:, 0]
    assert is_possible(weights_of(name), config, n_kmers)
    network = WindowNetwork(weights_of(name), config, n_kmers, stride)
    np.testing.assert_allclose(network(ids, 12), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["paper", "batch-norm"])
def test_other_networks_must_see_each_window_alone(name):
    assert not is_possible({}, CONFIGS[name], 19)


def test_very_long_windows_are_seen_alone():
    weights = weights_of("deeprke")
    assert is_possible(weights, SHAPES["deeprke"], 500)
    assert not is_possible(weights, SHAPES["deeprke"], 5_000)
