"""Attributions on the genome: BED, bedGraph and bigWig.

Positions count from 0, ends are exclusive. Where sites overlap, a nucleotide has the
mean of their attributions. bedGraph cannot tell strands: each has a file of its own.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from deeprke_tf.explaining.seqlets import WIDTH, find_seqlets
from deeprke_tf.system.files import path_aside, written_aside

if TYPE_CHECKING:
    from deeprke_tf.explaining.result import Explanation

_STRANDS = {"+": "plus", "-": "minus"}
# Chromosome, start, end and mean attribution of one nucleotide.
_Row: TypeAlias = tuple[str, int, int, float]


def write_tracks(explanation: "Explanation", out: Path) -> list[str]:
    """Writes tracks of the sites that have coordinates; returns names of files."""
    if not any(site.locus for site in explanation.attributions.sites):
        return []
    names = ["stretches.bed"]
    with written_aside(out / names[0]) as file:
        file.writelines("\t".join(row) + "\n" for row in _stretches(explanation))
    for strand, rows in _by_strand(explanation).items():
        name = f"attributions_{_STRANDS[strand]}"
        with written_aside(out / f"{name}.bedgraph") as file:
            for chrom, start, end, value in rows:
                file.write(f"{chrom}\t{start}\t{end}\t{value:.5g}\n")
        names.append(f"{name}.bedgraph")
        if _write_bigwig(rows, out / f"{name}.bw"):
            names.append(f"{name}.bw")
    return names


def _stretches(explanation: "Explanation") -> Iterator[list[str]]:
    """Yields BED rows of the highest stretches; of spliced ones, a row a block.

    The score is the sum of the attributions, 1000 for the highest; the seventh column
    has it in log odds.
    """
    sites = explanation.attributions.sites
    seqlets = find_seqlets(
        explanation.attributions.of_nucleotides, explanation.sites.n_bound
    )
    rows = []
    for seqlet in seqlets:
        site = sites[seqlet.site]
        if site.locus is None:
            continue
        score = str(round(1000 * seqlet.score / seqlets[0].score))
        place = site.locus.part(seqlet.start, seqlet.start + WIDTH)
        name = f"{site.name.split()[0]}:{seqlet.start}-{seqlet.start + WIDTH}"
        for start, end in place.blocks:
            rows.append(
                [
                    *(place.chrom, str(start), str(end), name, score, place.strand),
                    f"{seqlet.score:.4f}",
                ]
            )
    yield from sorted(rows, key=lambda row: (row[0].encode(), int(row[1]), int(row[2])))


def _by_strand(explanation: "Explanation") -> dict[str, list[_Row]]:
    sums: dict[str, dict[tuple[str, int], list[float]]] = {
        strand: defaultdict(list) for strand in _STRANDS
    }
    rows = zip(
        explanation.attributions.sites,
        explanation.attributions.of_nucleotides,
        strict=True,
    )
    for site, values in rows:
        if site.locus is None:
            continue
        locus = site.locus
        positions = [p for block in locus.blocks for p in range(*block)]
        if locus.strand == "-":
            positions.reverse()
        for position, value in zip(positions, values.tolist(), strict=True):
            sums[locus.strand][locus.chrom, position].append(value)
    return {strand: list(_means(found)) for strand, found in sums.items() if found}


def _means(found: dict[tuple[str, int], list[float]]) -> Iterator[_Row]:
    for chrom, position in sorted(found, key=lambda key: (key[0].encode(), key[1])):
        values = found[chrom, position]
        yield chrom, position, position + 1, sum(values) / len(values)


def _write_bigwig(rows: Iterable[_Row], path: Path) -> bool:
    """Writes a bigWig file; returns whether pyBigWig is there to do it.

    The lengths of the chromosomes are not known: each ends where its last site does.
    """
    try:
        import pyBigWig
    except ImportError:
        return False
    columns: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        columns[row[0]].append(row)
    with path_aside(path) as partial:
        file: Any = pyBigWig.open(str(partial), "w")
        file.addHeader([(chrom, some[-1][2]) for chrom, some in columns.items()])
        for chrom, some in columns.items():
            _chroms, starts, ends, values = map(list, zip(*some, strict=True))
            file.addEntries([chrom] * len(some), starts, ends=ends, values=values)
        file.close()
    return True
