"""Sums of table rows, the convolution of `networks.kmer_conv` on TensorFlow."""

from typing import Any

import tensorflow as tf

from deeprke_tf.data.kmers import PAD_ID


def summed_rows(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Sums, at each position, the rows of the ids around it.

    Args:
      table: float [kernel_size, n_ids, filters]; zero for padding.
      ids: int64 [batch, n_kmers].

    Returns:
      float [batch, n_kmers, filters].
    """
    kernel_size, n_ids, filters = table.shape
    batch, n_kmers = tf.unstack(tf.shape(ids))
    before = (kernel_size - 1) // 2  # as padding="same" has it
    offsets = tf.range(kernel_size)
    ids = tf.cast(ids, tf.int32)

    @tf.custom_gradient
    def summed(table: tf.Tensor) -> tuple[tf.Tensor, Any]:
        sides = [[0, 0], [before, kernel_size - 1 - before]]
        padded = tf.pad(ids, sides, constant_values=PAD_ID)
        around = [padded[:, j : j + n_kmers] + j * n_ids for j in range(kernel_size)]
        y = tf.raw_ops.SparseSegmentSum(
            data=tf.reshape(table, [-1, filters]),
            indices=tf.reshape(tf.stack(around, axis=-1), [-1]),
            segment_ids=tf.repeat(tf.range(batch * n_kmers), kernel_size),
        )

        def gradient(dy: tf.Tensor) -> tf.Tensor:
            # The same sum the other way round: an id's row for one position of the
            # kernel gathers from every place that this position met the id.
            sides = [[0, 0], [kernel_size - 1 - before, before], [0, 0]]
            dy = tf.pad(tf.reshape(dy, [batch, n_kmers, filters]), sides)
            flat = tf.reshape(ids, [-1])
            order = tf.argsort(flat, stable=True)
            row, column = order // n_kmers, order % n_kmers
            places = row * (n_kmers + kernel_size - 1) + column + kernel_size - 1
            rows = tf.gather(flat, order) + offsets[:, tf.newaxis] * n_ids
            summed_by_id = tf.raw_ops.SparseSegmentSumWithNumSegments(
                data=tf.reshape(dy, [-1, filters]),
                indices=tf.reshape(places - offsets[:, tf.newaxis], [-1]),
                segment_ids=tf.reshape(rows, [-1]),
                num_segments=kernel_size * n_ids,
            )
            return tf.reshape(summed_by_id, [kernel_size, n_ids, filters])

        return tf.reshape(y, [batch, n_kmers, filters]), gradient

    return summed(table)
