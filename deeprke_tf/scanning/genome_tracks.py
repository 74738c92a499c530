"""The tracks of a scan on its genome: called sites, and a profile of each strand."""

import collections
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np

from deeprke_tf.genome.annotation import Annotation
from deeprke_tf.rna.loci import Locus
from deeprke_tf.runs import bed
from deeprke_tf.scanning import tracks
from deeprke_tf.scanning.files import UNMAPPED, ScanWriter, bedgraph_rows
from deeprke_tf.scanning.windows import joined, profile
from deeprke_tf.system.files import path_aside, written_aside

SITES = "sites.genome.bed"
# Transcripts of both strands overlap, and a bigWig has one value for a position.
PROFILES = {"+": "profile.plus", "-": "profile.minus"}
FILES = (
    *(SITES, UNMAPPED),
    *(f"{stem}.{form}" for stem in PROFILES.values() for form in ("bedgraph", "bw")),
)

# From name and length of an RNA to its place, or why it has none.
Find: TypeAlias = Callable[[str, int], Locus | str]
# Starts, ends and values of intervals.
Intervals: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]


def finder(annotation: Annotation) -> Find:
    """Returns what finds the places of RNAs in an annotation."""

    def find(name: str, length: int) -> Locus | str:
        found = annotation.find(name, length)
        return found if isinstance(found, str) else found.locus

    return find


def write_sites(
    writer: ScanWriter, find: Find
) -> tuple[dict[str, int], list[list[str | int]]]:
    """Writes the called sites on the genome.

    Args:
      writer: Of the scan.
      find: Finds the place of an RNA.

    Returns:
      Counts; and name, reason and number of sites of each RNA without a place.
    """
    rows: list[list[str]] = []
    unmapped: list[list[str | int]] = []
    for rna in writer.store.scored("scanned"):
        sites = writer.sites_of(rna)
        found = find(rna.name, rna.length)
        if isinstance(found, str):
            unmapped.append([rna.name, found, len(sites)])
            continue
        rows += (
            tracks.bed12_row(rna.name, number, site, found)
            for number, site in enumerate(sites, start=1)
        )
    with written_aside(writer.out / SITES) as file:
        file.write(writer.header("sites", {"useScore": "1"}))
        bed.write_rows(file, sorted(rows, key=bed.in_order))
    return {"mapped_sites": len(rows)}, unmapped


def write_profiles(
    writer: ScanWriter, places: Mapping[str, Locus], sizes: Mapping[str, int]
) -> list[str]:
    """Writes the highest probability over each position of the genome.

    Args:
      writer: Of the scan.
      places: The place of each RNA.
      sizes: Length of each chromosome.

    Returns:
      The files: of each strand that has RNAs a bedGraph and, with pyBigWig, a bigWig.
    """
    found: dict[str, dict[str, list[Intervals]]] = {
        strand: collections.defaultdict(list) for strand in PROFILES
    }
    for rna in writer.store.scored("scanned"):
        locus = places[rna.name]
        on_rna = profile(*writer.tiling.place(rna.length), rna.probabilities)
        found[locus.strand][locus.chrom].append(on_genome(locus, *on_rna))
    files: list[str] = []
    for strand, of_strand in found.items():
        if any(len(starts) for each in of_strand.values() for starts, _, _ in each):
            files += _write_profile(writer, strand, of_strand, sizes)
    return files


def _write_profile(
    writer: ScanWriter,
    strand: str,
    of_strand: Mapping[str, list[Intervals]],
    sizes: Mapping[str, int],
) -> Iterator[str]:
    name = PROFILES[strand]
    lengths = sorted(sizes.items(), key=lambda size: size[0].encode())
    with contextlib.ExitStack() as closing:
        file = closing.enter_context(written_aside(writer.out / f"{name}.bedgraph"))
        bigwig = None
        if tracks.bigwig_is_available():
            path = closing.enter_context(path_aside(writer.out / f"{name}.bw"))
            bigwig = closing.enter_context(tracks.BigWig(path, lengths))
        file.write(writer.profile_header(f"profile, {strand} strand"))
        for chrom, _size in lengths:
            if chrom in of_strand:
                columns = zip(*of_strand[chrom], strict=True)
                intervals = highest(*map(np.concatenate, columns))
                bed.write_rows(file, bedgraph_rows(chrom, *intervals))
                if bigwig:
                    bigwig.add(chrom, *intervals)
    yield f"{name}.bedgraph"
    if bigwig:
        yield f"{name}.bw"


def on_genome(
    locus: Locus, starts: np.ndarray, ends: np.ndarray, values: np.ndarray
) -> Intervals:
    """Maps intervals on an RNA to its chromosome, cut at the borders of exons.

    >>> locus = Locus.parse("chr1:100-150,300-351(-)")
    >>> on_genome(locus, np.array([0, 40]), np.array([40, 60]), np.array([0.1, 0.9]))
    (array([141, 300, 311]), array([150, 311, 351]), array([0.9, 0.9, 0.1]))

    Args:
      locus: Where the RNA lies.
      starts: In the RNA, from its 5' end, ascending, [n_intervals].
      ends: The same; no two intervals overlap.
      values: Their values, [n_intervals].
    """
    if not len(starts):
        return starts, ends, values
    if locus.strand == "-":
        n = locus.n_nucleotides
        starts, ends, values = n - ends[::-1], n - starts[::-1], values[::-1]
    blocks = np.array(locus.blocks)
    offsets = np.cumsum([0, *(blocks[:, 1] - blocks[:, 0])])
    edges = np.unique(np.concatenate([starts, ends, offsets]))
    interval = np.searchsorted(starts, edges[:-1], side="right") - 1
    is_inside = (interval >= 0) & (edges[:-1] < ends[interval])
    block = np.searchsorted(offsets, edges[:-1], side="right") - 1
    shift = (blocks[:, 0] - offsets[:-1])[block]
    mapped = edges[:-1] + shift, edges[1:] + shift, values[interval]
    first, last, value = (column[is_inside] for column in mapped)
    return first, last, value


def highest(starts: np.ndarray, ends: np.ndarray, values: np.ndarray) -> Intervals:
    """Returns the highest value of the intervals over each position.

    >>> highest(np.array([0, 2, 9]), np.array([6, 4, 12]), np.array([0.1, 0.5, 0.3]))
    (array([0, 2, 4, 9]), array([ 2,  4,  6, 12]), array([0.1, 0.5, 0.1, 0.3]))

    Args:
      starts: Of intervals of one chromosome, in any order, [n_intervals].
      ends: Their ends, [n_intervals].
      values: Their values, [n_intervals].

    Returns:
      Intervals that do not overlap, ascending.
    """
    if not len(starts):
        return starts, ends, values
    order = np.argsort(starts, kind="stable")
    starts, ends, values = starts[order], ends[order], values[order]
    if (starts[1:] >= ends[:-1]).all():
        return joined(starts, ends, values)
    edges = np.unique(np.concatenate([starts, ends]))
    of_pieces = np.full(len(edges) - 1, np.nan, values.dtype)
    first, last = np.searchsorted(edges, starts), np.searchsorted(edges, ends)
    for i in np.argsort(values, kind="stable").tolist():
        of_pieces[first[i] : last[i]] = values[i]
    covered = ~np.isnan(of_pieces)
    return joined(edges[:-1][covered], edges[1:][covered], of_pieces[covered])
