"""Deals sites to parts of given sizes, whole groups at a time.

Groups are dealt from the largest to the smallest, each to the part that stays nearest
to its share of the bound and of the background sites.
"""

from collections.abc import Sequence

import numpy as np


def deal(
    groups: np.ndarray, labels: np.ndarray, fractions: Sequence[float], seed: int
) -> np.ndarray:
    """Deals all groups.

    >>> groups, labels = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    >>> deal(groups, labels, [1 / 3, 2 / 3], seed=1).tolist()
    [1, 1, 0, 0, 1, 1]

    Args:
      groups: Group of each site, numbers from 0 without a gap, int [n_sites].
      labels: 1 bound, 0 background, both present, int [n_sites].
      fractions: Share of the sites for each part; they add up to 1.
      seed: Fixes the order of groups of one size.

    Returns:
      The part of each site, from 0, int [n_sites].
    """
    counts = class_counts(groups, labels)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    shares = (counts / counts.sum(axis=0))[order].tolist()
    filled = [[0.0, 0.0] for _ in fractions]
    part_of = np.zeros(len(counts), int)
    # Plain numbers: there may be as many groups as sites.
    for group, (background, bound) in zip(order.tolist(), shares, strict=True):
        # By how much the squares of the shares, over the fractions, would grow: their
        # sum is least where all parts have what they are to have.
        costs = [
            ((2 * x + background) * background + (2 * y + bound) * bound) / fraction
            for (x, y), fraction in zip(filled, fractions, strict=True)
        ]
        part = costs.index(min(costs))
        filled[part][0] += background
        filled[part][1] += bound
        part_of[group] = part
    return part_of[groups]


def class_counts(numbers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts sites by group or part, and by class.

    >>> class_counts(np.array([0, 0, 1]), np.array([1, 1, 0])).tolist()
    [[0, 2], [1, 0]]

    Args:
      numbers: Group or part of each site, from 0, int [n_sites].
      labels: 1 bound, 0 background, int [n_sites].

    Returns:
      Background and bound sites of each, int [n_groups, 2].
    """
    counts = np.zeros((int(numbers.max(initial=-1)) + 1, 2), int)
    np.add.at(counts, (numbers, labels), 1)
    return counts


def split_off(
    groups: np.ndarray, labels: np.ndarray, fraction: float, seed: int
) -> np.ndarray:
    """Chooses whole groups for validation, about a fraction of the sites.

    Few large groups may all be too large: then it is the smallest that has bound sites,
    and, if it has no background sites, the smallest that has some.

    Args:
      groups: Group of each site, int [n_sites].
      labels: 1 bound, 0 background, int [n_sites].
      fraction: Fraction for validation.
      seed: Fixes the choice.

    Returns:
      Whether each site is for validation, bool [n_sites].
    """
    _, numbers = np.unique(groups, return_inverse=True)
    is_chosen = deal(numbers, labels, [1 - fraction, fraction], seed) == 1
    counts = class_counts(numbers, labels)
    for label in (1, 0):
        if label not in labels[is_chosen]:
            sizes = np.where(counts[:, label], counts.sum(axis=1), len(labels) + 1)
            is_chosen |= numbers == sizes.argmin()
    return is_chosen
