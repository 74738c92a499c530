"""All outputs of a joint run for a stream of sites, in one pass."""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.shuffling import shuffle_dinucleotides
from deeprke_tf.rna.sites import Site, SkippedSite, refuse_long
from deeprke_tf.runs.predictor import encode_sites
from deeprke_tf.system.progress import Progress

if TYPE_CHECKING:
    from deeprke_tf.runs.joint import JointRun

_SITES_AT_ONCE = 2_048


class ScoredSites(NamedTuple):
    """Some sites and their scores.

    Attributes:
      sites: Usable sites.
      skipped: Sites that were between them and cannot be scored.
      probabilities: float64 [n_sites, n_rbps].
      calibrated: float64 [n_sites, n_rbps].
    """

    sites: list[Site]
    skipped: list[SkippedSite]
    probabilities: np.ndarray
    calibrated: np.ndarray


class PanelScorer:
    """Scores sites by all outputs of a joint run.

    Args:
      model: The joint run.
      rbps: The RBPs whose scores are wanted, in the order of the outputs.
      pool: Folds with its settings; None: the model does not read structure.
      batch_size: Sites that the network scores at once.
      max_length: Longest site, in nucleotides.
      prior: Fraction of bound sites to expect, for calibrated probabilities.
      few: Whether so little is to be scored that onnxruntime is faster.
    """

    def __init__(
        self,
        model: "JointRun",
        rbps: Sequence[str],
        pool: FoldingPool | None,
        batch_size: int,
        max_length: int,
        prior: float | None = None,
        few: bool = False,
    ):
        self._model: Any = model
        self._places = [model.names.index(rbp) for rbp in rbps]
        self._pool = pool
        self._max_length = max_length
        self._score = model.scorer(batch_size, prior=prior, few=few)

    @property
    def k(self) -> int:
        """Shortest site that can be scored, in nucleotides."""
        return self._model.encoding.k

    @property
    def longest_site(self) -> int | None:
        """Longest site of the training, in nucleotides."""
        return self._model.longest_site

    def score(
        self, stream: Iterable[Site | SkippedSite], progress: Progress, what: str
    ) -> Iterator[ScoredSites]:
        """Yields sites and their scores, some thousand at a time.

        Args:
          stream: Of `predictions.sites_of`.
          progress: Shows how many are scored.
          what: What they are, in words.
        """
        sites = (
            refuse_long(site, row, self._max_length)
            for row, site in enumerate(stream, start=1)
        )
        with progress(None, "site", f"scoring {what}") as bar:
            while some := list(itertools.islice(sites, _SITES_AT_ONCE)):
                usable = [site for site in some if isinstance(site, Site)]
                skipped = [site for site in some if isinstance(site, SkippedSite)]
                yield ScoredSites(usable, skipped, *self.scores_of(usable))
                bar.update(len(some))

    def scores_of(self, sites: list[Site]) -> tuple[np.ndarray, np.ndarray]:
        """Returns probabilities and calibrated ones, float64 [n_sites, n_rbps]."""
        if not sites:
            nothing = np.zeros((0, len(self._places)))
            return nothing, nothing
        scores = self._score(encode_sites(self._model, sites, self._pool))
        return scores[0][:, self._places], scores[1][:, self._places]


def shuffled_site(site: Site, seed: int) -> Site:
    """Returns a site with its dinucleotides shuffled, to be folded anew.

    It depends on the seed and the letters alone.
    """
    rng = random.Random(f"{seed}:{site.sequence}")
    sequence = shuffle_dinucleotides(site.sequence, rng)
    return site._replace(sequence=sequence, dot_bracket=None, locus=None)


def reasons(skipped: Counter[str]) -> str:
    """Returns counts of skipped sites in words.

    >>> reasons(Counter({"empty sequence": 2, "shorter than k": 1}))
    '2 empty sequence, 1 shorter than k'
    """
    return ", ".join(f"{n:,} {reason}" for reason, n in skipped.most_common())
