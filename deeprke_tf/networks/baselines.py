"""Baselines from the literature, for comparison, on this package's inputs.

    deepbind  Alipanahi et al., Nature Biotechnology 33, 831 (2015): motif detectors
              over one-hot letters, ReLU, maximum and mean over all positions (as there
              for RNA), one hidden layer of 32 units with dropout.
    ideepv    Pan and Shen, Neurocomputing 305, 51 (2018): k-mer vectors (size 25,
              trainable), one convolution of 16 filters over 10 k-mers with a leaky
              ReLU, maximum over 3, then two dense layers over all positions, 800 ReLU
              and 160 sigmoid units. k is 6.
    ideeps    Pan et al., BMC Genomics 19, 511 (2018): for sequence and structure one
              convolution each of 16 filters over 10 one-hot letters, maximum over 3;
              their union through a BiLSTM and a dense layer of 32 units.

They are built from the papers' descriptions and differ from them in this: letters are
one-hot as k letters at each position (`word2vec.one_hot_vectors`); all train with this
package's optimizer and stopping rule; sites may have any length, so that iDeepV's dense
layer reads the site pooled into 32 equal parts (of 101 nt: nearly its own positions).
Padding is masked, as in `deeprke_tf.networks.deeprke`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops

from deeprke_tf.config import ModelConfig
from deeprke_tf.networks.blocks import (
    as_channel,
    as_probability,
    bound_log_odds,
    kmer_convolution,
    kmer_inputs,
    masked_pooling,
)
from deeprke_tf.networks.fused_lstm import FusedLSTM

POOL = 3  # positions that iDeepV and iDeepS take the maximum of
N_PARTS = 32
LEAK = 0.3


def build_baseline(
    config: ModelConfig,
    vectors: Mapping[str, np.ndarray | None],
    bound_fraction: npt.ArrayLike,
) -> keras.Model:
    """Builds the uncompiled network that `config.network` names.

    Args:
      config: Shape of the network.
      vectors: k-mer vectors, float32 [n_ids, size], for each of `config.views`.
      bound_fraction: As for `deeprke.build_model`, which describes the result.
    """
    inputs, mask = kmer_inputs(config)
    views = [  # each [batch, n_kmers, filters]
        kmer_convolution(vectors[name], config, name.removesuffix("_kmers"))(ids)
        for name, ids in inputs.items()
    ]
    body = {"deepbind": _deepbind, "ideepv": _ideepv, "ideeps": _ideeps}
    x = body[config.network](views, mask, config)
    probability = as_probability(bound_log_odds(x, bound_fraction))
    return keras.Model(inputs, probability, name=config.network)


def _deepbind(views: list[Any], mask: Any, config: ModelConfig) -> Any:
    x = layers.ReLU(name="rectified")(views[0])
    x = masked_pooling(x, mask)  # [batch, 2 filters]
    x = layers.Dense(config.dense_units, activation="relu", name="dense")(x)
    return layers.Dropout(config.dropout, name="dropout")(x)


def _ideepv(views: list[Any], mask: Any, config: ModelConfig) -> Any:
    x = layers.LeakyReLU(negative_slope=LEAK, name="leaky")(views[0])
    x, mask = _max_pooled(x, mask)
    x = layers.Dropout(config.dropout, name="conv_dropout")(x)
    x = _mean_of_parts(x, mask)  # [batch, 32 filters]
    x = layers.Dense(config.dense_units, activation="relu", name="dense_1")(x)
    x = layers.Dropout(config.dropout, name="dropout_1")(x)
    x = layers.Dense(config.dense_units // 5, activation="sigmoid", name="dense_2")(x)
    return layers.Dropout(config.dropout, name="dropout_2")(x)


def _ideeps(views: list[Any], mask: Any, config: ModelConfig) -> Any:
    modules = []
    for name, view in zip(("sequence", "structure"), views, strict=True):
        x = layers.ReLU(name=f"{name}_relu")(view)
        x, pooled_mask = _max_pooled(x, mask)
        modules.append(layers.Dropout(config.dropout, name=f"{name}_dropout")(x))
    x = layers.Concatenate(name="union")(modules)  # [batch, n_kmers / 3, 2 filters]
    lstm = FusedLSTM(config.lstm_units, name="lstm")
    x = layers.Bidirectional(lstm, name="bilstm")(x, mask=pooled_mask)
    x = layers.Dropout(0.1, name="lstm_dropout")(x)
    return layers.Dense(config.dense_units, activation="relu", name="dense")(x)


def _max_pooled(x: Any, mask: Any) -> tuple[Any, Any]:
    """Returns the maximum over each 3 positions inside the site, and its mask."""
    # "same" would pad at both ends, and shift the windows with the batch's padding.
    at_end = [[0, 0], [0, POOL - 1], [0, 0]]
    valid = ops.pad(as_channel(mask, x.dtype), at_end)
    # Far below any output of a leaky ReLU: padding is never the maximum.
    x = ops.pad(x, at_end) * valid - 1e4 * (1 - valid)
    x = layers.MaxPooling1D(POOL)(x)
    valid = layers.MaxPooling1D(POOL)(valid)
    return x * valid, ops.squeeze(valid, -1) > 0


def _mean_of_parts(x: Any, mask: Any) -> Any:
    """Returns the mean of each of 32 equal parts of the site, side by side.

    Args:
      x: float [batch, length, channels], zero where the mask is False.
      mask: bool [batch, length], True inside the site.
    """
    valid = ops.cast(mask, x.dtype)
    length = ops.sum(valid, axis=1, keepdims=True)
    # In units of a part, a position is 32 / length wide and may lie in several parts.
    width = N_PARTS / length
    edges = (ops.cumsum(valid, axis=1) - valid) * N_PARTS / length
    starts = ops.cast(ops.arange(N_PARTS), x.dtype)  # [32]
    left = ops.maximum(ops.expand_dims(edges, -1), starts)
    right = ops.minimum(ops.expand_dims(edges + width, -1), starts + 1)
    # The fraction of each part that each position covers, [batch, length, 32].
    covered = ops.relu(right - left) * ops.expand_dims(valid, -1)
    parts = ops.matmul(ops.transpose(covered, [0, 2, 1]), x)  # [batch, 32, channels]
    return ops.reshape(parts, [-1, N_PARTS * x.shape[-1]])
