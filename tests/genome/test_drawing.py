import numpy as np
import pytest

from deeprke_tf.genome.composition import composition
from deeprke_tf.genome.drawing import Pieces, draw
from deeprke_tf.genome.templates import Forbidden, Templates
from deeprke_tf.rna.loci import Locus

LOCI = [
    Locus.parse(text)
    for text in (
        "chr1:0-5000(+)",
        "chr1:100-160,200-210,400-480(-)",
        "chr2:0-300(+)",
        "chr1:150-205(+)",
    )
]
TEMPLATES = Templates(LOCI)
NONE = (np.zeros(0, np.int64),) * 3


def positions(locus):
    """Genome positions of a locus, from its 5' end."""
    plus = [p for start, end in locus.blocks for p in range(start, end)]
    return plus if locus.strand == "+" else plus[::-1]


@pytest.mark.parametrize("template", range(len(LOCI)))
def test_positions_on_a_template_are_those_of_its_blocks(template):
    expected = positions(LOCI[template])
    found = TEMPLATES.to_genome(
        np.full(len(expected), template), np.arange(len(expected))
    )
    assert found.tolist() == expected


def test_stretches_of_the_genome_are_found_on_every_template():
    rng = np.random.default_rng(1)
    chrom = rng.choice(["chr1", "chr2", "chr3"], 30)
    start = rng.integers(0, 500, 30)
    end = start + rng.integers(1, 40, 30)
    covered = {
        (c, p) for c, s, e in zip(chrom, start, end, strict=True) for p in range(s, e)
    }
    template, first, last = TEMPLATES.from_genome(chrom, start, end)
    found = {
        (number, position)
        for number, s, e in zip(template, first, last, strict=True)
        for position in range(s, e)
    }
    assert found == {
        (number, i)
        for number, locus in enumerate(LOCI)
        for i, position in enumerate(positions(locus))
        if (locus.chrom, position) in covered
    }


def test_forbidden_stretches_touch_the_windows_that_overlap_them():
    stretches = np.array([0, 1, 0]), np.array([10, 0, 15]), np.array([20, 3, 30])
    forbidden = Forbidden(TEMPLATES, stretches, NONE)
    template = np.array([0, 0, 0, 0, 1, 1, 2])
    start, end = (
        np.array([5, 5, 29, 30, 2, 3, 10]),
        np.array([10, 11, 40, 40, 3, 9, 20]),
    )
    assert forbidden.touches(template, start, end).tolist() == [
        *(False, True, True, False, True, False, False)
    ]


def pieces_of(*rows):
    return Pieces(*np.array(rows, np.int64).T)


def test_windows_have_their_middle_in_the_pieces_of_their_group():
    pieces = pieces_of((0, 0, 50, 60, 1), (0, 2, 100, 110, -1), (2, 1, 70, 71, 0))
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 2000)
    found = draw(
        *(pieces, TEMPLATES, Forbidden(TEMPLATES, NONE)),
        *(group, np.full(6000, 21), rng),
    )
    assert (found.end - found.start == 21).all()
    middle = found.start + 10
    first = found.request < 2000
    on_first = first & (found.template == 0)
    assert set(middle[on_first]) == set(range(50, 60))
    assert set(middle[first & ~on_first]) == set(range(100, 110))
    assert (found.strand[first] == np.where(found.template[first] == 0, 1, -1)).all()
    assert abs(on_first.sum() - 1000) < 150
    assert not ((found.request >= 2000) & (found.request < 4000)).any()
    assert set(middle[found.request >= 4000]) == {70}
    assert set(found.strand[found.request >= 4000]) == {1, -1}


def test_windows_stay_on_their_template_and_off_forbidden_stretches():
    pieces = pieces_of((0, 2, 0, 300, 1))
    stretch = np.array([2]), np.array([100]), np.array([150])
    found = draw(
        *(pieces, TEMPLATES, Forbidden(TEMPLATES, stretch)),
        *(np.zeros(5000, int), np.full(5000, 40), np.random.default_rng(1)),
    )
    assert set(found.start) == {*range(61), *range(150, 261)}


def test_letters_are_counted_as_in_each_window_alone():
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("ACGTacgtNn"), n)) for n in (5000, 9000, 60)]
    template = rng.integers(0, 2, 400)
    start = rng.integers(0, 4900, 400)
    end = start + rng.integers(1, 100, 400)
    read = []

    def letters(number, first, last):
        read.append((number, first, last))
        return texts[number][first:last]

    counted = composition(letters, template, start, end)
    windows = [
        texts[number][s:e] for number, s, e in zip(template, start, end, strict=True)
    ]
    for counts, letters_counted in zip(counted, ("GCgc", "acgtn", "Nn"), strict=True):
        expected = [sum(letter in letters_counted for letter in w) for w in windows]
        assert counts.tolist() == expected
    assert len(read) == 2
