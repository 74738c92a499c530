"""An LSTM that TensorFlow computes on CPUs by one operation for all positions.

Keras loops over the positions, by some thousand small operations in a training step of
the networks here, and has as many to trace. The results are the same, apart from
rounding.
"""

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from deeprke_tf.networks.devices import is_on_cpu


@keras.saving.register_keras_serializable("deeprke_tf")
class FusedLSTM(layers.LSTM):
    """An LSTM that returns its last state, for sites padded at their end.

    Args:
      units: Size of the state.
    """

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Returns the state after the last position of each site, as Keras expects it.

        Args:
          sequences: float [batch, length, channels].
          initial_state: Two of float [batch, units], zero.
          mask: bool [batch, length], True in the first positions, those of the site.
          training: Not used.
        """
        if mask is None or not is_on_cpu():
            return super().inner_loop(sequences, initial_state, mask, training)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        x, output, state = (
            tf.cast(tensor, tf.float32) for tensor in (sequences, *initial_state)
        )
        if self.go_backwards:
            x = tf.reverse_sequence(x, lengths, seq_axis=1)
        kernel = tf.concat([self.cell.kernel, self.cell.recurrent_kernel], axis=0)
        no_peephole = tf.zeros([self.units])
        # Not `BlockLSTMV2`, which has the gates in Keras's order: its gradient in
        # TensorFlow 2.21 is that of this operation, and wrong.
        fused = tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(tf.shape(x)[1], tf.int64),
            x=tf.transpose(x, [1, 0, 2]),
            cs_prev=state,
            h_prev=output,
            w=_reordered(kernel),
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            b=_reordered(self.cell.bias),
            forget_bias=0.0,  # that of Keras is part of the bias
            cell_clip=-1.0,
        )
        # Before the first position, which an empty site does not have, it is zero.
        places = tf.stack([lengths, tf.range(tf.shape(x)[0])], axis=1)
        output, state = (
            tf.gather_nd(tf.pad(of, [[1, 0], [0, 0], [0, 0]]), places)
            for of in (fused.h, fused.cs)
        )
        return output, ops.expand_dims(output, 1), [output, state]


def _reordered(weights: Any) -> Any:
    """Returns the gates, input, forget, cell and output, as `BlockLSTM` has them."""
    import tensorflow as tf

    gates = tf.split(tf.cast(weights, tf.float32), 4, axis=-1)
    return tf.concat([gates[0], gates[2], gates[1], gates[3]], axis=-1)
