"""What random windows are drawn from: chromosomes, or spliced transcripts.

A template is a locus. Positions on it count from 0 at its 5' end, over its blocks
joined: on a whole chromosome they are those of the genome, on a transcript those of
its spliced sequence.
"""

from collections.abc import Sequence

import numpy as np

from deeprke_tf.rna.loci import Locus

# Arrays of one length: template number, start and end on it, of many stretches.
Stretches = tuple[np.ndarray, np.ndarray, np.ndarray]


class Templates:
    """Templates, and how positions on them and on the genome go together.

    >>> templates = Templates([Locus.parse("chr1:10-20,30-40(-)")])
    >>> templates.to_genome(np.array([0, 0]), np.array([0, 12]))
    array([39, 17])

    Args:
      loci: The templates, by their numbers.
    """

    def __init__(self, loci: Sequence[Locus]):
        self.loci = list(loci)
        self.lengths = np.array([one.n_nucleotides for one in loci], np.int64)
        # Templates one after the other, a position apart so that none touch.
        self.bases = np.cumsum(self.lengths + 1) - self.lengths - 1
        self._is_minus = np.array([one.strand == "-" for one in loci], bool)
        n_blocks = np.array([len(one.blocks) for one in loci], np.int64)
        self._template = np.repeat(np.arange(len(self.loci)), n_blocks)
        blocks = [block for one in loci for block in one.blocks]
        self._start, self._end = np.array(blocks, np.int64).reshape(-1, 2).T
        sizes = self._end - self._start
        before = np.cumsum(sizes) - sizes
        first = np.cumsum(n_blocks) - n_blocks
        # Of a block in its template, read along the + strand.
        self._offset = before - before[np.repeat(first, n_blocks)]

    def to_genome(self, template: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Returns positions on the chromosome, int64 [n].

        Args:
          template: Numbers of templates, [n].
          position: On the template, [n].
        """
        along = self._along(template, position)
        starts = self.bases[self._template] + self._offset
        block = np.searchsorted(starts, self.bases[template] + along, "right") - 1
        return self._start[block] + along - self._offset[block]

    def from_genome(
        self, chrom: Sequence[str], start: np.ndarray, end: np.ndarray
    ) -> Stretches:
        """Returns where stretches of the genome lie on templates, on either strand.

        Args:
          chrom: Chromosomes, [n]; stretches in any order.
          start: First positions, [n].
          end: Positions behind the last, [n].
        """
        stretches: list[Stretches] = []
        names = np.array(chrom, str)
        chrom_of_block = np.array([one.chrom for one in self.loci], str)[self._template]
        for name in np.intersect1d(chrom_of_block, names):
            blocks, here = chrom_of_block == name, names == name
            stretches.append(
                self._of_blocks(np.flatnonzero(blocks), start[here], end[here])
            )
        if not stretches:
            return (np.zeros(0, np.int64),) * 3
        template, first, last = (
            np.concatenate(part) for part in zip(*stretches, strict=True)
        )
        return template, first, last

    def _of_blocks(
        self, blocks: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> Stretches:
        start, end = merged(start, end)
        low = np.searchsorted(end, self._start[blocks], "right")
        high = np.searchsorted(start, self._end[blocks], "left")
        counts = np.maximum(high - low, 0)
        block = np.repeat(blocks, counts)
        nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        stretch = np.repeat(low, counts) + nth
        first = np.maximum(start[stretch], self._start[block]) - self._start[block]
        last = np.minimum(end[stretch], self._end[block]) - self._start[block]
        template, offset = self._template[block], self._offset[block]
        one = self._along(template, first + offset)
        other = self._along(template, last + offset - 1)
        return template, np.minimum(one, other), np.maximum(one, other) + 1

    def _along(self, template: np.ndarray, position: np.ndarray) -> np.ndarray:
        """Turns positions from the 5' end into those along the + strand, or back."""
        turned = self.lengths[template] - 1 - position
        return np.where(self._is_minus[template], turned, position)


class Forbidden:
    """Stretches of templates that no window may touch.

    Args:
      templates: The templates.
      stretches: Where the stretches lie on them; at least one, maybe of none.
    """

    def __init__(self, templates: Templates, *stretches: Stretches):
        self._bases = templates.bases
        template, start, end = (
            np.concatenate(part) for part in zip(*stretches, strict=True)
        )
        base = self._bases[template]
        self._start, self._end = merged(base + start, base + end)

    def touches(
        self, template: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> np.ndarray:
        """Tells which windows overlap such a stretch, bool [n_windows]."""
        base = self._bases[template]
        after = np.searchsorted(self._end, base + start, "right")
        begins = np.append(self._start, np.iinfo(np.int64).max)
        return begins[after] < base + end


def merged(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorts stretches and merges those that overlap or touch.

    >>> merged(np.array([5, 0, 9]), np.array([7, 2, 12]))
    (array([0, 5, 9]), array([ 2,  7, 12]))
    >>> merged(np.array([5, 0, 1]), np.array([7, 5, 2]))
    (array([0]), array([7]))
    """
    if not len(start):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    order = np.argsort(start, kind="stable")
    start, reach = start[order], np.maximum.accumulate(end[order])
    is_new = np.append(True, start[1:] > reach[:-1])
    last = np.append(np.flatnonzero(is_new)[1:] - 1, len(start) - 1)
    return start[is_new], reach[last]
