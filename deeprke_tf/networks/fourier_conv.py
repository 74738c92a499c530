"""A convolution that Keras computes by Fourier transforms, on CPUs."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from deeprke_tf.networks import fourier
from deeprke_tf.networks.devices import is_on_cpu

# Transforms grow with the square of the length. They pay while their operations are at
# most this fraction of the direct ones, of which a processor does more in a second.
_WORTH = 0.75
# Positions. Where they pay for shorter sites only, the direct way alone is traced.
_LEAST = 32


@keras.saving.register_keras_serializable("deeprke_tf")
class FourierConv1D(layers.Conv1D):
    """A `Conv1D` with stride 1 and padding "same"; its results are the same.

    Args:
      filters: As for `Conv1D`.
      kernel_size: As for `Conv1D`.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        super().__init__(filters, kernel_size, **{**kwargs, "padding": "same"})

    def call(self, inputs: Any) -> Any:
        """Returns the convolution, float [batch, length, filters]."""
        longest = _longest(*self.kernel.shape)
        # Half precision would lose what large frequencies differ by.
        if self.compute_dtype != "float32" or not longest or not is_on_cpu():
            return super().call(inputs)
        return tf.cond(
            tf.convert_to_tensor(ops.shape(inputs)[1] <= longest),
            lambda: _by_transforms(inputs, self.kernel) + self.bias,
            lambda: layers.Conv1D.call(self, inputs),
        )


def with_fourier_convolutions(network: keras.Model) -> keras.Model:
    """Returns a network of an earlier version with the convolutions of this one.

    Args:
      network: Result of `deeprke.build_model`, uncompiled.
    """
    if not any(type(layer) is layers.Conv1D for layer in network.layers):
        return network

    def renewed(layer: keras.Layer) -> keras.Layer:
        is_plain = type(layer) is layers.Conv1D
        kind = FourierConv1D if is_plain else type(layer)
        return kind.from_config(layer.get_config())

    renewed_network = keras.models.clone_model(network, clone_function=renewed)
    renewed_network.set_weights(network.get_weights())
    return renewed_network


def _longest(kernel_size: int, channels: int, filters: int) -> int:
    """Returns the length up to which transforms pay; 0: never."""
    direct = kernel_size * channels * filters
    of_position = channels + filters  # one row of a transform, forth and back
    spared = _WORTH * direct - 1.5 * channels * filters
    longest = round(spared / (1.5 * of_position))
    return longest if longest >= _LEAST else 0


def _by_transforms(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    kernel_size, channels, filters = kernel.shape
    batch, length, _channels = tf.unstack(tf.shape(x))
    matrices = fourier.transforms(length, kernel_size, ops)
    x = tf.reshape(tf.transpose(x, [1, 0, 2]), [length, -1])
    waves = tf.reshape(tf.matmul(matrices.of_input, x), [-1, batch, channels])
    by_row = tf.matmul(matrices.of_kernel, tf.reshape(kernel, [kernel_size, -1]))
    products = tf.matmul(waves, tf.reshape(by_row, [-1, channels, filters]))
    products = tf.reshape(products, [-1, batch * filters])
    y = tf.matmul(matrices.after, products, transpose_a=True)
    return tf.transpose(tf.reshape(y, [length, batch, filters]), [1, 0, 2])
