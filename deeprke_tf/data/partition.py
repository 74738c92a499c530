"""Which split and which shard a site belongs to: ranges of a hash of its sequence.

Every sequence is hashed once, keyed by the seed. One half of the hash decides whether
it is a validation sequence, the other half gives its place in the order of sites, and
with it its shard. So a site's place depends on its own sequence, the seed and the
number of sites alone: no other site needs to be seen, on one machine or on many.

All sites of one sequence stay together. The sizes of splits and shards are binomial:
10 % of 10,000 sequences are 1,000 validation sequences, give or take 30.

>>> hashes = sequence_hashes(["GGAAACC", "ACGUACGU", "UUUUUUUU", "CAGUCAGU"], seed=1)
>>> is_validation(hashes.validation, 0.5).tolist()
[True, False, True, True]
>>> shard_count(4, sites_per_shard=2)
2
>>> shard_index(hashes.order, 2).tolist()
[0, 1, 1, 0]

These are functions of arrays; a single `int` works as well.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

BITS = 63  # of each of the two hashes: they fit into a signed 64-bit integer


class SequenceHashes(NamedTuple):
    """Two independent hashes of each sequence, each uniform in [0, 2^63).

    Attributes:
      validation: Decides between training and validation, int64 [n_sequences].
      order: The place among all sites, int64 [n_sequences]. It also stands for the
        sequence where equal sequences are counted.
    """

    validation: np.ndarray
    order: np.ndarray


def sequence_hashes(sequences: Sequence[str], seed: int) -> SequenceHashes:
    """Hashes sequences with blake2b (16 bytes, big-endian halves, keyed by the seed).

    Args:
      sequences: RNA letters of each site.
      seed: Another seed gives another split and another order.
    """
    keyed = hashlib.blake2b(digest_size=16, key=f"seed {seed}".encode())

    def digest(sequence: str) -> bytes:
        hashed = keyed.copy()
        hashed.update(sequence.encode())
        return hashed.digest()

    halves = np.frombuffer(b"".join(map(digest, sequences)), ">u8").reshape(-1, 2)
    numbers = (halves >> np.uint64(64 - BITS)).astype(np.int64)
    return SequenceHashes(numbers[:, 0], numbers[:, 1])


def is_validation(validation_hashes: Any, fraction: float) -> Any:
    """Tells which training sequences are for validation: about `fraction` of them.

    Args:
      validation_hashes: `SequenceHashes.validation`, int64 [n], or one `int`.
      fraction: Validation fraction, in (0, 1).

    Returns:
      bool [n], or one `bool`.
    """
    return validation_hashes < int(fraction * 2**BITS)


def shard_count(n_sites: int, sites_per_shard: int) -> int:
    """Returns the number of shards of a split that has about `sites_per_shard` each.

    Every shard is written, even one that by chance gets no site.
    """
    return -(-n_sites // sites_per_shard)


def shard_index(order_hashes: Any, n_shards: int) -> Any:
    """Returns the shard of each site; within a shard, sites lie in order.

    Sites are ordered by order hash; equal sequences by input file, then by row.

    Args:
      order_hashes: `SequenceHashes.order`, int64 [n], or one `int`.
      n_shards: Shards of the split; `shard_count(...)`.

    Returns:
      Indices from 0, int64 [n], or one `int`.
    """
    # The upper 32 bits: the product fits into 64.
    return (order_hashes >> BITS - 32) * n_shards >> 32
