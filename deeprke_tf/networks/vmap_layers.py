"""Convolution and pooling that are fast where `jax.vmap` maps over several networks.

They stay as long as published results rest on the JAX fleet (`deeprke_tf.fleets`); then
Keras's own layers take their place. The fleet trains networks of one shape together:
`vmap` over their weights makes grouped convolutions, slow on GPUs, and windowed maxima
with slow gradients. A matrix product and a maximum over pairs stay fast. On other
backends these are Keras's own layers.
"""

from typing import Any

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("deeprke_tf")
class Conv1D(layers.Conv1D):
    """A convolution with stride 1 and padding "same"."""

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any):
        super().__init__(filters, kernel_size, **kwargs | {"padding": "same"})

    def call(self, x: Any) -> Any:
        """Returns float [batch, length, filters] of float [batch, length, channels]."""
        if keras.backend.backend() != "jax":
            return super().call(x)
        (size,) = self.kernel_size
        before = (size - 1) // 2
        length = ops.shape(x)[1]
        x = ops.pad(x, [[0, 0], [before, size - 1 - before], [0, 0]])
        shifted = [x[:, i : i + length] for i in range(size)]
        kernel = ops.reshape(self.kernel, [-1, self.filters])
        return ops.matmul(ops.concatenate(shifted, axis=-1), kernel) + self.bias


@keras.saving.register_keras_serializable("deeprke_tf")
class HalvingMaxPooling1D(layers.MaxPooling1D):
    """The maximum of each pair of neighbors; a last single position pairs with 0."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs | {"pool_size": 2, "padding": "same"})

    def call(self, x: Any) -> Any:
        """Returns float [batch, length / 2, channels], the length rounded up."""
        if keras.backend.backend() != "jax":
            return super().call(x)
        length, channels = ops.shape(x)[1:]
        x = ops.pad(x, [[0, 0], [0, length % 2], [0, 0]])
        return ops.max(ops.reshape(x, [-1, (length + 1) // 2, 2, channels]), axis=2)
