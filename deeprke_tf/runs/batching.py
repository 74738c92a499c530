"""Scores sites batch by batch, whatever computes the network."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from deeprke_tf.data.kmers import PAD_ID

# K-mers in a padded batch. Preset `deeprke` takes 2.7 kB for each, 0.7 GB in all; 256
# sites of the benchmarks, or windows, have far fewer.
_MOST_KMERS = 256_000

# From padded ids, int64 [batch, n_kmers] for each view, to probabilities, float32
# [batch], or [batch, n_rbps] of a joint network.
Scorer = Callable[[dict[str, Any]], np.ndarray]


def score_sites(
    score: Scorer,
    sites: Sequence[dict[str, np.ndarray]],
    batch_size: int,
    n_rbps: int | None = None,
) -> np.ndarray:
    """Scores encoded sites, batched by length so that little is padded.

    Args:
      score: A compiled network.
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
