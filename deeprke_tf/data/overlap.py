"""Groups of overlapping sequences, for a validation split without leakage.

Windows of CLIP peaks overlap. Where validation is a random part of them, the validation
AUROC is too high, as a network memorizes training sites; and epoch, threshold and
calibration selected by it do not suit new sites. So sequences that share a stretch of
letters, directly or through others, go to one side of the split together.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from deeprke_tf.data import partition
from deeprke_tf.data.site_store import SiteStore
from deeprke_tf.rna.stretches import SHARED, codes_of

# One of so many neighboring stretches is kept; its letters alone decide which one.
_KEPT_OF = 8

# Sequences that share so many letters in a row are certain to be grouped.
SURELY_FOUND = SHARED + _KEPT_OF - 1


def split_off_validation(store: SiteStore, seed: int, fraction: float) -> None:
    """Moves whole groups of overlapping training sequences to validation.

    A group goes by the validation hash of its first sequence in order. A group of
    several sequences that has more than `fraction` of all sites of a class stays in
    training. Takes some 15 bytes of memory for each letter of the training sequences.

    Args:
      store: All sites, indexed, none of them in validation.
      seed: Fixes the hashes.
      fraction: Validation fraction, in (0, 1).
    """
    orders, n_sites, is_chosen, codes, owners = [], [], [], [], []
    n_sequences = 0
    for some in store.read():
        rows, sites = some.of("train")
        distinct, first, sequence_of = np.unique(
            rows["order"], return_index=True, return_inverse=True
        )
        counts = np.zeros((len(distinct), 2), int)
        np.add.at(counts, (sequence_of, rows["label"]), 1)
        sequences = [sites[place].sequence for place in first.tolist()]
        hashes = partition.sequence_hashes(sequences, seed).validation
        some_codes, some_owners = minimizers(sequences)
        orders.append(distinct)
        n_sites.append(counts)
        is_chosen.append(partition.is_validation(hashes, fraction))
        codes.append(some_codes)
        owners.append(some_owners + n_sequences)
        n_sequences += len(sequences)
    groups = _groups(n_sequences, np.concatenate(codes), np.concatenate(owners))
    of_sequences = np.concatenate(n_sites)
    chosen = _chosen(groups, np.concatenate(is_chosen), of_sequences, fraction)
    store.move_to_validation(
        np.concatenate(orders)[chosen], of_sequences[chosen].sum(axis=0)
    )


def overlap_groups(batches: Iterable[Sequence[str]], seed: int) -> np.ndarray:
    """Returns the group of each sequence, for splits into any number of parts.

    Equal sequences are in one group, however short they are. Takes some 15 bytes of
    memory for each letter.

    Args:
      batches: The sequences, RNA letters, some thousand at once.
      seed: Of the hashes by which equal sequences are found.

    Returns:
      Numbers of groups from 0, int [n_sequences].
    """
    codes: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    n_sequences = 0
    for sequences in batches:
        some_codes, some_owners = minimizers(sequences)
        # A stretch has 62 bits: with the last one set, a hash is no stretch.
        hashes = partition.sequence_hashes(sequences, seed).order.astype(np.uint64)
        codes += [some_codes, hashes | np.uint64(1 << 63)]
        owners += [some_owners + n_sequences, np.arange(len(sequences)) + n_sequences]
        n_sequences += len(sequences)
    return _groups(n_sequences, np.concatenate(codes), np.concatenate(owners))


def minimizers(
    sequences: Sequence[str], surely_found: int = SURELY_FOUND
) -> tuple[np.ndarray, np.ndarray]:
    """Returns some stretches of letters as numbers, and the sequence of each.

    They are minimizers (Roberts et al., Bioinformatics 20, 3363 (2004)): two sequences
    that share `surely_found` letters in a row have one in common, and two that share
    eight letters less have none.

    Args:
      sequences: RNA letters.
      surely_found: At least 12.

    Returns:
      uint64 [n_stretches], and places in `sequences`, int32 [n_stretches].
    """
    codes, owners = codes_of(sequences, surely_found - _KEPT_OF + 1)
    if len(codes) < _KEPT_OF:
        return codes, owners
    # Not by the numbers: poly-A is the smallest, and would be kept everywhere.
    windows = np.lib.stride_tricks.sliding_window_view(_mixed(codes), _KEPT_OF)
    kept = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
    return codes[kept], owners[kept]


def among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Tells which values are among known ones.

    Args:
      values: Such as stretches, of a type that can be compared.
      known: Ascending; may be empty.

    Returns:
      bool [n_values].
    """
    if not len(known):
        return np.zeros(len(values), bool)
    # In order they are found fast: both sides are walked along.
    order = np.argsort(values)
    places = np.searchsorted(known, values[order])
    is_known = np.empty(len(values), bool)
    is_known[order] = known[np.minimum(places, len(known) - 1)] == values[order]
    return is_known


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Hashes numbers, uint64: their order is random."""
    mixed = (numbers ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)


def _groups(n_sequences: int, codes: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Returns the group of each sequence, int [n_sequences]."""
    # Imported only here, as they take long to load.
    from scipy import sparse
    from scipy.sparse import csgraph

    order = np.argsort(codes, kind="stable")
    codes, owners = codes[order], owners[order]
    is_shared = codes[1:] == codes[:-1]
    one, other = owners[:-1][is_shared], owners[1:][is_shared]
    graph = sparse.coo_matrix(
        (np.ones(len(one), bool), (one, other)), shape=(n_sequences, n_sequences)
    )
    return csgraph.connected_components(graph, directed=False)[1]


def _chosen(
    groups: np.ndarray, is_chosen: np.ndarray, n_sites: np.ndarray, fraction: float
) -> np.ndarray:
    """Chooses whole groups; bool [n_sequences].

    Args:
      groups: Group of each sequence, int [n_sequences], in order.
      is_chosen: Whether each would go to validation if it were alone.
      n_sites: Sites of each label, int [n_sequences, 2].
      fraction: Validation fraction.
    """
    _, first, n_sequences = np.unique(groups, return_index=True, return_counts=True)
    of_groups = np.zeros((len(first), 2), int)
    np.add.at(of_groups, groups, n_sites)
    is_large = (of_groups > fraction * n_sites.sum(axis=0)).any(axis=1)
    # By one sequence: by the smallest hash of all, large groups would come first.
    return (is_chosen[first] & ~(is_large & (n_sequences > 1)))[groups]
