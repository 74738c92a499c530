"""Which loops a motif lies in, compared with sites that do not have it.

Three groups of stretches, as wide as the motif with some nucleotides on both sides:

    occurrences  of the motif in the explained sites
    matched      stretches without the motif, in sites without it: for each occurrence
                 one in a site of about the same length and GC content, at the same
                 relative position
    elsewhere    matches of the motif in the sites that are not explained, to which the
                 model gives lower log odds

The differences of a loop context's fraction have intervals, one value a stretch.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from deeprke_tf.explaining.motifs import Motif, match_threshold
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.explaining.statistics import Estimate, mean_of
from deeprke_tf.rna.structure import LOOP_CONTEXTS

FLANK = 10  # nucleotides on both sides of the motif
_LEAST = 10  # stretches of a group that has intervals
# A site is compared with those nearest to it in these units.
_LENGTH_UNIT, _GC_UNIT = 10.0, 0.05  # nucleotides, fraction
_NEAREST = 10


@dataclasses.dataclass(frozen=True, eq=False)
class StructurePreference:
    """The loops of one motif, by group: "occurrences", "matched" and "elsewhere".

    Attributes:
      n: Stretches of each group.
      profiles: Fraction of each loop context (F, T, I, H, M, S) at each position, from
        `FLANK` before to `FLANK` behind the motif, float64 [width + 2 FLANK, 6]; NaN
        where no stretch reaches.
      fractions: Of each loop context over the motif itself.
      differences: Of these fractions, "occurrences" minus each other group.
    """

    n: dict[str, int]
    profiles: dict[str, np.ndarray]
    fractions: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Estimate]]

    @property
    def preferred(self) -> str | None:
        """The loop context that is more frequent than in matched sites.

        Of several, the one with the largest difference; None: there is none whose
        interval lies above 0.
        """
        above = {
            letter: difference.mean
            for letter, difference in self.differences.get("matched", {}).items()
            if difference.low > 0
        }
        return max(above, key=lambda letter: above[letter]) if above else None


def structure_preference(
    motif: Motif,
    explained: Sequence[FoldedSite],
    others: Sequence[FoldedSite],
    seed: int = 1,
) -> StructurePreference:
    """Compares the loops of a motif with those of matched sites and other matches.

    Args:
      motif: The motif.
      explained: The sites that it was found in.
      others: Other sites.
      seed: Fixes the choice of matched sites.
    """
    threshold = match_threshold(motif, explained)
    stretches = [(explained[o.site].loop_contexts, o.start) for o in _distinct(motif)]
    sites = [explained[o.site] for o in _distinct(motif)]
    hits = [_best_match(motif, site) for site in others]
    elsewhere = [
        (site.loop_contexts, start)
        for site, (start, score) in zip(others, hits, strict=True)
        if score >= threshold
    ]
    without = [
        site
        for site in [*others, *explained]
        if _best_match(motif, site)[1] < threshold
    ]
    groups = {
        "occurrences": stretches,
        "matched": _matched(stretches, sites, without, motif.width, seed),
        "elsewhere": elsewhere,
    }
    codes = {name: _codes(some, motif.width) for name, some in groups.items()}
    each = {name: _fractions(code, motif.width) for name, code in codes.items()}
    large = [name for name, rows in each.items() if len(rows) >= _LEAST]
    return StructurePreference(
        {name: len(some) for name, some in groups.items()},
        {name: _profile(code) for name, code in codes.items() if len(code)},
        {name: _estimates(each[name]) for name in large},
        {
            name: _differences(each["occurrences"], each[name], name == "matched")
            for name in large
            if name != "occurrences" and "occurrences" in large
        },
    )


def _distinct(motif: Motif) -> list:
    """Returns the best occurrence in each site, so that values are independent."""
    best = {o.site: o for o in reversed(motif.occurrences)}
    return [best[site] for site in sorted(best)]


def _best_match(motif: Motif, site: FoldedSite) -> tuple[int, float]:
    scores = motif.scores(site.sequence)
    if not len(scores):
        return 0, -np.inf
    start = int(scores.argmax())
    return start, float(scores[start])


def _matched(
    stretches: Sequence[tuple[str, int]],
    sites: Sequence[FoldedSite],
    without: Sequence[FoldedSite],
    width: int,
    seed: int,
) -> list[tuple[str, int]]:
    """Returns a stretch of a site without the motif for each occurrence, if any."""
    without = [site for site in without if len(site.sequence) >= width]
    if not without:
        return []
    rng = np.random.default_rng(seed)
    features = np.array([_features(site) for site in without])
    found = []
    for (_contexts, start), site in zip(stretches, sites, strict=True):
        distances = np.square(features - _features(site)).sum(axis=1)
        n = min(_NEAREST, len(without))
        nearest = np.argpartition(distances, n - 1)[:n]
        other = without[int(rng.choice(nearest))]
        place = start / max(1, len(site.sequence) - width)
        same = round(place * (len(other.sequence) - width))
        found.append((other.loop_contexts, same))
    return found


def _features(site: FoldedSite) -> np.ndarray:
    n = len(site.sequence)
    gc = (site.sequence.count("G") + site.sequence.count("C")) / n
    return np.array([n / _LENGTH_UNIT, gc / _GC_UNIT])


def _codes(stretches: Sequence[tuple[str, int]], width: int) -> np.ndarray:
    """Returns the number of each loop context, -1 outside, int [n, width + 2 FLANK]."""
    codes = np.full((len(stretches), width + 2 * FLANK), -1)
    for row, (contexts, start) in zip(codes, stretches, strict=True):
        for column in range(len(row)):
            position = start - FLANK + column
            if 0 <= position < len(contexts):
                row[column] = LOOP_CONTEXTS.find(contexts[position])
    return codes


def _fractions(codes: np.ndarray, width: int) -> np.ndarray:
    """Returns the fraction of each loop context over the motif, [n, 6]."""
    inside = codes[:, FLANK : FLANK + width, np.newaxis]
    return (inside == np.arange(len(LOOP_CONTEXTS))).mean(axis=1)


def _profile(codes: np.ndarray) -> np.ndarray:
    counts = (codes[..., np.newaxis] == np.arange(len(LOOP_CONTEXTS))).sum(axis=0)
    known = (codes >= 0).sum(axis=0)[:, np.newaxis]
    return np.where(known > 0, counts / np.maximum(known, 1), np.nan)


def _estimates(rows: np.ndarray, least: float = 0.0) -> dict[str, Estimate]:
    """Returns the mean of each column; intervals end at the least value and at 1."""
    return {
        letter: Estimate(*np.clip(mean_of(column), least, 1.0).tolist())
        for letter, column in zip(LOOP_CONTEXTS, rows.T, strict=True)
    }


def _differences(
    rows: np.ndarray, others: np.ndarray, paired: bool
) -> dict[str, Estimate]:
    if paired:
        return _estimates(rows - others, least=-1.0)
    means = rows.mean(axis=0) - others.mean(axis=0)
    variances = (some.var(axis=0, ddof=1) / len(some) for some in (rows, others))
    half = 1.96 * np.sqrt(sum(variances))
    return {
        letter: Estimate(float(mean), float(mean - h), float(mean + h))
        for letter, mean, h in zip(LOOP_CONTEXTS, means, half, strict=True)
    }
