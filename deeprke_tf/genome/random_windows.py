"""Random windows of a source: off peaks, off N, with what they are matched on."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deeprke_tf.genome.composition import composition
from deeprke_tf.genome.drawing import Windows, draw
from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.matching import REACH, Covariates, match
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.site_table import sites_table
from deeprke_tf.genome.sources import Source
from deeprke_tf.genome.templates import Forbidden, Stretches, Templates
from deeprke_tf.rna.loci import Locus

if TYPE_CHECKING:
    import pandas as pd

# Windows drawn for each one that is wanted, round by round, and steps of GC to match.
_ROUNDS = ((4, 0), (16, 0), (32, REACH))
_TRIES = 8  # for a window that touches a peak, N or an end


class Candidates(NamedTuple):
    """Windows that may become background.

    Attributes:
      windows: Where they lie on their templates.
      region: Their regions, [n_windows]; empty texts where nothing is known.
      gc: Fraction of G and C, float64 [n_windows].
    """

    windows: Windows
    region: np.ndarray
    gc: np.ndarray

    @property
    def covariates(self) -> Covariates:
        """What they are matched on."""
        length = self.windows.end - self.windows.start
        return Covariates(self.region, self.gc, length)

    @classmethod
    def none(cls) -> "Candidates":
        """Returns no windows."""
        numbers = np.zeros(0, np.int64)
        return cls(Windows(*(numbers,) * 6), np.zeros(0, str), np.zeros(0))

    def where(self, chosen: np.ndarray) -> "Candidates":
        """Returns some of them, by a mask or by their numbers."""
        return Candidates(
            self.windows.where(chosen), self.region[chosen], self.gc[chosen]
        )

    def and_more(self, more: "Candidates") -> "Candidates":
        """Returns these and those of the others that are none of these."""
        windows = Windows(
            *(np.concatenate(p) for p in zip(self.windows, more.windows, strict=True))
        )
        both = Candidates(
            windows,
            np.concatenate([self.region, more.region]),
            np.concatenate([self.gc, more.gc]),
        )
        order = np.lexsort(
            [windows.strand, windows.end, windows.start, windows.template]
        )
        rows = np.stack(windows[2:], 1)[order]
        is_first = np.append(True, (rows[1:] != rows[:-1]).any(axis=1))[: len(rows)]
        # The sort is stable: of equal windows the older one stays.
        return both.where(np.sort(order[is_first]))


class RandomWindows:
    """Draws windows of a source.

    Args:
      source: What to draw from.
      genome: The genome.
      regions: Regions of its positions; None: regions are not known.
      forbidden: What windows must not touch.
      rng: Source of random numbers.
    """

    def __init__(
        self,
        source: Source,
        genome: Genome,
        regions: Regions | None,
        forbidden: Forbidden,
        rng: np.random.Generator,
    ):
        self._source = source
        self._genome = genome
        self._regions = regions
        self._forbidden = forbidden
        self._rng = rng

    def drawn(self, group: np.ndarray, length: np.ndarray) -> Candidates:
        """Draws a window for each request, if one is found in a few tries.

        Args:
          group: Group of the source to draw from, [n_requests].
          length: Length of the window, in nucleotides, [n_requests].
        """
        source = self._source
        found, gc = [], []
        waiting = np.arange(len(group))
        for _ in range(_TRIES):
            windows = draw(
                *(source.pieces, source.templates, self._forbidden),
                *(group[waiting], length[waiting], self._rng),
            )
            place = windows.template, windows.start, windows.end
            counts = composition(self._letters, *place)
            is_known = counts.n_unknown == 0
            windows = windows.where(is_known)
            windows = windows._replace(request=waiting[windows.request])
            found.append(windows)
            gc.append(counts.n_gc[is_known] / (windows.end - windows.start))
            waiting = np.setdiff1d(waiting, windows.request, assume_unique=True)
        every = Windows(*(np.concatenate(part) for part in zip(*found, strict=True)))
        order = np.argsort(every.request)
        every = every.where(order)
        return Candidates(every, self._region(every), np.concatenate(gc)[order])

    def matched(
        self, sites: Covariates, ratio: int, with_region: bool
    ) -> tuple[np.ndarray, Candidates]:
        """Draws windows round by round, until each bound site has enough that match.

        Args:
          sites: What the bound sites of the source are matched on.
          ratio: Windows for each site.
          with_region: Whether regions are matched, too.

        Returns:
          The site that each window was chosen for, by its number, ascending; and the
          windows.
        """
        if not with_region:
            sites = sites.without_region
        n = len(sites.gc)
        wanted = np.full(n, ratio)
        pool, taken = Candidates.none(), np.zeros(0, bool)
        pairs = [np.zeros((2, 0), np.int64)]
        groups = (self._source.own, self._source.own, self._source.wider)
        for (factor, reach), group in zip(_ROUNDS, groups, strict=True):
            site = np.repeat(np.arange(n), wanted * factor)
            pool = pool.and_more(self.drawn(group[site], sites.length[site]))
            taken = np.append(taken, np.zeros(len(pool.gc) - len(taken), bool))
            free = np.flatnonzero(~taken)
            candidates = pool.where(free).covariates
            if not with_region:
                candidates = candidates.without_region
            new = match(sites, candidates, wanted, self._rng, reach)
            pairs.append(np.stack([new.bound, free[new.background]]))
            taken[free[new.background]] = True
            wanted -= np.bincount(new.bound, minlength=n)
        site, chosen = np.concatenate(pairs, axis=1)
        order = np.argsort(site, kind="stable")
        return site[order], pool.where(chosen[order])

    def loci(self, windows: Windows) -> list[Locus]:
        """Returns where windows lie on the genome."""
        loci = self._source.templates.loci
        found = []
        for template, start, end, strand in zip(
            *(part.tolist() for part in windows[2:]), strict=True
        ):
            whole = loci[template]
            if strand < 0:
                whole = whole._replace(strand="-")
                n = whole.n_nucleotides
                start, end = n - end, n - start
            found.append(whole.part(start, end))
        return found

    def table(self, candidates: Candidates, names: list[str]) -> "pd.DataFrame":
        """Returns windows as a table of background sites, their letters read.

        Args:
          candidates: The windows.
          names: Their names.
        """
        loci = self.loci(candidates.windows)
        genes = self._source.genes[candidates.windows.piece].tolist()
        if self._regions is not None:
            middles = (one.part(n := one.n_nucleotides // 2, n + 1) for one in loci)
            genes = [
                gene or self._regions.gene_at(middle.chrom, middle.strand, middle.start)
                for gene, middle in zip(genes, middles, strict=True)
            ]
        sequences = map(self._genome.fetch_locus, loci)
        labels = [0] * len(loci)
        return sites_table(
            names, loci, labels, candidates.region.tolist(), sequences, genes
        )

    def _letters(self, template: int, start: int, end: int) -> str:
        whole = self._source.templates.loci[template]
        return self._genome.fetch_locus(whole.part(start, end))

    def _region(self, windows: Windows) -> np.ndarray:
        """Returns the region of the middle of each window."""
        region = np.full(len(windows.start), "", object)
        if self._regions is None:
            return region.astype(str)
        templates = self._source.templates
        middle = (windows.start + windows.end) // 2
        position = templates.to_genome(windows.template, middle)
        is_minus = np.array([locus.strand == "-" for locus in templates.loci], bool)
        strand = np.where(is_minus[windows.template], -1, 1) * windows.strand
        names = np.array([locus.chrom for locus in templates.loci], object)
        chrom = names[windows.template]
        for name in np.unique(chrom):
            for sign, letter in ((1, "+"), (-1, "-")):
                here = (chrom == name) & (strand == sign)
                region[here] = self._regions.of(name, letter, position[here])
        return region.astype(str)


def forbidden_on(
    templates: Templates,
    peaks: "pd.DataFrame",
    excluded: "pd.DataFrame",
    bound: list[Locus],
    gap: int,
) -> Forbidden:
    """Returns what background must not touch: peaks and a gap, exclusions, sites.

    Args:
      templates: What background is drawn from.
      peaks: Columns `chrom`, `start` and `end`, on either strand.
      excluded: The same, without a gap.
      bound: Where the bound sites lie.
      gap: Nucleotides on each side of a peak, on the template.
    """
    template, start, end = _on(templates, peaks)
    start = np.maximum(start - gap, 0)
    end = np.minimum(end + gap, templates.lengths[template])
    blocks = [(locus.chrom, *block) for locus in bound for block in locus.blocks]
    chroms = [chrom for chrom, _, _ in blocks]
    edges = np.array([block[1:] for block in blocks], np.int64).reshape(-1, 2)
    sites = templates.from_genome(chroms, edges[:, 0], edges[:, 1])
    return Forbidden(templates, (template, start, end), _on(templates, excluded), sites)


def _on(templates: Templates, stretches: "pd.DataFrame") -> Stretches:
    return templates.from_genome(
        stretches["chrom"].tolist(),
        stretches["start"].to_numpy(np.int64),
        stretches["end"].to_numpy(np.int64),
    )
