"""The convolution over k-mer vectors by table lookup."""

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.networks import kmer_conv
from deeprke_tf.networks.kmer_conv import KmerConv1D

N_IDS, SIZE = 66, 5


def layer_with_vectors(kernel_size=4, filters=3, **settings):
    keras.utils.set_random_seed(1)
    layer = KmerConv1D(N_IDS, SIZE, filters, kernel_size, **settings)
    layer.build((None, None))
    vectors = np.random.default_rng(2).normal(size=(N_IDS, SIZE))
    vectors[0] = 0
    layer.vectors.set_weights([vectors])
    layer.convolution.set_weights(
        [layer.convolution.kernel, np.arange(filters, dtype=float)]
    )
    return layer


def padded_ids(*lengths, n_padding=0):
    ids = np.zeros([len(lengths), max(lengths) + n_padding], int)
    rng = np.random.default_rng(3)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = rng.integers(1, N_IDS, length)
    return ids


def value_and_gradients(layer, function, ids):
    """Values of a function of ids, and the gradients of a sum over them."""
    with tf.GradientTape() as tape:
        y = function(ids)
        weights = tf.random.stateless_normal(tf.shape(y), [4, 5])
        loss = tf.reduce_sum(weights * tf.cast(y, tf.float32))
    variables = [weight.value for weight in layer.trainable_weights]
    return y, [tf.convert_to_tensor(g) for g in tape.gradient(loss, variables)]


@pytest.mark.parametrize("trainable_vectors", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 2, 7, 8, 40])
@pytest.mark.parametrize("lengths", [(1,), (9,), (3, 12, 30)])
def test_values_and_gradients_equal_a_convolution(
    trainable_vectors, kernel_size, lengths
):
    layer = layer_with_vectors(kernel_size, trainable_vectors=trainable_vectors)
    ids = padded_ids(*lengths)
    assert layer.has_table()
    found, gradients = value_and_gradients(layer, layer, ids)
    expected, expected_gradients = value_and_gradients(layer, layer.convolved, ids)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(gradients) == 2 + trainable_vectors
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-4)


@pytest.mark.parametrize("trainable_vectors", [False, True])
def test_padding_counts_as_zero_even_if_its_vector_is_not(trainable_vectors):
    layer = layer_with_vectors(trainable_vectors=trainable_vectors)
    ids = padded_ids(6, 9)
    expected = layer(ids).numpy()
    layer.vectors.embeddings.assign(
        np.concatenate([np.ones([1, SIZE]), layer.vectors.embeddings[1:]])
    )
    np.testing.assert_allclose(layer(ids), expected, atol=1e-6)


def test_half_precision_stays_near_full_precision():
    full = layer_with_vectors(filters=8)
    half = layer_with_vectors(filters=8, dtype="mixed_bfloat16")
    ids = padded_ids(20, 25)
    assert half(ids).dtype == tf.bfloat16
    np.testing.assert_allclose(
        tf.cast(half(ids), tf.float32), full(ids), atol=0.1, rtol=0.05
    )
    _, gradients = value_and_gradients(half, half, ids)
    _, expected = value_and_gradients(full, full, ids)
    assert [gradient.dtype for gradient in gradients] == [tf.float32, tf.float32]
    np.testing.assert_allclose(gradients[0], expected[0], atol=0.5, rtol=0.05)


def test_with_many_ids_no_table_is_made(monkeypatch):
    layer = layer_with_vectors()
    ids = padded_ids(7)
    expected = layer(ids)
    monkeypatch.setattr(kmer_conv, "MOST_IDS", N_IDS - 1)
    assert not layer.has_table()
    np.testing.assert_allclose(layer(ids), expected, atol=1e-5)


def test_a_saved_layer_loads_with_its_settings(tmp_path):
    inputs = keras.Input([None], dtype="int64")
    layer = layer_with_vectors(trainable_vectors=True, name="first")
    keras.Model(inputs, layer(inputs)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    again = loaded.get_layer("first")
    assert again.get_config() == layer.get_config()
    ids = padded_ids(7, 9)
    np.testing.assert_array_equal(loaded(ids), layer(ids))
    assert len(again.trainable_weights) == 3


def test_a_layer_that_is_gone_leaves_no_graph_behind():
    # TensorFlow keeps every graph with a gradient of its own, and all that it holds.
    def traced():
        layer = layer_with_vectors()
        signature = [tf.TensorSpec([None, None], tf.int64)]
        function = tf.function(lambda ids: layer(ids), input_signature=signature)
        return weakref.ref(function.get_concrete_function().graph)

    graph = traced()
    gc.collect()
    assert graph() is None
