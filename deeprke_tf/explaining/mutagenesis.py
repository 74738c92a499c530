"""In-silico mutagenesis: what the model says of a site with one letter changed.

Every position gets each of the other three nucleotides, with the structure kept, or
folded anew; and, apart from that, each of the other five loop contexts, with the
sequence kept. No assumption goes into it: the other methods are compared with it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deeprke_tf.explaining.baselines import folded_contexts
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.rna.structure import LOOP_CONTEXTS

# Mutants scored at once: the batches of the networks are full, and memory is bounded.
_MUTANTS_AT_ONCE = 20_000


class Mutagenesis(NamedTuple):
    """The changes of the log odds of one site; 0 at its own letters.

    Attributes:
      log_odds: Of the site itself, float64 [n_networks].
      sequence: By nucleotide (A, C, G, U), structure kept, float32 [n_networks, length,
        4]. Positions with N are not mutated and have 0.
      structure: By loop context (F, T, I, H, M, S), sequence kept, float32 [n_networks,
        length, 6]; None if no network reads structure.
      refolded: As `sequence`, with each mutant folded anew; None: not asked for.
    """

    log_odds: np.ndarray
    sequence: np.ndarray
    structure: np.ndarray | None
    refolded: np.ndarray | None


def mutagenize(
    sites: Iterable[FoldedSite], log_odds: LogOdds, pool: FoldingPool | None = None
) -> Iterator[Mutagenesis]:
    """Mutates sites, a group of them at a time.

    Args:
      sites: The sites.
      log_odds: The model.
      pool: Folds mutants of the sequence anew; None: only the structure of the site
        itself is used.

    Yields:
      The result of each site, in order.
    """
    group: list[FoldedSite] = []
    n_mutants = 0
    for site in sites:
        group.append(site)
        n_mutants += len(site.sequence) * (len(NUCLEOTIDES) + len(LOOP_CONTEXTS))
        if n_mutants >= _MUTANTS_AT_ONCE:
            yield from _of_group(group, log_odds, pool)
            group, n_mutants = [], 0
    yield from _of_group(group, log_odds, pool)


def importance(changes: np.ndarray, letters: str, alphabet: str) -> np.ndarray:
    """Returns how far the log odds fall when a letter is replaced by a random other.

    Args:
      changes: Of `Mutagenesis`, [..., length, n_letters].
      letters: The site's own, [length].
      alphabet: Of the last axis.

    Returns:
      [..., length]; positive where the letter speaks for binding, 0 at unknown letters.
    """
    known = np.array([letter in alphabet for letter in letters])
    return -changes.sum(axis=-1) / (len(alphabet) - 1) * known


def _of_group(
    sites: Sequence[FoldedSite], log_odds: LogOdds, pool: FoldingPool | None
) -> Iterator[Mutagenesis]:
    if not sites:
        return
    own = log_odds(
        [site.sequence for site in sites], [site.loop_contexts for site in sites]
    )

    def changes(
        of_site: Callable[[FoldedSite], str],
        alphabet: str,
        score: Callable[[list[str], list[FoldedSite]], np.ndarray],
    ) -> list[np.ndarray]:
        return _changes([of_site(s) for s in sites], sites, alphabet, score, own)

    sequence = changes(
        lambda site: site.sequence,
        NUCLEOTIDES,
        lambda mutants, of: log_odds(mutants, [site.loop_contexts for site in of]),
    )
    structure: Sequence[np.ndarray | None] = [None] * len(sites)
    refolded: Sequence[np.ndarray | None] = [None] * len(sites)
    if log_odds.reads_structure:
        structure = changes(
            lambda site: site.loop_contexts,
            LOOP_CONTEXTS,
            lambda mutants, of: log_odds([site.sequence for site in of], mutants),
        )
    if pool is not None:
        refolded = changes(
            lambda site: site.sequence,
            NUCLEOTIDES,
            lambda mutants, _of: log_odds(mutants, folded_contexts(mutants, pool)),
        )
    yield from map(Mutagenesis, own.T, sequence, structure, refolded)


def _changes(
    texts: Sequence[str],
    sites: Sequence[FoldedSite],
    alphabet: str,
    score: Callable[[list[str], list[FoldedSite]], np.ndarray],
    own: np.ndarray,
) -> list[np.ndarray]:
    """Scores every mutant of some texts; returns the changes of each site.

    Args:
      texts: The view of each site that is mutated.
      sites: The sites.
      alphabet: Letters to mutate to; positions with others are left.
      score: From mutants, and the site of each, to log odds, [n_networks, n_mutants].
      own: Log odds of the sites, [n_networks, n_sites].
    """
    mutants: list[str] = []
    places: list[tuple[int, int, int]] = []  # site, position, letter
    for number, text in enumerate(texts):
        for position, own_letter in enumerate(text):
            if own_letter not in alphabet:
                continue
            for column, letter in enumerate(alphabet):
                if letter != own_letter:
                    mutants.append(text[:position] + letter + text[position + 1 :])
                    places.append((number, position, column))
    numbers, positions, columns = np.array(places, int).reshape(-1, 3).T
    scores = score(mutants, [sites[number] for number in numbers])
    scores = (scores - own[:, numbers]).astype(np.float32)
    found = []
    for number, text in enumerate(texts):
        is_own = numbers == number
        changes = np.zeros((len(own), len(text), len(alphabet)), np.float32)
        changes[:, positions[is_own], columns[is_own]] = scores[:, is_own]
        found.append(changes)
    return found
