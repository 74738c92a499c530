"""The network: k-mer vectors, two CNN modules, a third on their union, BiLSTM, dense.

After DeepRKE (Deng et al., BMC Genomics 21, 866, 2020), with each view its own CNN
module and the BiLSTM over positions, as the paper describes it.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import FIRST_KMER_ID, PAD_ID
from deeprke_tf.networks.kmer_conv import KmerConv1D
from deeprke_tf.networks.kmer_counts import KmerCounts
from deeprke_tf.networks.positions import AddPositions
from deeprke_tf.networks.vmap_layers import Conv1D, HalvingMaxPooling1D
from deeprke_tf.rna.sites import NUCLEOTIDES


def build_model(
    config: ModelConfig,
    sequence_vectors: np.ndarray,
    structure_vectors: np.ndarray | None = None,
    bound_fraction: float = 0.5,
    kmer_weights: np.ndarray | None = None,
) -> keras.Model:
    """Builds the uncompiled network.

    The probability of a site depends neither on how far its batch is padded nor on the
    other sites of the batch: padding is zeroed after every layer that would fill it and
    masked in normalization, BiLSTM and pooling.

    Args:
      config: Its shape.
      sequence_vectors: One row for each sequence k-mer id, float32 [n_ids, size].
      structure_vectors: The same for structure k-mers; None if `config.structure` is
        False.
      bound_fraction: Share of bound sites that training will meet, in (0, 1): the
        probability that the untrained network starts from.
      kmer_weights: Of `kmer_regression.fit`; None if `config.counts_kmers` is False.

    Returns:
      A model from a dict of int64 [batch, n_kmers], one for each of `config.views`, to
      the probability that the RBP binds, float32 [batch, 1].

    Raises:
      ValueError: Vectors of a view are missing, or their padding row is not zero, or
        k-mer weights are missing, or `bound_fraction` is not in (0, 1).
    """
    if not 0 < bound_fraction < 1:
        raise ValueError(
            f"bound_fraction must be between 0 and 1, got {bound_fraction}; training "
            "needs sites of both classes."
        )
    if config.network != "deeprke":
        from deeprke_tf.networks.baselines import build_baseline

        return build_baseline(
            config, sequence_vectors, structure_vectors, bound_fraction
        )
    # === Inputs ===
    inputs = {
        name: keras.Input([None], dtype="int64", name=name) for name in config.views
    }
    mask = ops.not_equal(inputs["sequence_kmers"], PAD_ID)  # [batch, n_kmers]

    # === A CNN module for each view ===
    vectors = {
        "sequence_kmers": sequence_vectors,
        "structure_kmers": structure_vectors,
    }
    modules = []
    for name, ids in inputs.items():
        view = name.removesuffix("_kmers")
        x = kmer_convolution(vectors[name], config, view)(ids)
        x, view_mask = view_module(x, mask, config, view)
        modules.append(x)  # [batch, n_kmers / 2^convolutions, filters]
    x = prediction(modules, view_mask, config, bound_fraction)
    if config.counts_kmers:
        n_kmers = len(sequence_vectors) - FIRST_KMER_ID
        x = with_kmer_counts(x, inputs["sequence_kmers"], n_kmers, kmer_weights, config)
    return keras.Model(inputs, as_probability(x), name="deeprke")


def view_module(x: Any, mask: Any, config: ModelConfig, view: str) -> tuple[Any, Any]:
    """Goes on in the CNN module of a view from its first convolution.

    Args:
      x: What that gave, float [batch, n_kmers, filters].
      mask: bool [batch, n_kmers], True where the site is.
      config: Whether positions are learned, and what `cnn_module` takes of it.
      view: "sequence" or "structure".

    Returns:
      float [batch, n_kmers / 2^convolutions, filters] and its mask.
    """
    if config.position_size:
        x = AddPositions(config.position_size, name=f"{view}_positions")(x, mask)
    return cnn_module(x, mask, config, view, n_done=1)


def prediction(
    modules: Sequence[Any], views_mask: Any, config: ModelConfig, bound_fraction: float
) -> Any:
    """Returns the log odds that the third module and what follows it make of views.

    Args:
      modules: What the CNN module of each view gave, float [batch, length, filters].
      views_mask: bool [batch, length], True where the site is.
      config: The network's shape.
      bound_fraction: As `build_model` takes it.

    Returns:
      float32 [batch, 1].
    """
    # === A third module on the union of the views ===
    x = layers.Concatenate(name="union")(modules) if len(modules) > 1 else modules[0]
    x = layers.Dropout(config.dropout, name="union_dropout")(x)
    if config.union_size:
        # Without a bias, what is zero outside the site stays zero.
        narrow = layers.Dense(
            config.union_size, activation="relu", use_bias=False, name="union_narrowed"
        )
        x = narrow(x)
    union = x
    x, mask = cnn_module(union, views_mask, config, "union")

    # === Prediction ===
    if config.lstm_units:
        lstm = layers.LSTM(config.lstm_units, name="lstm")
        x = layers.Bidirectional(lstm, name="bilstm")(x, mask=mask)  # [batch, 2 units]
    else:
        x = masked_pooling(x, mask)  # [batch, 2 filters]
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.dense_units, activation="relu", name="dense")(x)
    x = layers.Dropout(config.dropout, name="dense_dropout")(x)
    if config.union_mean:
        mean = masked_mean(union, views_mask)  # [batch, channels]
        # All of a site's or nothing: what follows the union must do without it.
        shown = layers.Dropout(
            1 - config.union_mean, noise_shape=(None, 1), name="union_mean_dropout"
        )
        mean = shown(mean)
        x = layers.Concatenate(name="with_union_mean")([x, mean])
    return bound_log_odds(x, bound_fraction)


def with_kmer_counts(
    log_odds: Any,
    ids: Any,
    n_kmers: int,
    kmer_weights: np.ndarray | None,
    config: ModelConfig,
) -> Any:
    """Returns log odds of which k-mer counts have their share, float32 [batch, 1].

    Args:
      log_odds: Of the network, float32 [batch, 1].
      ids: Of sequence k-mers, int64 [batch, n_kmers].
      n_kmers: How many k-mers there are.
      kmer_weights: Of `kmer_regression.fit`.
      config: Of the network.

    Raises:
      ValueError: There are no weights.
    """
    if kmer_weights is None:
        raise ValueError("k-mer counts have a share in the output but no weights.")
    k = round(math.log(n_kmers, len(NUCLEOTIDES)))
    counts = KmerCounts(k, config.kmer_weight, name="kmer_counts")
    log_odds = counts(log_odds, ids)
    counts.set_weights([kmer_weights])
    return log_odds


def without_kmer_counts(network: keras.Model) -> keras.Model:
    """Returns what k-mer counts have a share in, without them; weights are shared.

    Args:
      network: Of `build_model`, with `kmer_weight`.
    """
    log_odds = network.get_layer("log_odds").output
    return keras.Model(network.inputs, as_probability(log_odds))


def bound_log_odds(x: Any, bound_fraction: float) -> Any:
    """Returns the output layer's log odds, float32 [batch, 1].

    They start from the share of bound sites: first steps that only lower all
    probabilities would drive every ReLU below zero for good where most sites are
    background.
    """
    odds = bound_fraction / (1 - bound_fraction)
    # In float32 also where the layers before compute in half precision.
    return layers.Dense(
        1,
        bias_initializer=keras.initializers.Constant(math.log(odds)),
        dtype="float32",
        name="log_odds",
    )(x)


def as_probability(log_odds: Any) -> Any:
    """Returns the probability of log odds, float32 [batch, 1]."""
    return layers.Activation("sigmoid", dtype="float32", name="probability")(log_odds)


def kmer_convolution(
    vectors: np.ndarray | None, config: ModelConfig, view: str
) -> KmerConv1D:
    """Returns the lookup of k-mer vectors with the first convolution of a CNN module.

    Raises:
      ValueError: There are no vectors, or those of padding are not zero.
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
    x: Any, mask: Any, config: ModelConfig, module: str, n_done: int = 0
) -> tuple[Any, Any]:
    """Convolves and halves the length, once for each of the config's convolutions.

    Args:
      x: float [batch, length, channels], zero where the mask is False.
      mask: bool [batch, length], True where the site is.
      config: Filters, kernel sizes, batch normalization and the like.
      module: "sequence", "structure" or "union".
      n_done: Convolutions, 0 or 1, that x has already been through; it need not be
        zero outside the mask then.

    Returns:
      float [batch, length / 2^convolutions, filters] and its mask.
    """
    name = f"{module}_cnn"
    shapes = zip(*config.shape_of(module), strict=True)
    for i, (filters, kernel_size) in enumerate(shapes, start=1):
        if i > n_done:
            x = Conv1D(filters, kernel_size, name=f"{name}_conv_{i}")(x)
        if config.batch_norm:
            x = layers.BatchNormalization(name=f"{name}_norm_{i}")(x, mask=mask)
        valid = as_channel(mask, x.dtype)
        pool = HalvingMaxPooling1D(name=f"{name}_pool_{i}")
        x, mask = pool(x * valid), ops.squeeze(pool(valid), -1) > 0
        # After pooling, as before it: the maximum is the same, of half as many.
        x = layers.ReLU(name=f"{name}_relu_{i}")(x)
        if config.spatial_dropout:
            x = layers.SpatialDropout1D(
                config.spatial_dropout, name=f"{name}_dropout_{i}"
            )(x)
    return x, mask


def as_channel(mask: Any, dtype: str) -> Any:
    """Returns a mask as 1 where the site is and 0 elsewhere, [batch, length, 1]."""
    return ops.expand_dims(ops.cast(mask, dtype), -1)


def masked_mean(x: Any, mask: Any) -> Any:
    """Returns the mean over positions inside the site, float [batch, channels]."""
    valid = as_channel(mask, x.dtype)
    return ops.sum(x * valid, axis=1) / ops.sum(valid, axis=1)


def masked_pooling(x: Any, mask: Any) -> Any:
    """Returns the mean and the maximum over positions inside the site, side by side."""
    # After ReLU nothing is below the zeros of padding.
    most = ops.max(x * as_channel(mask, x.dtype), axis=1)
    return ops.concatenate([masked_mean(x, mask), most], axis=-1)
