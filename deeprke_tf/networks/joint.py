"""A joint network's outputs, each as a network of its own.

A joint network has one body and an output for each RBP. The network of one RBP has the
same layers with the weights of its output alone, so that it can be used, explained and
exported as any other.
"""

import keras
import numpy as np

from deeprke_tf.config import ModelConfig
from deeprke_tf.networks.deeprke import build_model

_OUTPUT, _COUNTS = "log_odds", "kmer_counts"


def single_output(
    network: keras.Model, config: ModelConfig, output: int
) -> keras.Model:
    """Returns the network of one RBP, uncompiled, with copied weights.

    Args:
      network: A joint network of `build_model`.
      config: Its shape.
      output: Place of the RBP among the outputs.
    """
    vectors = [_vectors(network, view) for view in config.views]
    weights = None
    if config.counts_kmers:
        (table,) = network.get_layer(_COUNTS).get_weights()
        weights = table[:, output]
    single = build_model(
        config,
        sequence_vectors=vectors[0],
        structure_vectors=vectors[-1] if config.structure else None,
        kmer_weights=weights,
    )
    copy_body(network, single)
    kernel, bias = network.get_layer(_OUTPUT).get_weights()
    single.get_layer(_OUTPUT).set_weights([kernel[:, [output]], bias[[output]]])
    return single


def copy_body(source: keras.Model, target: keras.Model) -> None:
    """Copies the weights of all layers before the outputs.

    Args:
      source: A network of `build_model`.
      target: One of the same shape, with any number of outputs.

    Raises:
      ValueError: The networks differ in their layers or the shapes of their weights.
    """
    for layer in target.layers:
        if layer.name not in (_OUTPUT, _COUNTS) and layer.weights:
            layer.set_weights(source.get_layer(layer.name).get_weights())


def is_of_output(path: str) -> bool:
    """Tells whether a weight is of the output, by its path such as `dense/bias`."""
    return _OUTPUT in path.split("/")


def _vectors(network: keras.Model, view: str) -> np.ndarray:
    convolution = network.get_layer(f"{view.removesuffix('_kmers')}_cnn_conv_1")
    return np.asarray(convolution.vectors.get_weights()[0])
