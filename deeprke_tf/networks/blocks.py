"""The building blocks of the networks: inputs, CNN modules, masked pooling, output.

Padding must not change the probability of a site. So every block takes a mask, bool
[batch, length], True at the positions of the site, and keeps padding out of its result.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.fourier_conv import FourierConv1D
from deeprke_tf.networks.kmer_conv import KmerConv1D


def kmer_inputs(config: ModelConfig) -> tuple[dict[str, Any], Any]:
    """Returns the inputs of a network and their mask.

    Args:
      config: Names the views that the network reads.

    Returns:
      int64 [batch, n_kmers] for each of `config.views`, and bool [batch, n_kmers].
    """
    inputs = {
        name: keras.Input([None], dtype="int64", name=name) for name in config.views
    }
    return inputs, ops.not_equal(inputs["sequence_kmers"], PAD_ID)


def kmer_convolution(
    vectors: np.ndarray | None, config: ModelConfig, view: str
) -> KmerConv1D:
    """Returns the k-mer embedding and the first convolution of a view, as one layer.

    Args:
      vectors: One row for each k-mer id of the view, float32 [n_ids, size].
      config: Filters, kernel size, and whether the vectors are trained.
      view: "sequence" or "structure".

    Raises:
      ValueError: There are no vectors, or the padding row is not zero.
    """
    if vectors is None:
        raise ValueError(f"The {view} view is read but has no vectors.")
    if np.any(vectors[PAD_ID]):
        raise ValueError(f"{view} vectors: the padding row {PAD_ID} must be zero.")
    n_ids, size = vectors.shape
    filters, kernel_sizes = config.shape_of(view)
    convolution = KmerConv1D(
        n_ids,
        size,
        filters[0],
        kernel_sizes[0],
        trainable_vectors=config.trainable_vectors,
        name=f"{view}_cnn_conv_1",
    )
    convolution.build((None, None))
    convolution.vectors.set_weights([vectors])
    return convolution


def cnn_module(
    x: Any, mask: Any, config: ModelConfig, module: str, *, first_done: bool = False
) -> tuple[Any, Any]:
    """Convolution, maximum over pairs and ReLU, for each convolution of the module.

    Args:
      x: float [batch, length, channels], zero where the mask is False.
      mask: bool [batch, length].
      config: Filters, kernel sizes, batch normalization and dropout.
      module: "sequence", "structure" or "union".
      first_done: Whether x is the output of the first convolution; then it need not be
        zero outside the mask.

    Returns:
      float [batch, length / 2^convolutions, filters] and its mask.
    """
    name = f"{module}_cnn"
    shapes = zip(*config.shape_of(module), strict=True)
    for i, (filters, kernel_size) in enumerate(shapes, start=1):
        if i > 1 or not first_done:
            x = FourierConv1D(filters, kernel_size, name=f"{name}_conv_{i}")(x)
        if config.batch_norm:
            x = layers.BatchNormalization(name=f"{name}_norm_{i}")(x, mask=mask)
        valid = as_channel(mask, x.dtype)
        # Of a single last position alone if the length is odd.
        pool = layers.MaxPooling1D(2, padding="same", name=f"{name}_pool_{i}")
        x, mask = pool(x * valid), ops.squeeze(pool(valid), -1) > 0
        # ReLU after pooling gives the same as before it, on half as many positions.
        x = layers.ReLU(name=f"{name}_relu_{i}")(x)
        if config.spatial_dropout:
            x = layers.SpatialDropout1D(
                config.spatial_dropout, name=f"{name}_dropout_{i}"
            )(x)
    return x, mask


def as_channel(mask: Any, dtype: str) -> Any:
    """Returns a mask as 1 inside the site and 0 outside, [batch, length, 1]."""
    return ops.expand_dims(ops.cast(mask, dtype), -1)


def masked_mean(x: Any, mask: Any) -> Any:
    """Returns the mean over the positions of the site, float [batch, channels]."""
    valid = as_channel(mask, x.dtype)
    return ops.sum(x * valid, axis=1) / ops.sum(valid, axis=1)


def masked_pooling(x: Any, mask: Any) -> Any:
    """Returns mean and maximum over the site, side by side, [batch, 2 channels].

    x must be the output of a ReLU: padding counts as 0 in the maximum.
    """
    maximum = ops.max(x * as_channel(mask, x.dtype), axis=1)
    return ops.concatenate([masked_mean(x, mask), maximum], axis=-1)


def bound_log_odds(x: Any, bound_fraction: npt.ArrayLike) -> Any:
    """Returns the log odds of binding from the output layer, float32 [batch, n_rbps].

    Its bias starts at the log odds of the bound sites. With a bias of 0, where most
    sites are background, the first updates only lower all probabilities, and can leave
    every ReLU at zero for good.

    Args:
      x: float [batch, units].
      bound_fraction: Fraction of bound sites, in (0, 1): one number for one output, or
        [n_rbps].
    """
    fractions = np.atleast_1d(bound_fraction)
    log_odds = np.log(fractions / (1 - fractions)).tolist()
    return layers.Dense(
        len(log_odds),
        bias_initializer=keras.initializers.Constant(
            log_odds if len(log_odds) > 1 else log_odds[0]
        ),
        dtype="float32",  # also where the layers before compute in half precision
        name="log_odds",
    )(x)


def as_probability(log_odds: Any) -> Any:
    """Returns the probability of log odds, float32 [batch, n_rbps]."""
    return layers.Activation("sigmoid", dtype="float32", name="probability")(log_odds)
