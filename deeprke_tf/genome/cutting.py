"""Peaks become sites: windows are cut out of the genome, or of spliced transcripts."""

import bisect
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deeprke_tf.genome.genome import Genome
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.settings import WindowSettings
from deeprke_tf.genome.site_table import loci_of, sites_table
from deeprke_tf.genome.skips import Reason, skipped
from deeprke_tf.genome.spliced import SplicedTranscripts
from deeprke_tf.genome.windows import Window, marked, windows_of
from deeprke_tf.rna.loci import Interval, Locus
from deeprke_tf.system.progress import Progress, no_progress

if TYPE_CHECKING:
    import pandas as pd

_FOREIGN = re.compile("[^ACGTURYSWKMBDHVNacgturyswkmbdhvn]")
_NO_NAME = re.compile(r"""[\s"'#\x00-\x1f\x7f]+""")
_CHUNK = 1000  # windows between two steps of the progress


class Cut(NamedTuple):
    """Sites that were cut, and peaks that could not be.

    Attributes:
      sites: The table of sites; its index is that of the peaks.
      skipped: Rows of `skips.COLUMNS`.
    """

    sites: "pd.DataFrame"
    skipped: "list[pd.DataFrame]"


def cut_sites(
    peaks: "pd.DataFrame",
    genome: Genome,
    settings: WindowSettings,
    regions: Regions | None = None,
    spliced: SplicedTranscripts | None = None,
    *,
    label: int = 1,
    progress: Progress = no_progress,
) -> Cut:
    """Cuts the window of each peak.

    The peak is in upper case in its window, what surrounds it in lower case.

    Args:
      peaks: Peaks on the chromosomes of the genome, in `peaks.COLUMNS`.
      genome: The genome.
      settings: Which windows.
      regions: Of the annotation; None: there is none.
      spliced: The transcripts to cut from; None: all windows lie on the genome.
      label: Of the sites: 1 bound, 0 background.
      progress: Reports windows.
    """
    order = _order(peaks, genome)
    peaks = peaks.iloc[order]
    windows = windows_of(peaks, genome.sizes, settings, spliced)
    reasons = np.full(len(peaks), "", object)
    sequences = [""] * len(peaks)
    with progress(len(peaks), "window", "cutting windows") as bar:
        for i, window in enumerate(windows):
            if isinstance(window, str):
                reasons[i] = window
            else:
                letters = genome.fetch_locus(window.locus)
                sequences[i] = marked(letters, *window.marked)
                reasons[i] = _fault(letters, settings.max_n)
            if (i + 1) % _CHUNK == 0:
                bar.update(_CHUNK)
        bar.update(len(peaks) % _CHUNK)
    rows = [
        skipped(peaks[reasons == reason], reason)
        for reason in sorted({*reasons} - {""})
    ]
    good = np.flatnonzero(reasons == "")
    found = [window for window in windows if isinstance(window, Window)]
    if len(found) != len(good):
        found = [windows[i] for i in good.tolist()]  # type: ignore[misc]
    sites = _table(
        peaks.iloc[good], found, [sequences[i] for i in good], label, regions
    )
    return Cut(sites, rows)


def _order(peaks: "pd.DataFrame", genome: Genome) -> np.ndarray:
    """Returns the order of the genome, in which reading is fast."""
    number = {chrom: i for i, chrom in enumerate(genome.sizes)}
    keys = [peaks["strand"].to_numpy(str), peaks["end"], peaks["start"]]
    return np.lexsort([*keys, peaks["chrom"].map(number)])


def _fault(letters: str, max_n: float) -> str:
    """Returns the reason to leave out a window with these letters, or an empty text."""
    if _FOREIGN.search(letters):
        return Reason.LETTERS
    n_unknown = letters.count("N") + letters.count("n")
    return Reason.TOO_MANY_N if n_unknown > max_n * len(letters) else ""


def _table(
    peaks: "pd.DataFrame",
    windows: list[Window],
    sequences: list[str],
    label: int,
    regions: Regions | None,
) -> "pd.DataFrame":
    loci = [window.locus for window in windows]
    middles = [locus.part(n := locus.n_nucleotides // 2, n + 1) for locus in loci]
    names = [_NO_NAME.sub("_", name).strip("_") for name in peaks["name"]]
    labels, genes = [label] * len(loci), [window.gene for window in windows]
    if regions is not None:
        genes = [
            gene or regions.gene_at(middle.chrom, middle.strand, middle.start)
            for gene, middle in zip(genes, middles, strict=True)
        ]
    table = sites_table(
        names, loci, labels, regions_of(middles, regions), sequences, genes
    )
    return table.set_index(peaks.index)


def regions_of(places: list[Locus], regions: Regions | None) -> list[str]:
    """Returns the region of the first position of each locus; empty without any."""
    found = np.full(len(places), "", object)
    if regions is not None:
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, place in enumerate(places):
            groups[place.chrom, place.strand].append(i)
        for (chrom, strand), numbers in groups.items():
            positions = [places[i].start for i in numbers]
            found[numbers] = regions.of(chrom, strand, positions)
    return found.tolist()


def without_overlaps(cut: Cut, peaks: "pd.DataFrame", *, any_overlap: bool) -> Cut:
    """Leaves out sites whose window a better peak has, or overlaps.

    Args:
      cut: The sites.
      peaks: Their peaks, by the same index; a better one has a higher score, of equals
        it comes first on the genome.
      any_overlap: Whether windows may not share a single nucleotide; if not, they may
        not be equal.
    """
    sites = cut.sites
    score = peaks["score"].reindex(sites.index).fillna(-np.inf).to_numpy()
    loci = loci_of(sites)
    taken: dict[tuple[str, str], list[Interval]] = defaultdict(list)
    seen: set[Locus] = set()
    same, overlapping = [], []
    for i in np.argsort(-score, kind="stable").tolist():
        locus = loci[i]
        place = taken[locus.chrom, locus.strand]
        if locus in seen:
            same.append(i)
        elif any_overlap and any(_overlaps(place, block) for block in locus.blocks):
            overlapping.append(i)
        else:
            seen.add(locus)
            for block in locus.blocks:
                bisect.insort(place, block)
    rows = [
        skipped(peaks.loc[sites.index[numbers]], reason)
        for reason, numbers in (
            (Reason.SAME_WINDOW, same),
            (Reason.OVERLAPS_BETTER, overlapping),
        )
        if numbers
    ]
    dropped = np.isin(np.arange(len(sites)), [*same, *overlapping])
    return Cut(sites[~dropped], cut.skipped + rows)


def _overlaps(taken: list[Interval], block: Interval) -> bool:
    """Tells whether a block shares a position with one of those taken, all apart."""
    i = bisect.bisect_left(taken, block)
    return (i > 0 and taken[i - 1][1] > block[0]) or (
        i < len(taken) and taken[i][0] < block[1]
    )


def best(cut: Cut, peaks: "pd.DataFrame", top: int | None) -> Cut:
    """Keeps the sites of the peaks with the highest scores.

    Args:
      cut: The sites.
      peaks: Their peaks, by the same index; those without a score come last.
      top: Number of sites; None: all.
    """
    if top is None or len(cut.sites) <= top:
        return cut
    score = peaks["score"].reindex(cut.sites.index).fillna(-np.inf).to_numpy()
    order = np.argsort(-score, kind="stable")
    kept = np.sort(order[:top])
    rows = skipped(peaks.loc[cut.sites.index[np.sort(order[top:])]], Reason.NOT_TOP)
    return Cut(cut.sites.iloc[kept], [*cut.skipped, rows])


def with_unique_names(sites: "pd.DataFrame") -> "pd.DataFrame":
    """Gives each site a name of its own.

    A site without a name gets its locus; where peaks share a name, as in many ENCODE
    files, the locus stands behind it: `RBFOX2|chr1:100-201(+)`.
    """
    places = [str(locus) for locus in loci_of(sites)]
    shared = sites["name"].duplicated(keep=False)
    names: list[str] = []
    seen: dict[str, int] = defaultdict(int)
    columns = (sites["name"].tolist(), places, shared.tolist())
    for name, place, is_shared in zip(*columns, strict=True):
        if not name:
            name = place
        elif is_shared:
            name = f"{name}|{place}"
        seen[name] += 1
        names.append(f"{name}_{seen[name]}" if seen[name] > 1 else name)
    return sites.assign(name=names)
