"""What the model says of a motif where it chooses neither the site nor the fold.

The motif's most probable letters are set into dinucleotide-shuffled sites. Their loop
contexts are imposed, in four ways, on the same letters:

    background  as the shuffled site folds without the motif
    hairpin     the motif is the loop of a hairpin of 6 pairs
    stem        the motif is the 5' arm of a hairpin with a loop of 4
    unpaired    the motif and 6 nucleotides on both sides pair with nothing and lie in
                no loop that a pair closes

The effect is the log odds with the motif minus those without it, in the same loops. So
its differences between the ways are what the structure view makes of the motif, and of
nothing else.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.motifs import Motif
from deeprke_tf.explaining.statistics import Estimate, mean_of
from deeprke_tf.rna.structure import all_loop_contexts

ARM = 6  # pairs of the imposed hairpin
_LOOP = 4  # nucleotides of the loop above an imposed stem
_POSITIONS = 9  # places of a motif in a site that are tried
_DISTANCES = tuple(range(0, 21, 2))  # nucleotides between two motifs
STRUCTURES = ("background", "hairpin", "stem", "unpaired")


class Background(NamedTuple):
    """A shuffled site and its fold; `dot_bracket` is empty without structure."""

    sequence: str
    dot_bracket: str


@dataclasses.dataclass(frozen=True, eq=False)
class Counterfactual:
    """What a motif adds to the log odds of shuffled sites.

    Attributes:
      effects: By way to impose loops; mean over backgrounds of the mean over positions.
      differences: Effect in a hairpin, and in a stem, minus effect unpaired; empty for
        models that do not read structure.
      positions: Centers of the motif as fractions of the site, ascending.
      by_position: Effect at each of `positions`, by way to impose loops.
    """

    effects: dict[str, Estimate]
    differences: dict[str, Estimate]
    positions: list[float]
    by_position: dict[str, list[Estimate]]

    @property
    def preferred(self) -> str | None:
        """The imposed loop whose effect is above both others'; None: there is none."""
        ways = [way for way in self.effects if way != "background"]
        if not ways:
            return None
        best = max(ways, key=lambda way: self.effects[way].mean)
        others = [self.effects[way] for way in ways if way != best]
        return best if all(self.effects[best].low > o.high for o in others) else None


@dataclasses.dataclass(frozen=True, eq=False)
class Spacing:
    """What two motifs add together beyond what each adds alone.

    Attributes:
      names: Of the motifs, the 5' one first.
      distances: Nucleotides between them.
      interactions: Log odds at each distance, loops of the background.
    """

    names: tuple[str, str]
    distances: list[int]
    interactions: list[Estimate]


def set_motif(
    motif: Motif, backgrounds: Sequence[Background], log_odds: LogOdds
) -> Counterfactual:
    """Sets a motif into backgrounds, in every way and at each position.

    Args:
      motif: The motif.
      backgrounds: Those too short for its hairpin are left out.
      log_odds: The model.
    """
    # Behind the motif there is room for an arm, or for loop and arm of its own stem.
    margin = max(ARM, motif.width + _LOOP)
    room = motif.width + ARM + margin
    usable = [b for b in backgrounds if len(b.sequence) >= room]
    ways = STRUCTURES if log_odds.reads_structure else STRUCTURES[:1]
    places = np.linspace(0, 1, _POSITIONS)
    if not usable:
        return Counterfactual({}, {}, [], {})
    effects = {}
    for way in ways:
        rows = []
        for place in places:
            starts = [ARM + round(place * (len(b.sequence) - room)) for b in usable]
            rows.append(_effect(motif.best_word, usable, starts, way, log_odds))
        effects[way] = np.array(rows)  # [n_positions, n_backgrounds]
    length = float(np.mean([len(b.sequence) for b in usable]))
    centers = (ARM + places * (length - room) + motif.width / 2) / length
    means = {way: rows.mean(axis=0) for way, rows in effects.items()}
    return Counterfactual(
        {way: mean_of(mean) for way, mean in means.items()},
        {
            way: mean_of(means[way] - means["unpaired"])
            for way in ("hairpin", "stem")
            if way in means
        },
        centers.tolist(),
        {way: [mean_of(row) for row in rows] for way, rows in effects.items()},
    )


def space_motifs(
    first: Motif, second: Motif, backgrounds: Sequence[Background], log_odds: LogOdds
) -> Spacing:
    """Sets two motifs around the middle of backgrounds, at varying distance."""
    longest = first.width + second.width + _DISTANCES[-1]
    usable = [b for b in backgrounds if len(b.sequence) >= longest]
    interactions = []
    for distance in _DISTANCES if usable else ():
        texts = []
        for background in usable:
            width = first.width + distance + second.width
            start = (len(background.sequence) - width) // 2
            places = ((start, first), (start + first.width + distance, second))
            for with_first, with_second in itertools.product([False, True], repeat=2):
                text = background.sequence
                for is_set, (place, motif) in zip(
                    (with_first, with_second), places, strict=True
                ):
                    text = _replaced(text, place, motif.best_word) if is_set else text
                texts.append(text)
        contexts = all_loop_contexts([b.dot_bracket for b in usable for _ in range(4)])
        neither, second_alone, first_alone, both = (
            log_odds.mean(texts, contexts).reshape(-1, 4).T
        )
        interactions.append(mean_of(both - first_alone - second_alone + neither))
    distances = list(_DISTANCES[: len(interactions)])
    return Spacing((first.name, second.name), distances, interactions)


def imposed(dot_bracket: str, start: int, width: int, way: str) -> str:
    """Returns a structure with another one imposed around a stretch.

    Pairs that touch or enclose the imposed stretch are opened.

    >>> imposed("((....))...((((....))))", 13, 4, "unpaired")
    '.(....)................'
    >>> imposed("((....))...((((....))))", 9, 3, "stem")
    '((....)).(((....)))....'

    Args:
      dot_bracket: Of the background.
      start: Of the motif.
      width: Of the motif.
      way: Of `STRUCTURES`.
    """
    if way == "background":
        return dot_bracket
    shapes = {
        "hairpin": (ARM, "(" * ARM + "." * width + ")" * ARM),
        "stem": (0, "(" * width + "." * _LOOP + ")" * width),
        "unpaired": (ARM, "." * (width + 2 * ARM)),
    }
    before, shape = shapes[way]
    first = start - before
    opened = _without_pairs(dot_bracket, first, first + len(shape))
    return _replaced(opened, first, shape)


def _without_pairs(dot_bracket: str, first: int, end: int) -> str:
    """Opens the pairs that touch or enclose a stretch."""
    symbols = list(dot_bracket)
    opening: list[int] = []
    for position, symbol in enumerate(dot_bracket):
        if symbol == "(":
            opening.append(position)
        elif symbol == ")":
            partner = opening.pop()
            if partner < end and position >= first:
                symbols[partner] = symbols[position] = "."
    return "".join(symbols)


def _replaced(text: str, start: int, word: str) -> str:
    return text[:start] + word + text[start + len(word) :]


def _effect(
    word: str,
    backgrounds: Sequence[Background],
    starts: Sequence[int],
    way: str,
    log_odds: LogOdds,
) -> np.ndarray:
    """Returns the effect of a word in each background, [n_backgrounds]."""
    brackets = [
        imposed(b.dot_bracket, start, len(word), way) if b.dot_bracket else ""
        for b, start in zip(backgrounds, starts, strict=True)
    ]
    contexts = all_loop_contexts(brackets)
    without = [b.sequence for b in backgrounds]
    with_word = [
        _replaced(text, start, word)
        for text, start in zip(without, starts, strict=True)
    ]
    both = log_odds.mean([*with_word, *without], [*contexts, *contexts])
    return both[: len(without)] - both[len(without) :]
