"""The sites to explain: those that the model is most certain of, and others beside.

Sites stream through, so that memory does not grow with their number: the ones with the
largest log odds are kept, and of all others a random sample.
"""

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deeprke_tf.data.description import Dataset
from deeprke_tf.errors import UserError
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.sites import Site, SkippedSite
from deeprke_tf.rna.structure import all_loop_contexts, loop_contexts
from deeprke_tf.system.progress import Bar

_SITES_AT_ONCE = 2_048
MOST_OTHERS = 5_000


class FoldedSite(NamedTuple):
    """A site with its loop contexts.

    Attributes:
      name: Its name.
      sequence: RNA letters.
      loop_contexts: As long as the sequence; empty if the model reads no structure.
      label: 1 bound, 0 background; None: not known.
      locus: Where it lies on its genome; None: not known.
      dot_bracket: Its structure; empty: not known.
    """

    name: str
    sequence: str
    loop_contexts: str
    label: int | None = None
    locus: Locus | None = None
    dot_bracket: str = ""


class ChosenSites(NamedTuple):
    """Sites to explain, and others to compare them with.

    Attributes:
      explained: By their log odds, the largest first.
      log_odds: Of each, mean over the networks, float64 [n_explained].
      others: A random sample of the other sites, of `MOST_OTHERS` at most.
      n_read: Usable sites that were read.
      skipped: Number of sites that could not be used, by reason.
    """

    explained: list[FoldedSite]
    log_odds: np.ndarray
    others: list[FoldedSite]
    n_read: int
    skipped: Counter[str]

    @property
    def n_bound(self) -> int:
        """Explained sites that the model takes for bound: of more than even odds.

        At least a tenth of them: where few of the training sites are bound, no site
        may have even odds.
        """
        return max(int((self.log_odds > 0).sum()), math.ceil(len(self.explained) / 10))


def choose(
    sites: Iterable[FoldedSite | SkippedSite],
    log_odds: LogOdds,
    top: int,
    seed: int,
    bar: Bar,
) -> ChosenSites:
    """Scores sites and keeps those with the largest log odds.

    Args:
      sites: Of `folded_sites` or `dataset_sites`.
      log_odds: The model.
      top: Sites to explain.
      seed: Fixes the sample of the others.
      bar: Counts sites.

    Raises:
      UserError: No site can be used.
    """
    rng = random.Random(seed)
    best: list[tuple[float, int, FoldedSite]] = []
    others: list[FoldedSite] = []
    skipped: Counter[str] = Counter()
    n_read = n_others = 0
    stream = iter(sites)
    while some := list(itertools.islice(stream, _SITES_AT_ONCE)):
        skipped.update(site.reason for site in some if isinstance(site, SkippedSite))
        usable = [site for site in some if isinstance(site, FoldedSite)]
        scores = log_odds.mean(
            [site.sequence for site in usable], [site.loop_contexts for site in usable]
        )
        for score, site in zip(scores.tolist(), usable, strict=True):
            # Of equal sites the first is kept; the number also keeps names uncompared.
            entry = (score, -n_read, site)
            n_read += 1
            if len(best) < top:
                heapq.heappush(best, entry)
                continue
            site = heapq.heappushpop(best, entry)[2]
            n_others += 1
            if len(others) < MOST_OTHERS:
                others.append(site)
            elif (place := rng.randrange(n_others)) < MOST_OTHERS:
                others[place] = site
        bar.update(len(some))
    if not best:
        raise UserError(f"No site can be explained: {_reasons(skipped)}.")
    best.sort(reverse=True)
    scores = np.array([score for score, _number, _site in best])
    explained = [site for _score, _number, site in best]
    return ChosenSites(explained, scores, others, n_read, skipped)


def _reasons(skipped: Counter[str]) -> str:
    if not skipped:
        return "`sites` is empty"
    counted = (f"{reason} ({n:,})" for reason, n in skipped.most_common())
    return f"all {skipped.total():,} were skipped, {', '.join(counted)}"


def folded_sites(
    sites: Iterable[Site | SkippedSite], pool: FoldingPool | None
) -> Iterator[FoldedSite | SkippedSite]:
    """Yields sites with their loop contexts.

    Args:
      sites: Cleaned sites; a structure of their own is taken as it is.
      pool: Folds the others; None: the model does not read structure.
    """
    stream = iter(sites)
    while some := list(itertools.islice(stream, _SITES_AT_ONCE)):
        usable = [site for site in some if isinstance(site, Site)]
        brackets = pool.structures_of(usable) if pool else [""] * len(usable)
        views = zip(all_loop_contexts(brackets), brackets, strict=True)
        for site in some:
            if isinstance(site, SkippedSite):
                yield site
                continue
            contexts, dot_bracket = next(views)
            facts = (site.label, site.locus, dot_bracket)
            yield FoldedSite(site.name, site.sequence, contexts, *facts)


def with_dot_brackets(
    sites: Sequence[FoldedSite], pool: FoldingPool
) -> list[FoldedSite]:
    """Folds sites of a dataset again, which keeps their loop contexts alone.

    Args:
      sites: The sites; those that have a structure keep it.
      pool: Folds as the model was trained. Where the loops are others, as the user gave
        the structure, it stays unknown.
    """
    unknown = [site.sequence for site in sites if not site.dot_bracket]
    folds = pool.structures(unknown)
    found = []
    for site in sites:
        fold = site.dot_bracket or folds[site.sequence]
        same = loop_contexts(fold) == site.loop_contexts
        found.append(site._replace(dot_bracket=fold) if same else site)
    return found


def dataset_sites(
    data: Dataset, split: str, with_structure: bool
) -> Iterator[FoldedSite]:
    """Yields the sites of a split, read back from their k-mer ids.

    Args:
      data: The dataset.
      split: "train", "validation" or "test".
      with_structure: Whether the model reads structure.

    Raises:
      UserError: The dataset has no such split or no structure, or a shard is missing or
        damaged.
    """
    from deeprke_tf.data import stored_sites

    stored_sites.verify_shards(data, split)
    facts = stored_sites.sites_of_split(data, split)
    vocabulary = data.encoding.sequence_vocabulary
    sequences = map(
        vocabulary.letters, stored_sites.sample_kmers(data, split, "sequence_kmers", -1)
    )
    contexts: Iterator[str] = itertools.repeat("", len(facts["name"]))
    if with_structure:
        read = stored_sites.sample_kmers(data, split, "structure_kmers", -1)
        contexts = map(data.encoding.structure_vocabulary.letters, read)
    loci = (Locus.parse(text) if text else None for text in facts["locus"])
    columns = (facts["name"], sequences, contexts, facts["label"], loci)
    yield from map(FoldedSite, *columns)
