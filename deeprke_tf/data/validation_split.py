"""Splits validation off the training sites.

By sequence: the distinct sequences with the smallest hashes, so that duplicates never
straddle the split. By overlap: sequences that share a stretch of letters, directly or
through others, stay together, too. Windows of CLIP peaks overlap: where validation is a
random part of them, it rises by what a network remembers, and epoch, threshold and
calibration chosen on it are not those for new sites.
"""

from collections.abc import Sequence

import numpy as np

from deeprke_tf.data.site_store import SiteStore
from deeprke_tf.rna.stretches import SHARED, codes_of

_INT64 = np.iinfo(np.int64)

# Of so many neighboring stretches one is kept; which one, their letters alone settle.
_KEPT_OF = 8

# Letters in a row that two sequences share at least where it is sure to be found.
SURELY_FOUND = SHARED + _KEPT_OF - 1


def by_sequence(store: SiteStore, fraction: float) -> None:
    """Moves the sequences with the smallest hashes into "validation".

    Args:
      store: All sites, indexed.
      fraction: Share of each class's distinct sequences, in (0, 1).
    """
    n_distinct = np.zeros(2, int)
    for _digests, classes in store.training_classes():
        n_distinct += np.bincount(classes, minlength=2)
    n_left = _shares(n_distinct, fraction)
    # By class: sequences with smaller digests are moved.
    ends = np.full(2, _INT64.max)
    for digests, classes in store.training_classes():
        for label in (0, 1):
            of_class = digests[classes == label]
            if 0 <= n_left[label] < len(of_class):
                ends[label] = of_class[n_left[label]]
            n_left[label] -= len(of_class)
    store.move_to_validation(lambda digests, classes: digests < ends[classes])


def by_overlap(store: SiteStore, fraction: float) -> None:
    """Moves groups of sequences into "validation", each as a whole.

    A group goes by the hash of one of its sequences, so that one that is alone goes by
    its own; a group that is more than what is left of the share of a class stays in
    training. Takes some 15 bytes of memory for each letter of the training sequences.

    Args:
      store: All sites, indexed.
      fraction: Share of each class's distinct sequences, in (0, 1).
    """
    digests, classes, codes, owners = [], [], [], []
    n_sequences = 0
    for some_digests, some_classes, sequences in store.training_sequences():
        some_codes, some_owners = _kept_stretches(sequences)
        digests.append(some_digests)
        classes.append(some_classes)
        codes.append(some_codes)
        owners.append(some_owners + n_sequences)
        n_sequences += len(sequences)
    groups = _groups(n_sequences, np.concatenate(codes), np.concatenate(owners))
    of_all = np.concatenate(digests)
    chosen = of_all[_chosen(groups, of_all, np.concatenate(classes), fraction)]
    store.move_to_validation(lambda digests, _classes: np.isin(digests, chosen))


def _shares(n_distinct: np.ndarray, fraction: float) -> list[int]:
    """Returns how many sequences of each class are for validation."""
    return [round(fraction * n) for n in n_distinct.tolist()]


def _kept_stretches(sequences: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns some stretches of letters as numbers, and whose they are.

    They are minimizers (Roberts et al., Bioinformatics 20, 3363 (2004)): two sequences
    that share `SURELY_FOUND` letters have one in common.
    """
    codes, owners = codes_of(sequences)
    if len(codes) < _KEPT_OF:
        return codes, owners
    # Not by the numbers: poly-A is the smallest, and would be kept everywhere.
    windows = np.lib.stride_tricks.sliding_window_view(_mixed(codes), _KEPT_OF)
    kept = np.unique(windows.argmin(axis=1) + np.arange(len(windows)))
    return codes[kept], owners[kept]


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Returns numbers in another order, that has nothing to do with theirs, uint64."""
    mixed = (numbers ^ np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed ^ mixed >> np.uint64(32)


def _groups(n_sequences: int, codes: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Returns the group of each sequence, int [n_sequences]."""
    # They take as long to load as Python: only where they are asked for.
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
    groups: np.ndarray, digests: np.ndarray, classes: np.ndarray, fraction: float
) -> np.ndarray:
    """Chooses whole groups; bool [n_sequences]."""
    # Not by the smallest digest: large groups have smaller ones, and would come first.
    by_group = np.lexsort((_mixed(digests.view(np.uint64)), groups))
    is_first = np.append(True, np.diff(groups[by_group]) > 0)
    order = np.argsort(digests[by_group[is_first]])
    counts = np.zeros((len(order), 2), int)
    np.add.at(counts, (groups, classes), 1)
    left = _shares(np.bincount(classes, minlength=2), fraction)
    is_chosen = np.zeros(len(order), bool)
    listed = counts.tolist()
    for group in order.tolist():
        n_background, n_bound = listed[group]
        if n_background <= left[0] and n_bound <= left[1]:
            is_chosen[group] = True
            left[0] -= n_background
            left[1] -= n_bound
            if not any(left):
                break
    return is_chosen[groups]
