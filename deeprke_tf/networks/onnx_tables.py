"""The first convolution and its pooling in ONNX, by sums of rows of a table.

As in `kmer_conv`, the products of all k-mer vectors with the kernel are a table, and an
output is the sum of one row for each position of the kernel. In tables of pairs of
k-mers there are half as many rows to add. Even and odd places are computed apart, so
that pooling is the larger of two values.
"""

from typing import Any

import numpy as np

from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.networks.onnx_blocks import (
    END,
    kmer_vectors,
    position_vectors,
    sides,
)
from deeprke_tf.networks.onnx_graph import Graph, ints

# With more ids tables would be larger than kernel and vectors.
MOST_IDS = 512
_MOST_PAIRS = 5_000

# Of the output at padding, which the ReLU makes zero.
_PADDING = np.float32(-1e4)


def pooled_kmer_convolution(
    graph: Graph, ids: str, lengths: str, layer: Any, positions: Any
) -> str:
    """Convolution, positional embedding, maximum over pairs and ReLU.

    Args:
      graph: To add to.
      ids: int64 [batch, n_kmers].
      lengths: Of the sites, int64 [batch, 1].
      layer: A `KmerConv1D` of at most `MOST_IDS` ids.
      positions: A `PositionalEmbedding`, or None.

    Returns:
      float [batch, n_kmers / 2, filters], the length rounded up.
    """
    tables = _tables(layer)
    length = graph.add("Shape", ids, start=1, end=2)
    odd = graph.add("Mod", length, ints(2))
    even_length = graph.add("Add", length, odd)
    before, after = sides(len(tables))
    behind = graph.add("Add", odd, ints(after))
    pads = graph.add("Concat", ints(0, before, 0), behind, axis=0)
    padded = graph.add("Pad", ids, pads, np.int64(PAD_ID))
    lookups = _lookups(graph, padded, tables)
    size = graph.add("Squeeze", even_length, ints(0))
    halves = []
    for parity in (0, 1):
        terms = []
        for offset, table, rows in lookups:
            ends = graph.add("Add", even_length, ints(offset))
            every_other = graph.add(
                *("Slice", rows, ints(offset + parity), ends, ints(1), ints(2))
            )
            terms.append(graph.add("Gather", table, every_other))
        if positions is not None:
            places = graph.add("Range", np.int64(parity), size, np.int64(2))
            start, end = position_vectors(graph, places, lengths, positions)
            terms += [end, start]
        halves.append(graph.add("Sum", *terms))
    return graph.add("Relu", graph.add("Max", *halves))


def _tables(layer: Any) -> np.ndarray:
    """Returns float32 [kernel_size, n_ids, filters]; sums of rows include the bias."""
    kernel, bias = layer.convolution.get_weights()
    tables = np.einsum("nc,jcf->jnf", kmer_vectors(layer), kernel, optimize=True)
    center = sides(len(kernel))[0]
    tables[center] += bias
    tables[center, PAD_ID] = _PADDING
    return tables


def _lookups(
    graph: Graph, padded: str, tables: np.ndarray
) -> list[tuple[int, str, str]]:
    """Returns, for each term of the sum, its place, its table and rows of the table.

    Args:
      graph: To add to.
      padded: Ids with padding on both sides, int64 [batch, n].
      tables: float32 [kernel_size, n_ids, filters].

    Returns:
      Offset in the padded ids, float32 [n_rows, filters], and the row at each place of
      the padded ids, int64 [batch, n].
    """
    n_offsets, n_ids, n_filters = tables.shape
    paired = n_offsets // 2 * 2 if n_ids**2 <= _MOST_PAIRS else 0
    lookups = []
    if paired:
        first = graph.add("Slice", padded, ints(0), ints(-1), ints(1))
        second = graph.add("Slice", padded, ints(1), ints(END), ints(1))
        pairs = graph.add("Add", graph.add("Mul", first, np.int64(n_ids)), second)
        for offset in range(0, paired, 2):
            # Onnxruntime adds them once, when it loads the file.
            both = graph.add("Add", tables[offset][:, np.newaxis], tables[offset + 1])
            table = graph.add("Reshape", both, ints(-1, n_filters))
            lookups.append((offset, table, pairs))
    for offset in range(paired, n_offsets):
        table = graph.add("Identity", tables[offset])
        lookups.append((offset, table, padded))
    return lookups
