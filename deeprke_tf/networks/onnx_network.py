"""Trained networks as ONNX files, from the weights of their Keras layers.

The operators are written one by one, in the order of `deeprke.build_model`. Converters
of TensorFlow graphs make a loop of the BiLSTM, which took 4 to 9 times as long for a
site; ONNX has an operator for it that knows how long each site is.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from deeprke_tf.config import ModelConfig
from deeprke_tf.networks import onnx_baselines, onnx_blocks, onnx_counts, onnx_tables
from deeprke_tf.networks.onnx_graph import Graph

OUTPUT = "probability"


def onnx_file(
    networks: Sequence[tuple[keras.Model, ModelConfig]],
    metadata: Mapping[str, Any] | None = None,
) -> bytes:
    """Returns networks as the contents of one ONNX file.

    Its inputs are those of the networks, int64 [batch, n_kmers], 0 behind the end of a
    site; it returns `probability`, float32 [batch, n_rbps], of several networks their
    mean.

    Args:
      networks: Results of `deeprke.build_model`, each with its shape.
      metadata: Values to keep in the file as JSON, by name.

    Raises:
      ValueError: A network has a layer that this module does not know.
    """
    graph = Graph()
    each = [_probability(graph, _Layers(*network)) for network in networks]
    mean = graph.add("Mean", *each) if len(each) > 1 else each[0]
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in (metadata or {}).items()
    }
    n_outputs = networks[0][0].outputs[0].shape[1]
    return graph.file(mean, OUTPUT, n_outputs, texts)


class _Layers:
    """The layers of a network by name, and which of them were asked for.

    Args:
      network: Result of `deeprke.build_model`.
      config: Its shape.
    """

    def __init__(self, network: keras.Model, config: ModelConfig):
        self.config = config
        self._layers = {layer.name: layer for layer in network.layers}
        self._left = {layer.name for layer in network.layers if layer.weights}

    def __getitem__(self, name: str) -> Any:
        self._left.discard(name)
        return self._layers[name]

    def require_all(self) -> None:
        """Refuses weights that were not asked for.

        Raises:
          ValueError: There are some.
        """
        if self._left:
            raise ValueError(f"Not known in ONNX: {', '.join(sorted(self._left))}.")


def _probability(graph: Graph, layers: _Layers) -> str:
    config = layers.config
    ids = {view: graph.input(view) for view in config.views}
    lengths = onnx_blocks.lengths_of(graph, ids["sequence_kmers"])
    if config.network == "deeprke":
        x = _deeprke(graph, layers, ids, lengths)
    else:
        x = onnx_baselines.body(graph, layers, config, ids, lengths)
    log_odds = onnx_blocks.dense(graph, x, layers["log_odds"])
    if config.counts_kmers:
        log_odds = onnx_counts.with_kmer_counts(
            *(graph, log_odds, ids["sequence_kmers"], lengths, layers["kmer_counts"])
        )
    layers.require_all()
    return graph.add("Sigmoid", log_odds)


def _deeprke(
    graph: Graph, layers: _Layers, ids: Mapping[str, str], lengths: str
) -> str:
    """Returns the input of the output layer, float [batch, channels]."""
    config = layers.config
    modules = [
        _view_module(graph, layers, view.removesuffix("_kmers"), given, lengths)
        for view, given in ids.items()
    ]
    x = graph.add("Concat", *modules, axis=2) if len(modules) > 1 else modules[0]
    lengths = _halved(graph, lengths, len(config.shape_of("sequence")[0]))
    if config.union_size:
        x = onnx_blocks.dense(graph, x, layers["union_narrowed"])
    union, union_lengths = x, lengths
    x = _convolutions(graph, layers, "union", x, lengths)
    lengths = _halved(graph, lengths, len(config.shape_of("union")[0]))
    if config.lstm_units:
        weights = layers["bilstm"].get_weights()
        x = onnx_blocks.bilstm(graph, x, lengths, weights)
    else:
        x = onnx_blocks.masked_pooling(graph, x, lengths)
    x = onnx_blocks.dense(graph, x, layers["dense"])
    if config.union_mean:
        mean = onnx_blocks.masked_mean(graph, union, union_lengths)
        x = graph.add("Concat", x, mean, axis=1)
    return x


def _halved(graph: Graph, lengths: str, times: int) -> str:
    for _ in range(times):
        lengths = onnx_blocks.divided(graph, lengths, 2)
    return lengths


def _view_module(
    graph: Graph, layers: _Layers, view: str, ids: str, lengths: str
) -> str:
    config = layers.config
    convolution = layers[f"{view}_cnn_conv_1"]
    positions = layers[f"{view}_positions"] if config.position_size else None
    n_ids = len(onnx_blocks.kmer_vectors(convolution))
    if n_ids <= onnx_tables.MOST_IDS and not config.batch_norm:
        x = onnx_tables.pooled_kmer_convolution(
            *(graph, ids, lengths, convolution, positions)
        )
    else:
        x = onnx_blocks.kmer_convolution(graph, ids, convolution)
        if positions is not None:
            places = onnx_blocks.places_of(graph, ids)
            x = graph.add(
                *("Sum", x),
                *onnx_blocks.position_vectors(graph, places, lengths, positions),
            )
        x = _pooled(graph, layers, f"{view}_cnn", 1, x, lengths)
    lengths = onnx_blocks.divided(graph, lengths, 2)
    return _convolutions(graph, layers, view, x, lengths, first=2)


def _convolutions(
    graph: Graph, layers: _Layers, module: str, x: str, lengths: str, first: int = 1
) -> str:
    """Applies the convolutions of a CNN module, from the number `first` on."""
    name = f"{module}_cnn"
    for i in range(first, len(layers.config.shape_of(module)[0]) + 1):
        weights = layers[f"{name}_conv_{i}"].get_weights()
        x = onnx_blocks.convolution(graph, x, weights)
        x = _pooled(graph, layers, name, i, x, lengths)
        lengths = onnx_blocks.divided(graph, lengths, 2)
    return x


def _pooled(
    graph: Graph, layers: _Layers, name: str, i: int, x: str, lengths: str
) -> str:
    if layers.config.batch_norm:
        x = onnx_blocks.normalized(graph, x, layers[f"{name}_norm_{i}"])
    return onnx_blocks.pooled(graph, x, lengths)
