"""Scores sites with a trained network, batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.data.batches import DAMAGED_RECORDS, OTHER_RECORDS
from deeprke_tf.data.kmers import PAD_ID
from deeprke_tf.errors import UserError

# K-mers in a padded batch. Preset `deeprke` takes 2.7 kB for each, 0.7 GB in all; 256
# sites of the benchmarks, or windows, have far fewer.
_MOST_KMERS = 256_000

Scorer = Callable[[dict[str, Any]], np.ndarray]


def scorer(model: keras.Model) -> Scorer:
    """Compiles a network for prediction.

    Returns:
      A function from padded ids, int64 [batch, n_kmers] for each view, to the
      probabilities, float32 [batch], or [batch, n_rbps] of a joint network.
    """
    signature = {
        tensor.name: tf.TensorSpec([None, None], tf.int64, tensor.name)
        for tensor in model.inputs
    }

    # Without a signature, each new batch shape would be traced anew.
    @tf.function(input_signature=[signature])
    def score(inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        probabilities = model(inputs, training=False)
        return probabilities if probabilities.shape[1] > 1 else probabilities[:, 0]

    return lambda inputs: score(inputs).numpy()


def log_odds_network(model: keras.Model) -> keras.Model:
    """Returns a network without its last step, the sigmoid; weights are shared.

    Args:
      model: The network of a single training.
    """
    inputs = {ids.name: ids for ids in model.inputs}
    return keras.Model(inputs, model.get_layer("probability").input)


def score_labelled(score: Scorer, batches: tf.data.Dataset) -> tuple[np.ndarray, ...]:
    """Scores every site of a split.

    Args:
      score: From `scorer`.
      batches: From `batches.read_split`.

    Returns:
      Labels, int [n_sites], and probabilities, float32 [n_sites], in the same order;
      of a joint network [n_sites, n_rbps].

    Raises:
      UserError: The shards do not hold the records that `dataset.json` describes.
    """
    labels, probabilities = [], []
    try:
        for inputs, label, _weight in batches:
            labels.append(label.numpy()[:, 0].astype(int))
            probabilities.append(score(inputs))
    except DAMAGED_RECORDS as error:
        raise UserError(OTHER_RECORDS) from error
    if not labels:
        return np.zeros(0, int), np.zeros(0, np.float32)
    return np.concatenate(labels), np.concatenate(probabilities)


def score_sites(
    score: Scorer,
    sites: Sequence[dict[str, np.ndarray]],
    batch_size: int,
    n_rbps: int | None = None,
) -> np.ndarray:
    """Scores encoded sites, batched by length so that little is padded.

    Args:
      score: From `scorer`.
      sites: The ids of each site's views, int64 [n_kmers].
      batch_size: Sites in a batch.
      n_rbps: Outputs of a joint network; None for the network of one RBP.

    Returns:
      float32 [len(sites)], in the order of `sites`; of a joint network
      [len(sites), n_rbps].
    """
    shape = (len(sites),) if n_rbps is None else (len(sites), n_rbps)
    probabilities = np.zeros(shape, np.float32)
    for some, batch in batched_by_length(sites, batch_size):
        probabilities[some] = score(batch)
    return probabilities


def batched_by_length(
    sites: Sequence[dict[str, np.ndarray]], batch_size: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yields the places of some sites, and their views as one padded batch.

    Args:
      sites: The ids of each site's views, int64 [n_kmers].
      batch_size: Sites in a batch at most; of long ones fewer, so that memory stays
        bounded.
    """
    lengths = np.array([len(next(iter(site.values()))) for site in sites], int)
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(sites):
        some = order[start : start + batch_size]
        # The last is the longest, and the others are padded to it.
        n_kmers = np.arange(1, len(some) + 1) * lengths[some]
        n_fit = int(np.searchsorted(n_kmers, _MOST_KMERS, side="right"))
        some = some[: max(1, n_fit)]
        yield (
            some,
            {view: _padded([sites[i][view] for i in some]) for view in sites[some[0]]},
        )
        start += len(some)


def _padded(rows: Iterable[np.ndarray]) -> np.ndarray:
    rows = list(rows)
    padded = np.full((len(rows), max(map(len, rows))), PAD_ID, np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded
