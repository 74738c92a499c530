"""Background sites for bound sites.

    same-genes  random windows of the genes of the bound sites, in regions of their kind
    genome      random windows of the chromosomes of the bound sites, on either strand
    shuffled    the bound sites, shuffled with their dinucleotides kept
    peaks       sites of other RBPs
    bed         windows of the user's own

Windows of `same-genes` and `peaks` are matched on region, GC and length; those of
`genome` on GC and length, as nothing is said of its regions. All keep off peaks and
excluded stretches, and random windows off N.
"""

import random
import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.genome.ground import Ground
from deeprke_tf.genome.matching import Covariates, match
from deeprke_tf.genome.random_windows import RandomWindows, forbidden_on
from deeprke_tf.genome.settings import BackgroundSettings
from deeprke_tf.genome.site_table import loci_of
from deeprke_tf.genome.sources import Source, same_genes, whole_chromosomes
from deeprke_tf.genome.templates import Forbidden, Templates
from deeprke_tf.genome.windows import marked
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.shuffling import shuffle_dinucleotides

if TYPE_CHECKING:
    import pandas as pd

_LOWER = string.ascii_lowercase
_TRIES = 10  # to shuffle a site into another sequence
_MOST_COMPARED = 10_000  # unmatched windows, for the report


class Request(NamedTuple):
    """Bound sites, and where background for them may lie.

    Attributes:
      bound: The bound sites, in the columns of `site_table`.
      ground: Genome and annotation.
      peaks: `chrom`, `start` and `end` of all peaks, of high and of low score.
      excluded: The same of other stretches that background must not touch.
      settings: What is wanted.
      seed: Random seed; the same inputs and seed give the same sites.
    """

    bound: "pd.DataFrame"
    ground: Ground
    peaks: "pd.DataFrame"
    excluded: "pd.DataFrame"
    settings: BackgroundSettings
    seed: int

    @property
    def kind(self) -> str:
        """The kind of background, given or by default."""
        return self.settings.kind(self.ground.annotation is not None)


class Background(NamedTuple):
    """Background sites, and what could not be found.

    Attributes:
      sites: The sites, in the columns of `site_table`, label 0.
      unmatched: About as many from the same source, before matching; empty where
        nothing was matched.
      n_missing: Background sites that were wanted and not found, by region.
      n_without: Bound sites without any background site, by region.
      refused: Which windows of `peaks` and `bed` touch a peak, an excluded stretch or
        N, by their index.
    """

    sites: "pd.DataFrame"
    unmatched: "pd.DataFrame"
    n_missing: dict[str, int]
    n_without: dict[str, int]
    refused: Sequence[int] = ()


def background_of(request: Request, others: "pd.DataFrame | None" = None) -> Background:
    """Chooses background sites for bound sites.

    Letter case marks a stretch in each window, as it marks the peak of a bound site:
    else a background site could be told by it.

    Args:
      request: The bound sites, and what is wanted.
      others: For `peaks` and `bed`, the windows to choose from, in the columns of
        `site_table`.

    Raises:
      UserError: `same-genes` was asked for without an annotation.
    """
    bound, ground = request.bound, request.ground
    if request.kind == "none":
        return Background(bound[:0], bound[:0], {}, {})
    if request.kind == "shuffled":
        return _shuffled(request)
    if others is not None:
        return _of_others(request, others)
    if request.kind == "genome":
        return _random(request, whole_chromosomes(bound, ground.genome))
    if ground.annotation is None or ground.regions is None:
        raise UserError("`background` same-genes needs an annotation: give `gtf`.")
    annotated = ground.annotation, ground.regions
    is_spliced = ground.spliced is not None
    return _random(request, same_genes(bound, ground.genome, *annotated, is_spliced))


def _random(request: Request, source: Source) -> Background:
    """Draws windows of a source that match."""
    bound, rng = request.bound, np.random.default_rng(request.seed)
    forbidden = _forbidden(request, source.templates)
    ground = request.ground
    windows = RandomWindows(source, ground.genome, ground.regions, forbidden, rng)
    sites = _covariates(bound)
    site, chosen = windows.matched(
        sites, request.settings.ratio, with_region=request.kind != "genome"
    )
    table = _marked(bound, site, windows.table(chosen, _names(bound, site)))
    some = np.sort(rng.permutation(site)[:_MOST_COMPARED])
    compared = windows.drawn(source.unmatched[some], sites.length[some])
    some = some[compared.windows.request]
    unmatched = _marked(bound, some, windows.table(compared, _names(bound, some)))
    return _found(request, site, table, unmatched)


def _forbidden(request: Request, templates: Templates) -> Forbidden:
    return forbidden_on(
        *(templates, request.peaks, request.excluded, loci_of(request.bound)),
        gap=request.settings.gap,
    )


def _of_others(request: Request, others: "pd.DataFrame") -> Background:
    """Chooses among windows that the user gave; takes all of them for `bed`."""
    is_known = ~others["sequence"].str.contains("[^ACGTUacgtu]").to_numpy(bool)
    is_usable = is_known & _is_free(request, loci_of(others))
    refused = others.index[~is_usable].tolist()
    usable = others[is_usable]
    if request.kind == "bed":
        return Background(
            usable.assign(label=0).reset_index(drop=True), usable[:0], {}, {}, refused
        )
    n_bound = len(request.bound)
    rng = np.random.default_rng(request.seed)
    wanted = np.full(n_bound, request.settings.ratio)
    pairs = match(_covariates(request.bound), _covariates(usable), wanted, rng)
    some = np.sort(rng.permutation(len(usable))[: min(n_bound, _MOST_COMPARED)])
    chosen, compared = usable.iloc[pairs.background], usable.iloc[some]
    return _found(request, pairs.bound, chosen, compared, refused)


def _is_free(request: Request, loci: Sequence[Locus]) -> np.ndarray:
    """Tells which windows touch nothing that is forbidden, bool [n_loci]."""
    sizes = request.ground.genome.sizes
    names = sorted({one.chrom for one in loci})
    number = {name: i for i, name in enumerate(names)}
    chroms = Templates([Locus(name, ((0, sizes[name]),), "+") for name in names])
    blocks = [(number[one.chrom], *block) for one in loci for block in one.blocks]
    places = np.array(blocks, np.int64).reshape(-1, 3).T
    touches = _forbidden(request, chroms).touches(*places)
    of_block = np.repeat(np.arange(len(loci)), [len(one.blocks) for one in loci])
    return np.bincount(of_block, touches, minlength=len(loci)) == 0


def _shuffled(request: Request) -> Background:
    """Shuffles each bound site."""
    bound, ratio = request.bound, request.settings.ratio
    rng = random.Random(request.seed)
    site, sequences = [], []
    for number, sequence in enumerate(bound["sequence"]):
        letters = sequence.upper()
        found = {letters}
        for _ in range(ratio * _TRIES):
            shuffled = shuffle_dinucleotides(letters, rng)
            if shuffled not in found:
                found.add(shuffled)
                site.append(number)
                sequences.append(_marked_as(sequence, shuffled))
            if len(found) > ratio:
                break
    chosen = np.array(site, np.int64)
    table = bound.iloc[chosen].assign(
        name=_names(bound, chosen), label=0, sequence=sequences
    )
    return _found(request, chosen, table, table[:0])


def _marked(
    bound: "pd.DataFrame", site: np.ndarray, windows: "pd.DataFrame"
) -> "pd.DataFrame":
    """Marks a stretch in each window.

    Args:
      bound: The bound sites.
      site: The one that each window was drawn for, by its number, [n_windows].
      windows: The table of windows.
    """
    pairs = zip(bound["sequence"].iloc[site], windows["sequence"], strict=True)
    return windows.assign(sequence=[_marked_as(*pair) for pair in pairs])


def _marked_as(bound: str, letters: str) -> str:
    """Marks a window with flanks as long as those of a bound site.

    >>> _marked_as("acGTAc", "GGGAAACC")
    'ggGAAACc'
    """
    first = len(bound) - len(bound.lstrip(_LOWER))
    end = len(letters) - (len(bound) - len(bound.rstrip(_LOWER)))
    if first >= end:
        return letters.upper()
    return marked(letters, first, end)


def _covariates(sites: "pd.DataFrame") -> Covariates:
    length = sites["sequence"].str.len().to_numpy(np.int64)
    n_gc = sites["sequence"].str.count("[GCgc]").to_numpy(np.int64)
    return Covariates(sites["region"].to_numpy(str), n_gc / length, length)


def _names(bound: "pd.DataFrame", site: np.ndarray) -> list[str]:
    """Names background after the bound site that each one was chosen for.

    Args:
      bound: The bound sites.
      site: Their numbers, ascending, [n_background].
    """
    nth = np.arange(len(site)) - np.searchsorted(site, site)
    names = bound["name"].to_numpy()[site]
    return [f"{name}_background{n + 1}" for name, n in zip(names, nth, strict=True)]


def _found(
    request: Request,
    site: np.ndarray,
    sites: "pd.DataFrame",
    unmatched: "pd.DataFrame",
    refused: Sequence[int] = (),
) -> Background:
    """Counts what is missing.

    Args:
      request: What was wanted.
      site: The bound site of each background site, by its number.
      sites: The background.
      unmatched: Windows before matching.
      refused: As of `Background`.
    """
    n_found = np.bincount(site, minlength=len(request.bound))
    missing: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for region, n in zip(request.bound["region"], n_found.tolist(), strict=True):
        missing[region] += max(0, request.settings.ratio - n)
        without[region] += n == 0
    return Background(
        sites.assign(label=0).reset_index(drop=True),
        unmatched.reset_index(drop=True),
        dict(+missing),
        dict(+without),
        refused,
    )
