"""The building blocks of the networks as ONNX operators, with the weights of Keras.

They do what their namesakes in `blocks` do for prediction, without dropout. Values are
[batch, length, channels] as there. In place of masks there are the lengths of the
sites, int64 [batch, 1], since padding only ever follows a site.
"""

from typing import Any

import numpy as np

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.onnx_graph import FLOAT, INT32, INT64, Graph, ints

END = np.iinfo(np.int64).max  # of a slice

Weights = list[np.ndarray]


def lengths_of(graph: Graph, ids: str) -> str:
    """Returns the number of k-mers of each site, int64 [batch, 1]."""
    is_padding = graph.add("Equal", ids, np.int64(PAD_ID))
    is_kmer = graph.add("Cast", graph.add("Not", is_padding), to=INT64)
    return graph.add("ReduceSum", is_kmer, ints(1), keepdims=1)


def places_of(graph: Graph, x: str) -> str:
    """Returns 0, 1, ... along the second axis of a value, int64 [length]."""
    size = graph.add("Squeeze", graph.add("Shape", x, start=1, end=2), ints(0))
    return graph.add("Range", np.int64(0), size, np.int64(1))


def inside(graph: Graph, x: str, lengths: str) -> str:
    """Returns 1 inside the site and 0 outside, float [batch, length, 1]."""
    is_inside = graph.add("Less", places_of(graph, x), lengths)
    return graph.add("Unsqueeze", graph.add("Cast", is_inside, to=FLOAT), ints(2))


# === Convolutions and pooling ===


def convolution(graph: Graph, x: str, weights: Weights) -> str:
    """Convolves with stride 1 and padding "same"; weights are kernel and bias."""
    kernel, bias = weights
    before, after = sides(len(kernel))
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    x = graph.add("Conv", x, kernel.transpose(2, 1, 0), bias, pads=[before, after])
    return graph.add("Transpose", x, perm=[0, 2, 1])


def sides(kernel_size: int) -> tuple[int, int]:
    """Returns how much padding "same" adds before and after."""
    before = (kernel_size - 1) // 2
    return before, kernel_size - 1 - before


def kmer_convolution(graph: Graph, ids: str, layer: Any) -> str:
    """Embeds k-mer ids and convolves their vectors; `layer` is a `KmerConv1D`."""
    x = graph.add("Gather", kmer_vectors(layer), ids)
    return convolution(graph, x, layer.convolution.get_weights())


def kmer_vectors(layer: Any) -> np.ndarray:
    """Returns the vectors of a `KmerConv1D`, that of padding zero, [n_ids, size]."""
    vectors = layer.vectors.get_weights()[0].copy()
    vectors[PAD_ID] = 0
    return vectors


def pooled(graph: Graph, x: str, lengths: str) -> str:
    """Returns the maximum over pairs inside the site, then ReLU."""
    x = graph.add("Mul", x, inside(graph, x, lengths))
    x = max_pooled(graph, x, 2, ceil_mode=1)
    return graph.add("Relu", x)


def max_pooled(graph: Graph, x: str, size: int, ceil_mode: int = 0) -> str:
    """Returns the maximum over each `size` neighbors."""
    x = graph.add("Transpose", x, perm=[0, 2, 1])
    x = graph.add(
        "MaxPool", x, kernel_shape=[size], strides=[size], ceil_mode=ceil_mode
    )
    return graph.add("Transpose", x, perm=[0, 2, 1])


def divided(graph: Graph, lengths: str, by: int) -> str:
    """Returns lengths after pooling, rounded up."""
    return graph.add("Div", graph.add("Add", lengths, ints(by - 1)), ints(by))


def normalized(graph: Graph, x: str, layer: Any) -> str:
    """Applies a `BatchNormalization` with the averages of training."""
    gamma, beta, mean, variance = layer.get_weights()
    scale = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    return graph.add("Add", graph.add("Mul", x, scale), beta - mean * scale)


def position_vectors(graph: Graph, places: str, lengths: str, layer: Any) -> list[str]:
    """Returns what a `PositionalEmbedding` adds at some places, in two parts.

    Args:
      graph: To add to.
      places: int64 [n].
      lengths: Of the sites.
      layer: The embedding.

    Returns:
      By the distance to the start, float [n, channels], and to the end, float [batch,
      n, channels].
    """
    from_start, from_end, kernel = layer.get_weights()
    last = np.int64(len(from_start) - 1)
    start = graph.add("Min", places, last)
    last_place = graph.add("Sub", lengths, np.int64(1))
    end = graph.add("Sub", last_place, places)
    end = graph.add("Clip", end, np.int64(0), last)  # padding is masked later
    return [
        graph.add("Gather", from_start @ kernel, start),
        graph.add("Gather", from_end @ kernel, end),
    ]


# === From positions to a vector for each site ===


def masked_mean(graph: Graph, x: str, lengths: str) -> str:
    """Returns the mean over the positions of the site, float [batch, channels]."""
    x = graph.add("Mul", x, inside(graph, x, lengths))
    total = graph.add("ReduceSum", x, ints(1), keepdims=0)
    return graph.add("Div", total, graph.add("Cast", lengths, to=FLOAT))


def masked_pooling(graph: Graph, x: str, lengths: str) -> str:
    """Returns mean and maximum over the site, float [batch, 2 channels]."""
    valid = graph.add("Mul", x, inside(graph, x, lengths))
    maximum = graph.add("ReduceMax", valid, axes=[1], keepdims=0)
    return graph.add("Concat", masked_mean(graph, x, lengths), maximum, axis=1)


def bilstm(graph: Graph, x: str, lengths: str, weights: Weights) -> str:
    """Returns the last states of both directions, float [batch, 2 units].

    Args:
      graph: To add to.
      x: float [batch, length, channels].
      lengths: Of the sites; the backward direction begins at their ends.
      weights: Kernel, recurrent kernel and bias, forward and backward.
    """
    kernels, recurrent, bias = (
        np.stack([_in_order(weights[i]), _in_order(weights[i + 3])]) for i in range(3)
    )
    units = recurrent.shape[-1]
    states = graph.add(
        "LSTM",
        *(graph.add("Transpose", x, perm=[1, 0, 2]), kernels, recurrent),
        np.concatenate([bias, np.zeros_like(bias)], axis=1),
        graph.add("Cast", graph.add("Squeeze", lengths, ints(1)), to=INT32),
        output=1,
        direction="bidirectional",
        hidden_size=units,
    )
    states = graph.add("Transpose", states, perm=[1, 0, 2])
    return graph.add("Reshape", states, ints(-1, 2 * units))


def _in_order(weights: np.ndarray) -> np.ndarray:
    """Returns the weights of gates i, f, c, o as ONNX has them: i, o, f, c in rows."""
    i, f, c, o = np.split(weights.T, 4)
    return np.concatenate([i, o, f, c])


def dense(graph: Graph, x: str, layer: Any) -> str:
    """Applies a `Dense` layer, with its activation, to float [..., channels].

    Raises:
      ValueError: The activation is none of this package's networks.
    """
    kernel, *bias = layer.get_weights()
    x = graph.add("MatMul", x, kernel)
    for values in bias:
        x = graph.add("Add", x, values)
    name = layer.activation.__name__
    if name == "linear":
        return x
    if name not in ("relu", "sigmoid"):
        raise ValueError(f"Layer {layer.name} has the activation {name}.")
    return graph.add(name.capitalize(), x)
