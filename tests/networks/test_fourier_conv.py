import keras
import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.networks import blocks, fourier_conv
from deeprke_tf.networks.fourier_conv import FourierConv1D
from tests.support.small_models import CONFIGS, batch_of, random_sites, tiny_model


def pair(kernel_size, channels=40, filters=30, **kwargs):
    """Returns the layer and a plain convolution of the same weights."""
    fourier = FourierConv1D(filters, kernel_size, **kwargs)
    plain = keras.layers.Conv1D(filters, kernel_size, padding="same")
    for layer in (fourier, plain):
        layer.build((None, None, channels))
    rng = np.random.default_rng(kernel_size)
    plain.set_weights([0.1 * rng.normal(size=w.shape) for w in plain.weights])
    fourier.set_weights(plain.get_weights())
    return fourier, plain


def inputs(length, channels=40):
    rng = np.random.default_rng(length)
    return tf.constant(rng.normal(size=[3, length, channels]), tf.float32)


@pytest.fixture
def by_transforms(monkeypatch):
    """Tells how often transforms were used, and how often the direct way."""
    counts = {True: 0, False: 0}

    def cond(condition, if_true, if_false):
        counts[bool(condition)] += 1
        return if_true() if condition else if_false()

    monkeypatch.setattr(fourier_conv.tf, "cond", cond)
    return counts


@pytest.mark.parametrize("kernel_size", [8, 15, 16])
@pytest.mark.parametrize("length", [1, 2, 7, 8, 16])
def test_it_is_a_convolution(by_transforms, length, kernel_size):
    fourier, plain = pair(kernel_size)
    x = inputs(length)
    np.testing.assert_allclose(fourier(x), plain(x), atol=5e-5)
    assert by_transforms[True] and not by_transforms[False]


def test_gradients_are_those_of_a_convolution(by_transforms):
    fourier, plain = pair(16)
    x = inputs(25)
    found, expected = [], []
    for layer, gradients in ((fourier, found), (plain, expected)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(layer(x)))
        gradients += tape.gradient(loss, [x, *layer.weights])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    assert by_transforms[True]


def test_long_sites_go_the_direct_way(by_transforms):
    fourier, plain = pair(16)
    x = inputs(400)
    np.testing.assert_array_equal(fourier(x), plain(x))
    assert by_transforms == {True: 0, False: 1}


@pytest.mark.parametrize("kwargs", [{"dtype": "mixed_bfloat16"}, {"kernel_size": 2}])
def test_half_precision_and_small_kernels_go_the_direct_way(by_transforms, kwargs):
    fourier, _plain = pair(**{"kernel_size": 16, **kwargs})
    fourier(inputs(10))
    assert not any(by_transforms.values())


def test_one_graph_serves_all_lengths():
    fourier, plain = pair(16)
    traced = tf.function(fourier, input_signature=[tf.TensorSpec([None, None, 40])])
    for length in (3, 60, 400):
        x = inputs(length)
        np.testing.assert_allclose(traced(x), plain(x), atol=1e-4)


def test_a_saved_network_has_the_layer(tmp_path):
    model = keras.Sequential([keras.Input([None, 40]), pair(16)[0]])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.layers[0], FourierConv1D)
    x = inputs(20)
    np.testing.assert_array_equal(model(x), loaded(x))


@pytest.mark.parametrize("name", ["paper", "batch-norm"])
def test_networks_of_earlier_versions_get_the_layer(name, monkeypatch):
    def plain(*args, **kwargs):
        return keras.layers.Conv1D(*args, padding="same", **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(blocks, "FourierConv1D", plain)
        old = tiny_model(CONFIGS[name])
    new = fourier_conv.with_fourier_convolutions(old)
    kinds = {type(layer) for layer in new.layers}
    assert FourierConv1D in kinds and keras.layers.Conv1D not in kinds
    batch = batch_of(random_sites([19, 7, 12]), CONFIGS[name].views)
    np.testing.assert_allclose(new(batch), old(batch), atol=1e-6)
    assert fourier_conv.with_fourier_convolutions(new) is new
