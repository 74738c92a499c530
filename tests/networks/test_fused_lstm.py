"""The LSTM in one operation against that of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deeprke_tf.networks.fused_lstm import FusedLSTM

_LENGTHS = [13, 1, 0, 7, 12]


@pytest.fixture(scope="module")
def sites():
    """Sites padded at their end with numbers that must not matter, and their mask."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(len(_LENGTHS), 13, 6)).astype(np.float32)
    return tf.constant(x), tf.range(13) < tf.constant(_LENGTHS)[:, tf.newaxis]


def _bilstm(lstm_class, dtype="float32"):
    inputs = keras.Input([None, 6]), keras.Input([None], dtype="bool")
    lstm = lstm_class(5, name="lstm", dtype=dtype)
    bilstm = layers.Bidirectional(lstm, name="bilstm", dtype=dtype)
    return keras.Model(inputs, bilstm(inputs[0], mask=inputs[1]))


@pytest.fixture(scope="module")
def reference():
    model = _bilstm(layers.LSTM)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def _gradients(model, x, mask):
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.square(model([x, mask])))
    return tape.gradient(loss, [x, *model.trainable_variables])


def test_outputs_and_gradients_are_those_of_keras(reference, sites):
    fused = _bilstm(FusedLSTM)
    fused.set_weights(reference.get_weights())
    np.testing.assert_allclose(fused(sites), reference(sites), atol=1e-6)
    for ours, theirs in zip(
        _gradients(fused, *sites), _gradients(reference, *sites), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_length_of_a_batch_may_be_unknown(reference, sites):
    fused = _bilstm(FusedLSTM)
    fused.set_weights(reference.get_weights())
    np.testing.assert_allclose(
        fused.predict([*map(np.asarray, sites)], batch_size=3, verbose=0),
        reference(sites),
        atol=1e-6,
    )


def test_it_computes_in_half_precision_too(reference, sites):
    fused = _bilstm(FusedLSTM, "mixed_bfloat16")
    fused.set_weights(reference.get_weights())
    output = fused(sites)
    assert output.dtype == "bfloat16"
    np.testing.assert_allclose(tf.cast(output, "float32"), reference(sites), atol=0.05)


def test_a_saved_network_keeps_it(reference, sites, tmp_path):
    fused = _bilstm(FusedLSTM)
    fused.set_weights(reference.get_weights())
    fused.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.get_layer("bilstm").backward_layer, FusedLSTM)
    np.testing.assert_allclose(again(sites), fused(sites), atol=0)
