"""Seqlets sorted by what they look like, and aligned without gaps, on one strand.

A seqlet is compared by its contributions: the attribution of each nucleotide at the row
of its letter. The similarity of two is the largest cosine over all shifts.
"""

from collections.abc import Sequence

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from deeprke_tf.explaining.seqlets import WIDTH, Seqlet

FLANK = 4  # nucleotides beside a seqlet that take part in its comparison
_SHIFT = 5  # largest shift of an alignment
_MOST_SEQLETS = 2_000  # that are compared with one another
_ALIKE = 0.6  # mean similarity within a cluster
_SAME = 0.8  # similarity of two clusters that are merged
_BELONGS = 0.6  # similarity of a seqlet to its cluster
_ROUNDS = 3  # of aligning seqlets to their mean

_CORE = WIDTH + 2 * FLANK
_SHIFTS = np.arange(-_SHIFT, _SHIFT + 1)


class Cluster:
    """Seqlets of one form.

    Attributes:
      mean: Mean contributions, float64 [width, 4].
      members: Places of the seqlets, int [n_members].
      starts: Where `mean` begins in the site of each, may be negative, [n_members].
    """

    def __init__(self, mean: np.ndarray, members: np.ndarray, starts: np.ndarray):
        self.mean = mean
        self.members = members
        self.starts = starts


def cluster(
    seqlets: Sequence[Seqlet],
    n_called: int,
    contributions: Sequence[np.ndarray],
    least: int,
) -> list[Cluster]:
    """Returns clusters of at least some seqlets, the largest first.

    Args:
      seqlets: The highest sum first.
      n_called: Strongest seqlets; clusters are made of the first 2,000 of them,
        and all others join them where they look alike.
      contributions: Of each site, float [length, 4].
      least: Seqlets in the smallest cluster.
    """
    if n_called < max(least, 2):
        return []
    wide = np.array([_cut(contributions[s.site], s.start) for s in seqlets])
    some = wide[: min(n_called, _MOST_SEQLETS)]
    similarity = _similarities(some)
    distance = np.clip(1 - (similarity + similarity.T) / 2, 0, None)
    np.fill_diagonal(distance, 0)
    tree = hierarchy.average(squareform(distance, checks=False))
    groups = hierarchy.fcluster(tree, 1 - _ALIKE, "distance")
    sizes = np.bincount(groups)
    large = [g for g in np.argsort(-sizes, kind="stable") if sizes[g] >= least]
    means = _merged([some[groups == group] for group in large])
    return _with_members(means, wide, seqlets, least)


def _cut(contributions: np.ndarray, start: int) -> np.ndarray:
    """Returns a seqlet with its flanks and room for shifts; 0 outside of the site."""
    margin = FLANK + _SHIFT
    padded = np.pad(contributions, [(margin, margin), (0, 0)])
    return padded[start : start + WIDTH + 2 * margin]


def _windows(wide: np.ndarray) -> np.ndarray:
    """Returns seqlets at every shift, of length 1, [n_shifts, n_seqlets, core * 4]."""
    shifted = [
        wide[:, _SHIFT + s : _SHIFT + s + _CORE].reshape(len(wide), -1) for s in _SHIFTS
    ]
    rows = np.array(shifted)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def _similarities(wide: np.ndarray) -> np.ndarray:
    """Returns the similarity of each pair, [n_seqlets, n_seqlets]."""
    windows = _windows(wide).astype(np.float32)
    best = np.full((len(wide), len(wide)), -1.0, np.float32)
    for window in windows:
        np.maximum(best, windows[_SHIFT] @ window.T, out=best)
    return best


def _aligned_mean(wide: np.ndarray) -> np.ndarray:
    """Returns the mean of seqlets aligned to one another, [core, 4]."""
    # From the member that is most like the others.
    first = int(np.argmax(_similarities(wide).mean(axis=1)))
    mean = wide[first, _SHIFT : _SHIFT + _CORE]
    for _ in range(_ROUNDS):
        _best, shifts = _matches(wide, mean)
        rows = [
            w[_SHIFT + s : _SHIFT + s + _CORE]
            for w, s in zip(wide, shifts, strict=True)
        ]
        mean = np.mean(rows, axis=0)
    return mean


def _matches(wide: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the similarity of each seqlet to a mean, and the shift that gives it."""
    target = mean.ravel() / max(float(np.linalg.norm(mean)), 1e-9)
    similarity = _windows(wide) @ target
    best = similarity.argmax(axis=0)
    return similarity.max(axis=0), _SHIFTS[best]


def _merged(groups: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the means of groups, of which those that look the same are one."""
    means: list[np.ndarray] = []
    kept: list[np.ndarray] = []
    for group in groups:
        mean = _aligned_mean(group)
        wide = np.pad(mean, [(_SHIFT, _SHIFT), (0, 0)])[np.newaxis]
        alike = [_matches(wide, other)[0][0] for other in means]
        if alike and max(alike) >= _SAME:
            place = int(np.argmax(alike))
            kept[place] = np.concatenate([kept[place], group])
            means[place] = _aligned_mean(kept[place])
        else:
            means.append(mean)
            kept.append(group)
    return means


def _with_members(
    means: Sequence[np.ndarray],
    wide: np.ndarray,
    seqlets: Sequence[Seqlet],
    least: int,
) -> list[Cluster]:
    """Gives each seqlet to the mean that it is most like."""
    if not means:
        return []
    matches = [_matches(wide, mean) for mean in means]
    similarity = np.array([best for best, _shifts in matches])
    owner = np.where(similarity.max(axis=0) >= _BELONGS, similarity.argmax(axis=0), -1)
    first = np.array([seqlet.start for seqlet in seqlets]) - FLANK
    found = []
    for number, (mean, (_best, shifts)) in enumerate(zip(means, matches, strict=True)):
        members = np.flatnonzero(owner == number)
        if len(members) >= least:
            found.append(Cluster(mean, members, first[members] + shifts[members]))
    return sorted(found, key=lambda cluster: -len(cluster.members))
