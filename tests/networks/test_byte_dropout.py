import keras
import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.networks.byte_dropout import ByteDropout


def dropped(rate, n_calls=1, shape=(64, 50, 33), seed=1):
    layer = ByteDropout(rate, seed=seed)
    return np.stack([layer(tf.ones(shape), training=True) for _ in range(n_calls)])


@pytest.mark.parametrize("rate", [0.002, 0.2, 0.5, 0.99])
def test_the_rate_is_exact_on_average(rate):
    x = dropped(rate, n_calls=200, shape=(10_007,))
    n = x.size
    # The rounding of a call is shared by its values.
    error = np.sqrt(rate * (1 - rate) / n + 0.25 / 256**2 / len(x))
    assert np.mean(x == 0) == pytest.approx(rate, abs=4 * error)


def test_what_is_left_keeps_the_mean():
    for x in dropped(0.2, n_calls=5):
        fraction = np.mean(x == 0)
        (left,) = np.unique(x[x > 0])
        assert left == pytest.approx(1 / (1 - fraction), rel=0.01)
        assert min(abs(left - 256 / 205), abs(left - 256 / 204)) < 1e-5


def test_values_are_dropped_independently():
    (x,) = dropped(0.2)
    is_left = x > 0
    for axis in range(3):
        fractions = is_left.mean(axis=axis)
        n = x.shape[axis]
        # The variance is that of independent draws.
        assert fractions.var() == pytest.approx(0.16 / n, rel=0.1)


def test_a_seed_gives_the_same_values_and_each_call_others():
    first, second = dropped(0.2, n_calls=2)
    np.testing.assert_array_equal(dropped(0.2), [first])
    assert not np.array_equal(first, second)
    assert not np.array_equal(dropped(0.2, seed=2)[0], first)


def test_prediction_drops_nothing_and_gradients_are_those_of_what_is_left():
    layer, x = ByteDropout(0.3, seed=1), tf.ones([7, 5])
    np.testing.assert_array_equal(layer(x), x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_half_precision_stays():
    y = ByteDropout(0.3, dtype="mixed_bfloat16")(tf.ones([7, 5]), training=True)
    assert y.dtype == tf.bfloat16


def test_a_saved_network_has_the_layer(tmp_path):
    model = keras.Sequential([keras.Input([3]), ByteDropout(0.4)])
    model.save(tmp_path / "model.keras")
    (layer,) = keras.models.load_model(tmp_path / "model.keras").layers
    assert isinstance(layer, ByteDropout) and layer.rate == 0.4
