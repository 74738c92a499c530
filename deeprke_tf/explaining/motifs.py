"""Motifs: position weight matrices of aligned seqlets, and where they occur."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deeprke_tf.explaining.clustering import Cluster, cluster
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.seqlets import find_seqlets, peaks
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.explaining.statistics import Estimate, mean_of
from deeprke_tf.rna.sites import NUCLEOTIDES

_PSEUDOCOUNT = 0.5  # sites, spread over the four letters
_TRIM = 0.3  # of the largest contribution: outer positions below it are cut off
_SHORTEST = 4  # nucleotides
_LEAST_BITS = 4.0  # of information; a word of less is in every site by chance
_MISSED = 0.1  # fraction of the occurrences that the threshold of a match leaves out
_MOST_EXAMPLES = 300  # occurrences whose effect is measured
_REPLACEMENTS = 4  # of each of them
# Letters that stand for more than one nucleotide, by those that they stand for.
_IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "U": "U", "AG": "R", "CU": "Y", "CG": "S"},
    **{"AU": "W", "GU": "K", "AC": "M", "CGU": "B", "AGU": "D", "ACU": "H"},
    **{"ACG": "V", "ACGU": "N"},
}
_OFTEN = 0.2  # probability from which a nucleotide is named in the consensus


class Occurrence(NamedTuple):
    """A stretch of an explained site that has a motif.

    Attributes:
      site: Place of the site among the explained ones.
      start: First nucleotide, from 0.
      attribution: Sum over its nucleotides, log odds.
    """

    site: int
    start: int
    attribution: float


@dataclasses.dataclass(frozen=True, eq=False)
class Motif:
    """A motif that the model reads.

    Attributes:
      name: "motif_1" for the first.
      probabilities: Of A, C, G and U at each position, float64 [width, 4].
      contributions: Mean attribution of the letters, float64 [width, 4].
      occurrences: The highest attribution first; some overlap in a repeat.
      effect: Mean fall of the log odds when an occurrence is replaced by random
        letters, structure kept.
      positions: Center of each occurrence as a fraction of its site, float64
        [n_occurrences].
    """

    name: str
    probabilities: np.ndarray
    contributions: np.ndarray
    occurrences: list[Occurrence]
    effect: Estimate
    positions: np.ndarray

    @property
    def width(self) -> int:
        """Its length in nucleotides."""
        return len(self.probabilities)

    @property
    def n_sites(self) -> int:
        """Explained sites that have it."""
        return len({occurrence.site for occurrence in self.occurrences})

    @property
    def consensus(self) -> str:
        """Its letters in IUPAC code, after the nucleotides that are frequent."""
        names = []
        for row in self.probabilities:
            often = [n for n, p in zip(NUCLEOTIDES, row, strict=True) if p >= _OFTEN]
            names.append(_IUPAC["".join(often)])
        return "".join(names)

    @property
    def information(self) -> np.ndarray:
        """Information of each position in bits, 2 at most, float64 [width]."""
        p = self.probabilities
        return 2 + np.sum(p * np.log2(np.maximum(p, 1e-12)), axis=1)

    @property
    def best_word(self) -> str:
        """Its most probable letters."""
        return "".join(NUCLEOTIDES[i] for i in self.probabilities.argmax(axis=1))

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """Log2 of the probabilities over 1/4, and 0 for an unknown letter, [width, 5].

        This is the position weight matrix that `scores` adds up.
        """
        weights = np.log2(np.maximum(self.probabilities, 1e-3) * 4)
        return np.pad(weights, [(0, 0), (0, 1)])

    def scores(self, sequence: str) -> np.ndarray:
        """Returns the score of each stretch in bits, float64 [length - width + 1]."""
        if len(sequence) < self.width:
            return np.zeros(0)
        columns = np.array([NUCLEOTIDES.find(letter) for letter in sequence])
        windows = np.lib.stride_tricks.sliding_window_view(columns, self.width)
        return self.weights[np.arange(self.width), windows].sum(axis=1)


def discover(
    sites: Sequence[FoldedSite],
    attributions: Sequence[np.ndarray],
    n_bound: int,
    log_odds: LogOdds,
    seed: int,
) -> list[Motif]:
    """Finds the motifs of explained sites, the most important one first.

    The importance is the number of its sites times its effect.

    Args:
      sites: The explained sites.
      attributions: Of their nucleotides, float [length] each.
      n_bound: How many of them the model takes for bound.
      log_odds: The model.
      seed: Fixes the random letters that occurrences are replaced by.
    """
    contributions = [
        _one_hot(site.sequence) * row[:, np.newaxis]
        for site, row in zip(sites, attributions, strict=True)
    ]
    seqlets = peaks(attributions)
    n_called = len(find_seqlets(attributions, n_bound))
    least = max(5, min(20, n_bound // 20))
    rng = np.random.default_rng(seed)
    motifs = [
        motif
        for found in cluster(seqlets, n_called, contributions, least)
        if (motif := _motif(found, seqlets, sites, contributions, log_odds, rng))
    ]
    motifs.sort(key=lambda motif: -motif.n_sites * motif.effect.mean)
    distinct: list[Motif] = []
    for motif in motifs:
        if motif.information.sum() >= _LEAST_BITS and not _is_part(motif, distinct):
            distinct.append(motif)
    return [
        dataclasses.replace(motif, name=f"motif_{number}")
        for number, motif in enumerate(distinct, start=1)
    ]


def _is_part(motif: Motif, others: Sequence[Motif]) -> bool:
    """Tells whether most occurrences overlap those of more important motifs."""
    taken = {
        (o.site, position)
        for other in others
        for o in other.occurrences
        for position in range(o.start, o.start + other.width)
    }
    overlapping = [
        any((o.site, o.start + i) in taken for i in range(motif.width))
        for o in motif.occurrences
    ]
    return bool(np.mean(overlapping) > 1 / 2)


def _motif(
    found: Cluster,
    seqlets: Sequence,
    sites: Sequence[FoldedSite],
    contributions: Sequence[np.ndarray],
    log_odds: LogOdds,
    rng: np.random.Generator,
) -> Motif | None:
    """Makes a motif of a cluster; None if it may not raise the log odds."""
    first, end = _trimmed(found.mean)
    width = end - first
    places = sorted(
        {
            (seqlets[member].site, int(start) + first)
            for member, start in zip(found.members, found.starts, strict=True)
        }
    )
    # At the ends of a site a part of the motif may lie outside.
    places = [
        (site, start)
        for site, start in places
        if 0 <= start <= len(sites[site].sequence) - width
    ]
    if not places:
        return None
    cut = np.array(
        [contributions[site][start : start + width] for site, start in places]
    )
    words = [sites[site].sequence[start : start + width] for site, start in places]
    counts = np.sum([_one_hot(word) for word in words], axis=0)
    probabilities = counts + _PSEUDOCOUNT / 4
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    occurrences = [
        Occurrence(site, start, float(rows.sum()))
        for (site, start), rows in zip(places, cut, strict=True)
    ]
    occurrences.sort(key=lambda occurrence: -occurrence.attribution)
    effect = _effect(occurrences, width, sites, log_odds, rng)
    if effect.low <= 0:
        return None
    centers = [
        (occurrence.start + width / 2) / len(sites[occurrence.site].sequence)
        for occurrence in occurrences
    ]
    return Motif(
        "", probabilities, cut.mean(axis=0), occurrences, effect, np.array(centers)
    )


def _one_hot(sequence: str) -> np.ndarray:
    letters = np.frombuffer(sequence.encode(), np.uint8)[:, np.newaxis]
    return (letters == np.frombuffer(NUCLEOTIDES.encode(), np.uint8)).astype(float)


def _trimmed(mean: np.ndarray) -> tuple[int, int]:
    """Returns the half-open positions of the stretch with contributions."""
    heights = mean.sum(axis=1)
    high = np.flatnonzero(heights >= _TRIM * heights.max())
    first, end = int(high[0]), int(high[-1]) + 1
    while end - first < _SHORTEST:
        first, end = max(0, first - 1), min(len(mean), end + 1)
    return first, end


def _effect(
    occurrences: Sequence[Occurrence],
    width: int,
    sites: Sequence[FoldedSite],
    log_odds: LogOdds,
    rng: np.random.Generator,
) -> Estimate:
    """Measures the fall of the log odds when occurrences are replaced."""
    n_some = min(_MOST_EXAMPLES, len(occurrences))
    some = [occurrences[i] for i in rng.permutation(len(occurrences))[:n_some]]
    texts, contexts = [], []
    for occurrence in some:
        site = sites[occurrence.site]
        before, after = occurrence.start, occurrence.start + width
        words = rng.choice(list(NUCLEOTIDES), (_REPLACEMENTS, width))
        own = site.sequence[before:after]
        for word in (own, *("".join(letters) for letters in words)):
            texts.append(site.sequence[:before] + word + site.sequence[after:])
            contexts.append(site.loop_contexts)
    scores = log_odds.mean(texts, contexts).reshape(n_some, _REPLACEMENTS + 1)
    return mean_of(scores[:, 0] - scores[:, 1:].mean(axis=1))


def match_threshold(motif: Motif, sites: Sequence[FoldedSite]) -> float:
    """Returns the score, in bits, from which a stretch matches a motif.

    Nine of ten occurrences reach it.

    Args:
      motif: The motif.
      sites: The explained sites.
    """
    scores = [
        motif.scores(sites[o.site].sequence[o.start : o.start + motif.width])[0]
        for o in motif.occurrences
    ]
    return max(float(np.quantile(scores, _MISSED)), 0.0)
