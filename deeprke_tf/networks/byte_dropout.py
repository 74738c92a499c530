"""Dropout with a random byte for each value, in place of a random float.

Drawing the floats of one dropout took a tenth of a training step.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers

_BYTES = 4  # of a random number
_VALUES = 256  # of a byte


@keras.saving.register_keras_serializable("deeprke_tf")
class ByteDropout(layers.Dropout):
    """A `Dropout`; a call drops a multiple of 1/256, on average exactly the rate.

    Args:
      rate: Fraction of the values that become 0, below 1.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the inputs or, in training, those left, scaled to the same mean."""
        if not training or not self.rate:
            return inputs
        size = tf.size(inputs)
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        numbers = tf.random.stateless_uniform(
            [size // _BYTES + 2], seed, minval=None, maxval=None, dtype=tf.int32
        )
        # The last number rounds the rate up or down to a byte, by its own odds.
        rounding = tf.cast(numbers[-1], tf.float32) / 2**32 + 0.5
        n_dropped = tf.floor(self.rate * _VALUES + rounding)
        n_dropped = tf.minimum(n_dropped, _VALUES - 1)
        drawn = tf.reshape(tf.bitcast(numbers, tf.int8), [-1])[:size]
        is_left = drawn >= tf.cast(n_dropped - _VALUES // 2, tf.int8)
        scale = tf.cast(_VALUES / (_VALUES - n_dropped), inputs.dtype)
        left = tf.cast(tf.reshape(is_left, tf.shape(inputs)), inputs.dtype)
        return inputs * (left * scale)
