"""The k-mer counts of a site in ONNX; see `kmer_counts`."""

from typing import Any

import numpy as np

from deeprke_tf.data.kmers import FIRST_KMER_ID
from deeprke_tf.networks import counted_kmers
from deeprke_tf.networks.onnx_blocks import END, places_of
from deeprke_tf.networks.onnx_graph import FLOAT, Graph, ints
from deeprke_tf.rna.sites import NUCLEOTIDES

_N_LETTERS = len(NUCLEOTIDES)


def with_kmer_counts(
    graph: Graph, log_odds: str, ids: str, lengths: str, layer: Any
) -> str:
    """Mixes in the log odds of a `KmerCounts`, float [batch, n_outputs]."""
    (table,) = layer.get_weights()
    weights = table.reshape(len(table), -1).copy()
    intercept = weights[0].copy()
    weights[0] = 0  # of unknown k-mers
    of_kmers, of_letters = _places(graph, ids, lengths, layer.k)
    counted = _summed(graph, weights, graph.add("Concat", *of_kmers, axis=1))
    n_kmers = graph.add("Cast", lengths, to=FLOAT)
    counted = graph.add("Mul", counted, np.float32(counted_kmers.PER_KMERS))
    regression = graph.add(
        "Sum",
        graph.add("Div", counted, n_kmers),
        _summed(graph, weights, of_letters),
        intercept,
    )
    regression = graph.add("Mul", regression, np.float32(layer.share))
    log_odds = graph.add("Mul", log_odds, np.float32(1 - layer.share))
    return graph.add("Add", log_odds, regression)


def _summed(graph: Graph, weights: np.ndarray, places: str) -> str:
    gathered = graph.add("Gather", weights, places)
    return graph.add("ReduceSum", gathered, ints(1), keepdims=0)


def _places(graph: Graph, ids: str, lengths: str, k: int) -> tuple[list[str], str]:
    """Returns the indices of the weights that k-mers add; see `kmer_counts.places`."""
    numbers = graph.add("Sub", ids, np.int64(FIRST_KMER_ID))
    is_known = graph.add("GreaterOrEqual", numbers, np.int64(0))
    of_kmers = []
    first = 1
    for length in counted_kmers.lengths(k):
        more = length - k
        n_more = np.int64(_N_LETTERS**more)
        later = graph.add("Pad", numbers, ints(0, 0, 0, more), np.int64(-1))
        later = graph.add("Slice", later, ints(more), ints(END), ints(1))
        known = graph.add("GreaterOrEqual", later, np.int64(0))
        known = graph.add("And", is_known, known)
        longer = graph.add("Mul", numbers, n_more)
        longer = graph.add("Add", longer, graph.add("Mod", later, n_more))
        longer = graph.add("Add", longer, np.int64(first))
        of_kmers.append(graph.add("Where", known, longer, np.int64(0)))
        first += _N_LETTERS**length
    center = graph.add("Div", lengths, ints(2))
    reach = np.int64(counted_kmers.REACH)
    offsets = graph.add("Sub", places_of(graph, ids), center)
    offsets = graph.add("Add", offsets, reach)
    near = graph.add("GreaterOrEqual", offsets, np.int64(0))
    near = graph.add("And", near, graph.add("LessOrEqual", offsets, 2 * reach))
    letters = graph.add("Mul", offsets, np.int64(_N_LETTERS))
    letter = graph.add("Div", numbers, np.int64(_N_LETTERS ** (k - 1)))
    letters = graph.add("Add", graph.add("Add", letters, letter), np.int64(first))
    known = graph.add("And", is_known, near)
    return of_kmers, graph.add("Where", known, letters, np.int64(0))
