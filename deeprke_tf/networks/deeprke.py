"""DeepRKE: k-mer vectors, a CNN module for each view, one on their union, BiLSTM.

    sequence k-mers   -> vectors -> CNN module -+
                                                +-> CNN module -> BiLSTM -> dense
    structure k-mers  -> vectors -> CNN module -+                             |
                                                                     probability

After Deng et al., BMC Genomics 21, 866 (2020), as the paper describes it: each view has
a CNN module of its own, and the BiLSTM runs over positions. Settings beyond the paper's
add a positional embedding, a skip connection from the union to the output layer, and a
logistic regression of k-mer counts.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from deeprke_tf.config import ModelConfig
from deeprke_tf.data.kmers import FIRST_KMER_ID
from deeprke_tf.networks.baselines import build_baseline
from deeprke_tf.networks.blocks import (
    as_probability,
    bound_log_odds,
    cnn_module,
    kmer_convolution,
    kmer_inputs,
    masked_mean,
    masked_pooling,
)
from deeprke_tf.networks.byte_dropout import ByteDropout
from deeprke_tf.networks.fused_lstm import FusedLSTM
from deeprke_tf.networks.kmer_counts import KmerCounts
from deeprke_tf.networks.positions import PositionalEmbedding
from deeprke_tf.rna.sites import NUCLEOTIDES


def build_model(
    config: ModelConfig,
    sequence_vectors: np.ndarray,
    structure_vectors: np.ndarray | None = None,
    bound_fraction: npt.ArrayLike = 0.5,
    kmer_weights: np.ndarray | None = None,
) -> keras.Model:
    """Builds the uncompiled network that `config` describes, DeepRKE or a baseline.

    The probability of a site depends neither on the padding of its batch nor on the
    other sites of the batch.

    Args:
      config: Shape of the network.
      sequence_vectors: One row for each sequence k-mer id, float32 [n_ids, size].
      structure_vectors: The same for structure k-mers; None if `config.structure` is
        False.
      bound_fraction: Fraction of bound sites in training, in (0, 1): the probability
        that the untrained network starts from. An array [n_rbps] makes a joint network,
        with an output for each RBP.
      kmer_weights: Result of `kmer_regression.fit`, for a joint network those of each
        RBP side by side, [n_weights, n_rbps]; None if `config.counts_kmers` is False.

    Returns:
      A model from a dict of int64 [batch, n_kmers], one for each of `config.views`, to
      the probability that the RBP binds, float32 [batch, n_rbps]; n_rbps is 1 unless
      `bound_fraction` is an array.

    Raises:
      ValueError: Vectors of a view are missing, or their padding row is not zero, or
        k-mer weights are missing, or `bound_fraction` is not in (0, 1).
    """
    fractions = np.atleast_1d(bound_fraction)
    if not ((fractions > 0) & (fractions < 1)).all():
        raise ValueError(
            f"bound_fraction must be between 0 and 1, got {fractions.tolist()}; "
            "training needs sites of both classes."
        )
    vectors = {
        "sequence_kmers": sequence_vectors,
        "structure_kmers": structure_vectors,
    }
    if config.network != "deeprke":
        return build_baseline(config, vectors, bound_fraction)
    inputs, mask = kmer_inputs(config)

    # === A CNN module for each view ===
    modules = []
    for name, ids in inputs.items():
        view = name.removesuffix("_kmers")
        x = kmer_convolution(vectors[name], config, view)(ids)
        x, view_mask = view_module(x, mask, config, view)
        modules.append(x)  # [batch, n_kmers / 2^convolutions, filters]

    # === Their union, and the output ===
    log_odds = union_log_odds(modules, view_mask, config, bound_fraction)
    if config.counts_kmers:
        n_kmers = len(sequence_vectors) - FIRST_KMER_ID
        log_odds = _with_kmer_counts(
            log_odds, inputs["sequence_kmers"], n_kmers, kmer_weights, config
        )
    return keras.Model(inputs, as_probability(log_odds), name="deeprke")


def view_module(x: Any, mask: Any, config: ModelConfig, view: str) -> tuple[Any, Any]:
    """Applies the CNN module of a view, after its first convolution.

    Args:
      x: Output of the first convolution, float [batch, n_kmers, filters].
      mask: bool [batch, n_kmers], True inside the site.
      config: Shape of the network.
      view: "sequence" or "structure".

    Returns:
      float [batch, n_kmers / 2^convolutions, filters] and its mask.
    """
    if config.position_size:
        embedding = PositionalEmbedding(config.position_size, name=f"{view}_positions")
        x = embedding(x, mask)
    return cnn_module(x, mask, config, view, first_done=True)


def union_log_odds(
    modules: Sequence[Any],
    views_mask: Any,
    config: ModelConfig,
    bound_fraction: npt.ArrayLike,
) -> Any:
    """Returns the log odds from the views: union, third CNN module, BiLSTM, dense.

    Args:
      modules: Output of the CNN module of each view, float [batch, length, filters].
      views_mask: bool [batch, length], True inside the site.
      config: Shape of the network.
      bound_fraction: As for `build_model`.

    Returns:
      float32 [batch, n_rbps].
    """
    # === A third CNN module on the union of the views ===
    x = layers.Concatenate(name="union")(modules) if len(modules) > 1 else modules[0]
    x = ByteDropout(config.dropout, name="union_dropout")(x)
    if config.union_size:
        # No bias: positions outside the site stay zero.
        narrow = layers.Dense(
            config.union_size, activation="relu", use_bias=False, name="union_narrowed"
        )
        x = narrow(x)
    union = x
    x, mask = cnn_module(union, views_mask, config, "union")

    # === BiLSTM over positions, or pooling ===
    if config.lstm_units:
        lstm = FusedLSTM(config.lstm_units, name="lstm")
        x = layers.Bidirectional(lstm, name="bilstm")(x, mask=mask)  # [batch, 2 units]
    else:
        x = masked_pooling(x, mask)  # [batch, 2 filters]

    # === Dense layers ===
    x = layers.Dropout(config.dropout, name="dropout")(x)
    x = layers.Dense(config.dense_units, activation="relu", name="dense")(x)
    x = layers.Dropout(config.dropout, name="dense_dropout")(x)
    if config.union_mean:
        # Skip connection; dropped for a whole site at a time, so that the layers after
        # the union must do without it.
        skip = layers.Dropout(
            1 - config.union_mean, noise_shape=(None, 1), name="union_mean_dropout"
        )
        mean = skip(masked_mean(union, views_mask))  # [batch, channels]
        x = layers.Concatenate(name="with_union_mean")([x, mean])
    return bound_log_odds(x, bound_fraction)


def _with_kmer_counts(
    log_odds: Any,
    ids: Any,
    n_kmers: int,
    kmer_weights: np.ndarray | None,
    config: ModelConfig,
) -> Any:
    """Mixes in the log odds of the k-mer regression, float32 [batch, n_rbps].

    Raises:
      ValueError: There are no weights.
    """
    if kmer_weights is None:
        raise ValueError("k-mer counts are part of the output but have no weights.")
    k = round(math.log(n_kmers, len(NUCLEOTIDES)))
    n_outputs = kmer_weights.shape[1] if kmer_weights.ndim > 1 else None
    counts = KmerCounts(k, config.kmer_weight, n_outputs, name="kmer_counts")
    log_odds = counts(log_odds, ids)
    counts.set_weights([kmer_weights])
    return log_odds


def without_kmer_counts(network: keras.Model) -> keras.Model:
    """Returns a network without its k-mer regression; the layers are shared.

    Args:
      network: Result of `build_model`, with `kmer_weight`.
    """
    log_odds = network.get_layer("log_odds").output
    return keras.Model(network.inputs, as_probability(log_odds))
