"""The baselines as ONNX operators; see `baselines`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from deeprke_tf.config import ModelConfig
from deeprke_tf.networks import baselines, onnx_blocks
from deeprke_tf.networks.onnx_graph import FLOAT, Graph, ints


def body(
    graph: Graph,
    layers: Any,
    config: ModelConfig,
    ids: Mapping[str, str],
    lengths: str,
) -> str:
    """Returns the input of the output layer, float [batch, channels].

    Args:
      graph: To add to.
      layers: The layers of the network, by name.
      config: Its shape.
      ids: int64 [batch, n_kmers], by view.
      lengths: Of the sites, int64 [batch, 1].
    """
    views = []
    for view, given in ids.items():
        layer = layers[f"{view.removesuffix('_kmers')}_cnn_conv_1"]
        views.append(onnx_blocks.kmer_convolution(graph, given, layer))
    bodies = {"deepbind": _deepbind, "ideepv": _ideepv, "ideeps": _ideeps}
    return bodies[config.network](graph, layers, views, lengths)


def _deepbind(graph: Graph, layers: Any, views: list[str], lengths: str) -> str:
    x = graph.add("Relu", views[0])
    x = onnx_blocks.masked_pooling(graph, x, lengths)
    return onnx_blocks.dense(graph, x, layers["dense"])


def _ideepv(graph: Graph, layers: Any, views: list[str], lengths: str) -> str:
    x = graph.add("LeakyRelu", views[0], alpha=baselines.LEAK)
    x = _max_pooled(graph, x, lengths)
    x = _mean_of_parts(graph, x, _divided(graph, lengths))
    x = onnx_blocks.dense(graph, x, layers["dense_1"])
    return onnx_blocks.dense(graph, x, layers["dense_2"])


def _ideeps(graph: Graph, layers: Any, views: list[str], lengths: str) -> str:
    modules = [_max_pooled(graph, graph.add("Relu", x), lengths) for x in views]
    x = graph.add("Concat", *modules, axis=2)
    weights = layers["bilstm"].get_weights()
    x = onnx_blocks.bilstm(graph, x, _divided(graph, lengths), weights)
    return onnx_blocks.dense(graph, x, layers["dense"])


def _divided(graph: Graph, lengths: str) -> str:
    return onnx_blocks.divided(graph, lengths, baselines.POOL)


def _max_pooled(graph: Graph, x: str, lengths: str) -> str:
    """Returns the maximum over each 3 positions inside the site; 0 outside."""
    valid = onnx_blocks.inside(graph, x, lengths)
    # Far below any output of a leaky ReLU: padding is never the maximum.
    low = graph.add("Mul", graph.add("Sub", valid, np.float32(1)), np.float32(1e4))
    x = graph.add("Add", graph.add("Mul", x, valid), low)
    x = graph.add("Pad", x, ints(0, 0, 0, 0, baselines.POOL - 1, 0), np.float32(-1e4))
    x = onnx_blocks.max_pooled(graph, x, baselines.POOL)
    return graph.add("Mul", x, onnx_blocks.inside(graph, x, _divided(graph, lengths)))


def _mean_of_parts(graph: Graph, x: str, lengths: str) -> str:
    """Returns the mean of each of 32 equal parts of the site, side by side."""
    n_parts = baselines.N_PARTS
    length = graph.add("Unsqueeze", graph.add("Cast", lengths, to=FLOAT), ints(2))
    width = graph.add("Div", np.float32(n_parts), length)  # [batch, 1, 1]
    places = graph.add("Cast", onnx_blocks.places_of(graph, x), to=FLOAT)
    places = graph.add("Unsqueeze", places, ints(1))  # [length, 1]
    edges = graph.add("Div", graph.add("Mul", places, np.float32(n_parts)), length)
    starts = np.arange(n_parts, dtype=np.float32)
    left = graph.add("Max", edges, starts)
    right = graph.add("Min", graph.add("Add", edges, width), starts + 1)
    covered = graph.add("Relu", graph.add("Sub", right, left))
    covered = graph.add("Mul", covered, onnx_blocks.inside(graph, x, lengths))
    covered = graph.add("Transpose", covered, perm=[0, 2, 1])
    # Keeps channels apart from parts as the layer behind it has them.
    return graph.add("Flatten", graph.add("MatMul", covered, x), axis=1)
