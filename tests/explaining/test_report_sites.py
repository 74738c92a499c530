"""Pictures of single sites in a report."""

import numpy as np
import pytest

from deeprke_tf.explaining.report_sites import (
    BLOCK,
    ExplainedSite,
    color_of,
    draw_structure,
    letter_outlines,
    picture_of,
)

SEQUENCE = "GGGCAAUGUAAAGCCCAAUUN"
DOT_BRACKET = "((((........))))....."


def explained(by_sequence, by_structure=None, dot_bracket=DOT_BRACKET):
    facts = [("probability", "0.9")]
    return ExplainedSite(
        *("peak1", "bound, found", facts, SEQUENCE, dot_bracket),
        *(np.asarray(by_sequence, float), by_structure),
    )


def test_blocks_hold_every_nucleotide_once_and_say_where_they_begin():
    values = np.arange(len(SEQUENCE)) - 4.0
    picture = picture_of(explained(values, -2 * values))
    assert [block.start for block in picture.blocks] == [1, 11, 21]
    assert {len(block.bars) for block in picture.blocks[:-1]} == {BLOCK}
    bars = [bar for block in picture.blocks for bar in block.bars]
    assert "".join(bar.letter for bar in bars) == SEQUENCE
    assert "".join(block.dot_bracket for block in picture.blocks) == DOT_BRACKET
    # Letters and loop contexts have one scale: the largest of all is 1.
    assert picture.highest == 32
    assert [bar.by_sequence for bar in bars] == list(values / 32)
    assert bars[-1].by_structure == -1


def test_high_letters_below_the_line_move_the_sequence_down():
    values = np.ones(len(SEQUENCE))
    assert picture_of(explained(values)).drop == 0
    values[3] = -1
    assert picture_of(explained(values)).drop == 54 - 24


def test_the_picture_says_in_words_where_the_model_looks():
    values = np.zeros(len(SEQUENCE))
    values[6:10] = 1
    assert picture_of(explained(values)).alt == (
        "Attributions of peak1, 21 nucleotides: largest around AUGUA at position 6."
    )


def test_a_site_without_structure_has_no_drawing():
    zeros = np.zeros(len(SEQUENCE))
    assert picture_of(explained(zeros, None, None)).drawing is None
    assert picture_of(explained(zeros, zeros, "." * len(SEQUENCE))).drawing is None


def test_a_drawn_structure_lies_in_its_frame_with_partners_side_by_side():
    values = np.zeros(len(SEQUENCE))
    values[5], values[9] = 2, -1
    drawing = draw_structure(SEQUENCE, DOT_BRACKET, values)
    assert "".join(n.letter for n in drawing.nucleotides) == SEQUENCE
    assert drawing.width >= drawing.height
    for nucleotide in drawing.nucleotides:
        assert 7 <= nucleotide.x <= drawing.width - 7
        assert 7 <= nucleotide.y <= drawing.height - 7
    assert len(drawing.pairs) == DOT_BRACKET.count("(")
    lengths = [np.hypot(a.x - b.x, a.y - b.y) for a, b in drawing.pairs]
    assert lengths == pytest.approx([15] * 4, abs=0.3)
    colors = [n.color for n in drawing.nucleotides]
    assert (colors[5], colors[9], colors[0]) == ("#d55e00", color_of(-0.5), "#ffffff")
    assert [i for i, n in enumerate(drawing.nucleotides) if n.is_dark] == [5]


def test_of_a_long_site_the_part_that_matters_is_shown():
    values = np.zeros(3000)
    values[2103:2110] = 1
    site = ExplainedSite("peak1", "bound, found", [], "A" * 3000, None, values, None)
    blocks = picture_of(site).blocks
    assert len(blocks) == 40
    assert blocks[0].start <= 2000 and blocks[-1].start > 2200
    assert all(block.start % BLOCK == 1 for block in blocks)
    folded = site._replace(dot_bracket="(" + "." * 2998 + ")")
    assert picture_of(folded).drawing is None


def test_letters_are_drawn_as_outlines_of_one_size():
    outlines = letter_outlines()
    assert set(outlines) == set("ACGUN")
    for outline in outlines.values():
        assert outline.startswith("M") and outline.endswith("Z")
        numbers = [float(text) for text in outline.translate(NO_COMMANDS).split()]
        xs, ys = numbers[::2], numbers[1::2]
        assert (min(xs), max(xs)) == pytest.approx((0, 1), abs=0.05)
        assert (min(ys), max(ys)) == pytest.approx((-1, 0), abs=0.05)


NO_COMMANDS = str.maketrans(dict.fromkeys("MLQCZ", " "))
