"""A convolution over k-mer vectors, computed by looking products up in a table.

There are few distinct k-mers. The products of all their vectors with the kernel make a
table [kernel_size, n_ids, filters], once a batch; each output position is the sum of
one row for each position of the kernel. Additions replace matrix products, and the
result equals a `Conv1D` over the vectors, apart from rounding.
"""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.devices import is_on_cpu

# With more ids, making the table costs more than it saves.
MOST_IDS = 4_096


@keras.saving.register_keras_serializable("deeprke_tf")
class KmerConv1D(layers.Layer):
    """Embeds k-mer ids and convolves their vectors, with padding "same".

    The vector of padding counts as zero, also when vectors are trained.

    Args:
      n_ids: Number of k-mer ids, with that of padding.
      vector_size: Size of the vector of a k-mer.
      filters: Filters of the convolution.
      kernel_size: k-mers that the convolution spans.
      trainable_vectors: Whether training changes the vectors, too.

    Attributes:
      vectors: The `Embedding` that holds the vectors, [n_ids, vector_size].
      convolution: The `Conv1D` that holds kernel and bias.
    """

    def __init__(
        self,
        n_ids: int,
        vector_size: int,
        filters: int,
        kernel_size: int,
        trainable_vectors: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._shape = {
            "n_ids": n_ids,
            "vector_size": vector_size,
            "filters": filters,
            "kernel_size": kernel_size,
            "trainable_vectors": trainable_vectors,
        }
        self.vectors = layers.Embedding(
            n_ids,
            vector_size,
            trainable=trainable_vectors,
            dtype=self.dtype_policy,
            name="vectors",
        )
        self.convolution = layers.Conv1D(
            filters,
            kernel_size,
            padding="same",
            dtype=self.dtype_policy,
            name="convolution",
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.vectors.build(input_shape)
        self.convolution.build((*input_shape, self._shape["vector_size"]))
        self.built = True

    def call(self, ids: Any) -> Any:
        """Returns float [batch, n_kmers, filters] of ids, int [batch, n_kmers]."""
        return self._by_table(ids) if self.has_table() else self.convolved(ids)

    def convolved(self, ids: Any) -> Any:
        """Returns the same without the table."""
        x = self.vectors(ids)
        is_kmer = ops.cast(ops.not_equal(ids, PAD_ID), x.dtype)
        return self.convolution(x * ops.expand_dims(is_kmer, -1))

    def has_table(self) -> bool:
        """Returns whether `call` uses the table."""
        # Not measured on GPUs, which are fast at matrix products.
        return self._shape["n_ids"] <= MOST_IDS and is_on_cpu()

    def _by_table(self, ids: Any) -> Any:
        size, n_ids, n = (
            self._shape[name] for name in ("kernel_size", "n_ids", "vector_size")
        )
        is_kmer = ops.one_hot(PAD_ID, n_ids, dtype=self.compute_dtype) == 0
        vectors = ops.where(is_kmer[:, None], self.vectors.embeddings, 0)
        kernel = ops.reshape(ops.transpose(self.convolution.kernel, [1, 0, 2]), [n, -1])
        products = ops.reshape(ops.matmul(vectors, kernel), [n_ids, size, -1])
        # The bias is added here, once for each id, not at all positions of the batch.
        is_own = ops.one_hot((size - 1) // 2, size, dtype=self.compute_dtype)
        bias = is_own[:, None, None] * self.convolution.bias
        table = ops.transpose(products, [1, 0, 2]) + bias
        sum_rows = _row_sum(*table.shape, keras.backend.standardize_dtype(table.dtype))
        return sum_rows(table, ops.cast(ids, "int32"))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return super().get_config() | self._shape


@functools.cache
def _row_sum(kernel_size: int, n_ids: int, filters: int, dtype: str) -> Any:
    """Returns a function that sums, at each position, the rows of the ids around it.

    From a table, float [kernel_size, n_ids, filters], zero for padding, and ids, int32
    [batch, n_kmers], to float [batch, n_kmers, filters].

    TensorFlow never forgets a gradient that was written for a graph, nor the graph: in
    one function for all networks it is written once, and their memory is freed.
    """
    before = (kernel_size - 1) // 2  # as padding="same" has it
    offsets = np.arange(kernel_size, dtype=np.int32)[:, np.newaxis]

    @tf.function(
        input_signature=[
            tf.TensorSpec([kernel_size, n_ids, filters], dtype),
            tf.TensorSpec([None, None], tf.int32),
        ],
        autograph=False,
    )
    def sum_rows(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        return summed(table, ids)

    @tf.custom_gradient
    def summed(table: tf.Tensor, ids: tf.Tensor) -> tuple[tf.Tensor, Any]:
        batch, n_kmers = tf.unstack(tf.shape(ids))
        sides = [[0, 0], [before, kernel_size - 1 - before]]
        padded = tf.pad(ids, sides, constant_values=PAD_ID)
        around = [padded[:, j : j + n_kmers] + j * n_ids for j in range(kernel_size)]
        y = tf.raw_ops.SparseSegmentSum(
            data=tf.reshape(table, [-1, filters]),
            indices=tf.reshape(tf.stack(around, axis=-1), [-1]),
            segment_ids=tf.repeat(tf.range(batch * n_kmers), kernel_size),
        )

        def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, None]:
            # The row of an id at one kernel position gathers the gradient from every
            # output that read it there.
            sides = [[0, 0], [kernel_size - 1 - before, before], [0, 0]]
            dy = tf.pad(tf.reshape(dy, [batch, n_kmers, filters]), sides)
            flat = tf.reshape(ids, [-1])
            order = tf.argsort(flat, stable=True)
            row, column = order // n_kmers, order % n_kmers
            places = row * (n_kmers + kernel_size - 1) + column + kernel_size - 1
            rows = tf.gather(flat, order) + offsets * n_ids
            summed_by_id = tf.raw_ops.SparseSegmentSumWithNumSegments(
                data=tf.reshape(dy, [-1, filters]),
                indices=tf.reshape(places - offsets, [-1]),
                segment_ids=tf.reshape(rows, [-1]),
                num_segments=kernel_size * n_ids,
            )
            return tf.reshape(summed_by_id, [kernel_size, n_ids, filters]), None

        return tf.reshape(y, [batch, n_kmers, filters]), gradient

    return sum_rows
