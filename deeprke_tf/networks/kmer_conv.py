"""A convolution over k-mer vectors that looks its products up in a table.

There are few distinct k-mers: the products of all their vectors with the kernel make
a table of [kernel_size, n_ids, filters], once a batch. A position of the output is the
sum of one row for each position of the kernel: additions in place of matrix products,
and equal to a `Conv1D` over the vectors but for the rounding of sums.
"""

from typing import Any

import keras
from keras import layers, ops

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.vmap_layers import Conv1D

# Beyond this, making the table costs more than it saves.
_MOST_IDS = 4_096


@keras.saving.register_keras_serializable("deeprke_tf")
class KmerConv1D(layers.Layer):
    """Looks k-mer ids up as vectors and convolves them, padded to the same length.

    The vector of padding counts as zero, whatever training does to it.

    Args:
      n_ids: k-mer ids, that of padding included.
      vector_size: Size of a k-mer's vector.
      filters: Of the convolution.
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
        self.convolution = Conv1D(
            filters, kernel_size, dtype=self.dtype_policy, name="convolution"
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.vectors.build(input_shape)
        self.convolution.build((*input_shape, self._shape["vector_size"]))
        self.built = True

    def call(self, ids: Any) -> Any:
        """Returns float [batch, n_kmers, filters] of ids, int [batch, n_kmers]."""
        return self._by_table(ids) if self._has_table() else self.convolved(ids)

    def convolved(self, ids: Any) -> Any:
        """Does the same without a table, on any backend of Keras."""
        x = self.vectors(ids)
        is_kmer = ops.cast(ops.not_equal(ids, PAD_ID), x.dtype)
        return self.convolution(x * ops.expand_dims(is_kmer, -1))

    def _has_table(self) -> bool:
        if keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        # Not measured on GPUs, whose strength is the matrix product.
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        return self._shape["n_ids"] <= _MOST_IDS and not has_gpu

    def _by_table(self, ids: Any) -> Any:
        from deeprke_tf.networks.kmer_table import summed_rows

        size, n_ids, n = (
            self._shape[name] for name in ("kernel_size", "n_ids", "vector_size")
        )
        is_kmer = ops.one_hot(PAD_ID, n_ids, dtype=self.compute_dtype) == 0
        vectors = ops.where(is_kmer[:, None], self.vectors.embeddings, 0)
        kernel = ops.reshape(ops.transpose(self.convolution.kernel, [1, 0, 2]), [n, -1])
        products = ops.reshape(ops.matmul(vectors, kernel), [n_ids, size, -1])
        table = ops.transpose(products, [1, 0, 2])
        return summed_rows(table, ids) + self.convolution.bias

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal layer."""
        return super().get_config() | self._shape
