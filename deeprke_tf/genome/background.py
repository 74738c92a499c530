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

import dataclasses
import random
import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.matching import Covariates, match
from deeprke_tf.genome.random_windows import RandomWindows, forbidden_on
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.site_table import loci_of
from deeprke_tf.genome.sources import Source, same_genes, whole_chromosomes
from deeprke_tf.genome.templates import Templates
from deeprke_tf.rna.loci import Locus
from deeprke_tf.rna.shuffling import shuffle_dinucleotides

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["none", "same-genes", "genome", "shuffled", "peaks", "bed"]

_LOWER = string.ascii_lowercase
_TRIES = 10  # to shuffle a site into another sequence
_MOST_COMPARED = 10_000  # unmatched windows, for the report


@dataclasses.dataclass(frozen=True)
class BackgroundSettings:
    """How background sites are chosen."""

    kind: Kind = "same-genes"
    ratio: int = 1
    """Background sites for each bound one."""
    gap: int = 100
    """Nucleotides between background and peaks, at least."""

    def __post_init__(self):
        require_positive(ratio=self.ratio)
        if self.gap < 0:
            raise UserError(f"`gap` must not be negative, got {self.gap}.")


@dataclasses.dataclass(frozen=True)
class Background:
    """Background sites, and what could not be found.

    Attributes:
      sites: The sites, as a table of the same columns as the bound ones, label 0.
      unmatched: The same number of sites from the same source, before matching; empty
        where nothing was matched.
      n_missing: Background sites that were wanted and not found, by region.
      n_without: Bound sites without any background site, by region.
      n_refused: Windows of `peaks` and `bed` that touch a peak, an excluded stretch or
        N.
    """

    sites: "pd.DataFrame"
    unmatched: "pd.DataFrame"
    n_missing: dict[str, int]
    n_without: dict[str, int]
    n_refused: int = 0


@dataclasses.dataclass(frozen=True)
class Ground:
    """What background sites are drawn on.

    Attributes:
      genome: The genome.
      peaks: Chromosome, start and end of all peaks, of good and of bad score.
      excluded: Chromosome, start and end of stretches without background.
      annotation: Transcripts on its chromosomes; None: there are none.
      regions: Their regions.
      spliced: Whether windows of exons lie on the spliced transcripts.
    """

    genome: Genome
    peaks: "pd.DataFrame"
    excluded: "pd.DataFrame"
    annotation: Annotation | None = None
    regions: Regions | None = None
    spliced: bool = False


def background_of(
    bound: "pd.DataFrame",
    ground: Ground,
    settings: BackgroundSettings,
    seed: int,
    others: "pd.DataFrame | None" = None,
) -> Background:
    """Chooses background sites for bound sites.

    Letter case marks a stretch in each window where it marks the peak of a bound site:
    else a background site could be told by it.

    Args:
      bound: The bound sites: columns `name`, `chrom`, `start`, `end`, `strand`,
        `label`, `region`, `split`, `sequence`, `blocks` and `gene`.
      ground: Genome, peaks and annotation.
      settings: How they are chosen.
      seed: Random seed; the same inputs and seed give the same sites.
      others: For `peaks` and `bed`, the windows to choose from, in the same columns.

    Raises:
      UserError: `same-genes` without an annotation, or no background at all was found.
    """
    rng = np.random.default_rng(seed)
    if settings.kind == "none" or not len(bound):
        return Background(bound[:0], bound[:0], {}, {})
    if settings.kind == "shuffled":
        return _shuffled(bound, settings, seed)
    if settings.kind in ("peaks", "bed"):
        if others is None:
            raise UserError(f"`background` {settings.kind!r} needs a BED file.")
        return _of_others(bound, ground, settings, others, rng)
    if settings.kind == "genome":
        source = whole_chromosomes(bound, ground.genome)
    elif ground.annotation is None or ground.regions is None:
        raise UserError("`background` 'same-genes' needs an annotation: give `gtf`.")
    else:
        source = same_genes(
            *(bound, ground.genome, ground.annotation, ground.regions),
            spliced=ground.spliced,
        )
    return _random(bound, ground, settings, source, rng)


def _random(
    bound: "pd.DataFrame",
    ground: Ground,
    settings: BackgroundSettings,
    source: Source,
    rng: np.random.Generator,
) -> Background:
    """Draws windows round by round, until each bound site has enough that match."""
    forbidden = forbidden_on(
        *(source.templates, ground.peaks, ground.excluded, loci_of(bound)),
        gap=settings.gap,
    )
    windows = RandomWindows(source, ground.genome, ground.regions, forbidden, rng)
    sites = _covariates(bound)
    with_region = settings.kind != "genome"
    site, chosen = windows.matched(sites, settings.ratio, with_region)
    table = windows.table(chosen, _names(bound, site))
    table["sequence"] = [
        _marked_as(*pair)
        for pair in zip(bound["sequence"].iloc[site], table["sequence"], strict=True)
    ]
    some = np.sort(rng.permutation(site)[:_MOST_COMPARED])
    compared = windows.drawn(source.unmatched[some], sites.length[some])
    unmatched = windows.table(compared, [""] * len(compared.gc))
    return _found(bound, site, table, unmatched, settings)


def _of_others(
    bound: "pd.DataFrame",
    ground: Ground,
    settings: BackgroundSettings,
    others: "pd.DataFrame",
    rng: np.random.Generator,
) -> Background:
    """Chooses among windows that the user gave; all of them for `bed`."""
    places = ["chrom", "start", "end", "strand", "blocks"]
    others = others.drop_duplicates(places)
    usable = others[_is_free(loci_of(others), bound, ground, settings.gap)]
    usable = usable[~usable["sequence"].str.contains("[^ACGTUacgtu]")].assign(label=0)
    n_refused = len(others) - len(usable)
    if settings.kind == "bed":
        n_sites = len(usable)
        every = np.arange(n_sites) % len(bound)
        return _found(bound, every, usable, usable[:0], settings, n_refused)
    wanted = np.full(len(bound), settings.ratio)
    pairs = match(_covariates(bound), _covariates(usable), wanted, rng)
    some = np.sort(rng.permutation(len(usable))[: min(len(bound), _MOST_COMPARED)])
    return _found(
        *(bound, pairs.bound, usable.iloc[pairs.background], usable.iloc[some]),
        *(settings, n_refused),
    )


def _is_free(
    loci: Sequence[Locus], bound: "pd.DataFrame", ground: Ground, gap: int
) -> np.ndarray:
    """Tells which windows keep off peaks and excluded stretches, bool [n_loci]."""
    sizes = ground.genome.sizes
    chroms = Templates([Locus(name, ((0, n),), "+") for name, n in sizes.items()])
    forbidden = forbidden_on(chroms, ground.peaks, ground.excluded, loci_of(bound), gap)
    number = {name: i for i, name in enumerate(sizes)}
    blocks = [(number[one.chrom], *block) for one in loci for block in one.blocks]
    touches = forbidden.touches(*np.array(blocks, np.int64).reshape(-1, 3).T)
    of_block = np.repeat(np.arange(len(loci)), [len(one.blocks) for one in loci])
    return np.bincount(of_block, touches, minlength=len(loci)) == 0


def _shuffled(
    bound: "pd.DataFrame", settings: BackgroundSettings, seed: int
) -> Background:
    """Shuffles each bound site."""
    rng = random.Random(seed)
    site, sequences = [], []
    for number, sequence in enumerate(bound["sequence"]):
        letters = sequence.upper()
        found = {letters}
        for _ in range(settings.ratio * _TRIES):
            shuffled = shuffle_dinucleotides(letters, rng)
            if shuffled not in found:
                found.add(shuffled)
                site.append(number)
                sequences.append(_marked_as(sequence, shuffled))
            if len(found) > settings.ratio:
                break
    chosen = np.array(site, np.int64)
    table = bound.iloc[chosen].assign(
        name=_names(bound, chosen), label=0, sequence=sequences
    )
    return _found(bound, chosen, table, table[:0], settings)


def _marked_as(bound: str, letters: str) -> str:
    """Marks a window with flanks as long as those of a bound site.

    >>> _marked_as("acGTAc", "GGGAAACC")
    'ggGAAACc'
    """
    first = len(bound) - len(bound.lstrip(_LOWER))
    end = len(letters) - (len(bound) - len(bound.rstrip(_LOWER)))
    if first >= end:
        return letters.upper()
    middle = letters[first:end].upper()
    return letters[:first].lower() + middle + letters[end:].lower()


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
    bound: "pd.DataFrame",
    site: np.ndarray,
    sites: "pd.DataFrame",
    unmatched: "pd.DataFrame",
    settings: BackgroundSettings,
    n_refused: int = 0,
) -> Background:
    """Counts what is missing.

    Args:
      bound: The bound sites.
      site: The bound site of each background site, by its number.
      sites: The background.
      unmatched: Windows before matching.
      settings: How many were wanted.
      n_refused: Windows of the user that could not be used.
    """
    n_found = np.bincount(site, minlength=len(bound))
    missing: Counter[str] = Counter()
    without: Counter[str] = Counter()
    for region, n in zip(bound["region"], n_found.tolist(), strict=True):
        missing[region] += max(0, settings.ratio - n)
        without[region] += n == 0
    return Background(
        sites.reset_index(drop=True),
        unmatched.reset_index(drop=True),
        +missing,
        +without,
        n_refused,
    )
