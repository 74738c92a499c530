"""Pictures of single sites: attributions along the sequence and on the structure.

Along the sequence, letters are as high as their attribution, in blocks of ten that flow
with the width of the page. On the drawn structure, nucleotides have its color.
"""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath

from deeprke_tf.rna import structure
from deeprke_tf.system import plotting

LETTER_COLORS = {
    "A": plotting.GREEN,
    "C": plotting.BLUE,
    "G": plotting.ORANGE,
    "U": plotting.VERMILION,
    "N": plotting.GRAY,
}
BLOCK = 10  # nucleotides
LONGEST = 400  # nucleotides shown of a site, and of a drawn structure

_LETTER, _ROOM = 54, 24  # pixels: the highest letter, and what is free below the line
_UP, _DOWN = plotting.VERMILION, plotting.BLUE  # raises and lowers the log odds
_MARGIN = 14.0  # of a drawing, in the units of ViennaRNA


class ExplainedSite(NamedTuple):
    """A site with the attributions of its nucleotides, in log odds.

    Attributes:
      name: Its name.
      kind: What the model says of it, and whether that is right.
      facts: Names and texts, such as its probability.
      sequence: RNA letters.
      dot_bracket: Its structure; None: not known, or not read by the model.
      by_sequence: Attribution of each letter, float [n_nucleotides].
      by_structure: Attribution of each loop context, float [n_nucleotides]; None: the
        model reads no structure.
      spread: Standard deviation of `by_sequence` over the members of an ensemble; None:
        the model is one run.
    """

    name: str
    kind: str
    facts: list[tuple[str, str]]
    sequence: str
    dot_bracket: str | None
    by_sequence: np.ndarray
    by_structure: np.ndarray | None
    spread: np.ndarray | None = None


class Bar(NamedTuple):
    """The attributions of one nucleotide, as fractions of the largest of the site."""

    letter: str
    by_sequence: float
    by_structure: float
    spread: float = 0.0


class Block(NamedTuple):
    """Ten nucleotides: the position of the first, from 1, and their structure."""

    start: int
    bars: list[Bar]
    dot_bracket: str


class Nucleotide(NamedTuple):
    """A nucleotide of a drawn structure; `is_dark`: its letter must be white."""

    x: float
    y: float
    letter: str
    color: str
    is_dark: bool


class Drawing(NamedTuple):
    """A drawn structure: nucleotides in order, and the lines of base pairs."""

    width: float
    height: float
    nucleotides: list[Nucleotide]
    pairs: list[tuple[Nucleotide, Nucleotide]]


class SitePicture(NamedTuple):
    """What the page shows of a site.

    Attributes:
      site: The site.
      blocks: Its nucleotides.
      drawing: Its structure; None: not known, or too long.
      highest: The largest attribution, log odds.
      drop: Room for letters below the line, beyond what there is, in pixels.
      alt: The picture in words.
    """

    site: ExplainedSite
    blocks: list[Block]
    drawing: Drawing | None
    highest: float
    drop: int
    alt: str


def picture_of(site: ExplainedSite) -> SitePicture:
    """Returns the picture of a site."""
    length = len(site.sequence)
    zeros = np.zeros(length)
    by_structure = zeros if site.by_structure is None else site.by_structure
    spread = zeros if site.spread is None else site.spread
    highest = max(np.abs(site.by_sequence).max(), np.abs(by_structure).max(), 1e-12)
    bars = [
        Bar(letter, *(float(value / highest) for value in values))
        for letter, *values in zip(
            site.sequence, site.by_sequence, by_structure, spread, strict=True
        )
    ]
    dot_bracket = site.dot_bracket or ""
    first = _first_shown(site.by_sequence)
    blocks = [
        Block(i + 1, bars[i : i + BLOCK], dot_bracket[i : i + BLOCK])
        for i in range(first, min(first + LONGEST, length), BLOCK)
    ]
    drawing = None
    if site.dot_bracket and "(" in site.dot_bracket and length <= LONGEST:
        drawing = draw_structure(
            site.sequence, site.dot_bracket, site.by_sequence + by_structure
        )
    lowest = float((site.by_sequence - spread).min() / highest)
    drop = max(0, round(-lowest * _LETTER) - _ROOM)
    return SitePicture(site, blocks, drawing, float(highest), drop, _in_words(site))


def _first_shown(by_sequence: np.ndarray) -> int:
    """Returns where the shown part begins: around the middle of all attributions."""
    weights = np.abs(by_sequence)
    if len(weights) <= LONGEST or not weights.any():
        return 0
    middle = int(np.average(np.arange(len(weights)), weights=weights**2))
    start = min(max(0, middle - LONGEST // 2), len(weights) - LONGEST)
    return start - start % BLOCK


def draw_structure(
    sequence: str, dot_bracket: str, attributions: np.ndarray
) -> Drawing:
    """Draws a structure, lying, with nucleotides colored by their attributions.

    Args:
      sequence: RNA letters.
      dot_bracket: Its structure.
      attributions: float [n_nucleotides].
    """
    places = structure.layout(dot_bracket)
    # ViennaRNA's y points upwards, that of a page downwards.
    places = places * [1, -1]
    if np.ptp(places[:, 1]) > np.ptp(places[:, 0]):
        places = np.column_stack([places[:, 1], -places[:, 0]])
    places += _MARGIN - places.min(axis=0)
    width, height = (float(end) for end in places.max(axis=0) + _MARGIN)
    highest = max(float(np.abs(attributions).max()), 1e-12)
    nucleotides = [
        Nucleotide(
            *(round(float(x), 1), round(float(y), 1), letter),
            *(color_of(value / highest), bool(abs(value) > 0.6 * highest)),
        )
        for (x, y), letter, value in zip(places, sequence, attributions, strict=True)
    ]
    pairs = [
        (nucleotides[i], nucleotides[j]) for i, j in structure.base_pairs(dot_bracket)
    ]
    return Drawing(round(width, 1), round(height, 1), nucleotides, pairs)


def color_of(fraction: float) -> str:
    """Returns a color from blue over white to vermilion for -1 to 1.

    >>> color_of(0.0), color_of(1.0), color_of(-1.0)
    ('#ffffff', '#d55e00', '#0072b2')
    """
    end = _UP if fraction > 0 else _DOWN
    channels = (int(end[i : i + 2], 16) for i in (1, 3, 5))
    mixed = (round(255 + abs(fraction) * (channel - 255)) for channel in channels)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def letter_outlines() -> dict[str, str]:
    """Returns the outline of each letter as an SVG path, 1 wide and 1 high.

    The letter stands on y = 0 and ends at y = -1.
    """
    bold = FontProperties(family="DejaVu Sans", weight="bold")
    outlines = {}
    for letter in LETTER_COLORS:
        outline = TextPath((0, 0), letter, size=10, prop=bold)
        box = outline.get_extents()
        outlines[letter] = "".join(
            _SVG_COMMANDS[code]
            + " ".join(
                f"{(x - box.x0) / box.width:.3f} {-(y - box.y0) / box.height:.3f}"
                for x, y in np.reshape(points, (-1, 2))
                if code != Outline.CLOSEPOLY
            )
            for points, code in outline.iter_segments()
        )
    return outlines


_SVG_COMMANDS: dict[Any, str] = {
    Outline.MOVETO: "M",
    Outline.LINETO: "L",
    Outline.CURVE3: "Q",
    Outline.CURVE4: "C",
    Outline.CLOSEPOLY: "Z",
}


def _in_words(site: ExplainedSite) -> str:
    """Names the stretch of five letters that matters most."""
    total = np.convolve(site.by_sequence, np.ones(5), "valid")
    if not len(total):
        return f"Attributions of {site.name}."
    start = int(np.argmax(total))
    return (
        f"Attributions of {site.name}, {len(site.sequence)} nucleotides: largest "
        f"around {site.sequence[start : start + 5]} at position {start + 1}."
    )
