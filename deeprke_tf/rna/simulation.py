"""Simulated CLIP-like sites: a motif that counts in one loop context only.

Every site, bound or not, holds two elements of the same form in random order at random
places: an arm, a loop with a *word*, an arm. The arms of one element pair and make it a
hairpin; the arms of the other have the same composition but do not match, and leave it
open. One word may be the motif; any other is the motif's letters in another order.

    positive   the motif's word lies in the chosen loop context
    decoy      background: the motif lies in the other element, out of that context
    plain      background: neither word is the motif, nor is any other stretch

The MFE fold of the final sequence decides, at default `FoldSettings`: in every site,
motif or not, the word of one element lies in the chosen context with all its letters,
the word of the other with none. So the kinds agree in length, in composition and in
where the motif is. A model of the sequence sees whether the motif is there: an AUROC of
0.5 + (1 - decoys) / 2. To tell positives from decoys it has to learn which arms pair,
which the structure shows; only a trace is left in the letters beside the motif, as some
orders fold better than others (a logistic regression on them: AUROC 0.61, 0.68 in the
context `single-strand`).
"""

import dataclasses
import functools
import math
import random
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import fold, loop_contexts

CONTEXT_LETTERS = {"hairpin": "H", "single-strand": "FTMI"}
# Sites are folded whole, again and again: a tenth of a second each time at 500 nt.
MAX_LENGTH = 500  # nucleotides

_ARM_LENGTHS = (5, 7)  # shortest and longest, in nucleotides
_PAIRS = str.maketrans("ACGU", "UGCA")
_MAX_SPACER = 4  # letters of a loop beside its word
_MIN_BITS = 6  # Of a motif: with less, it occurs by chance in most sites.
_MAX_TRIES = 1000
_IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "U": "U", "T": "U"},
    **{"R": "AG", "Y": "CU", "S": "CG", "W": "AU", "K": "GU", "M": "AC"},
    **{"B": "CGU", "D": "AGU", "H": "ACU", "V": "ACG", "N": "ACGU"},
}

Kind = Literal["positive", "decoy", "plain"]


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
    """What is simulated."""

    n_sites: int = 4000
    """Sites, positives and background together."""
    positive_fraction: float = 0.5
    """Fraction of the sites that are positives."""
    min_length: int = 60
    """Shortest site, in nucleotides."""
    max_length: int = 90
    """Longest site, in nucleotides, at most 500."""
    motif: str = "UGUANAUA"
    """IUPAC letters of RNA or DNA; N stands for any base."""
    context: Literal["hairpin", "single-strand"] = "hairpin"
    """Where the motif of a positive lies: in a hairpin loop, or unpaired elsewhere."""
    decoys: float = 0.5
    """Fraction of the background that carries the motif out of this context."""
    gc: float = 0.45
    """GC content outside of arms and words, from 0.1 to 0.9."""
    seed: int = 0
    """Random seed; the same seed gives the same sites."""

    def __post_init__(self):
        require_positive(n_sites=self.n_sites)
        limits = {"positive_fraction": (0, 1), "decoys": (0, 1), "gc": (0.1, 0.9)}
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UserError(
                    f"`{name}` must be between {low} and {high}, got {value}."
                )
        if self.context not in CONTEXT_LETTERS:
            known = " or ".join(map(repr, CONTEXT_LETTERS))
            raise UserError(f"`context` must be {known}, got {self.context!r}.")
        if self.seed < 0:
            raise UserError(f"`seed` must not be negative, got {self.seed}.")
        _check_motif(self.motif)
        _check_lengths(self)


def _check_motif(motif: str) -> None:
    unknown = sorted(set(motif.upper()) - set(_IUPAC))
    if unknown:
        raise UserError(f"`motif` {motif!r} has letters that are not IUPAC: {unknown}.")
    bits = sum(2 - math.log2(len(_IUPAC[letter])) for letter in motif.upper())
    if bits < _MIN_BITS:
        raise UserError(
            f"`motif` {motif!r} has {bits:.1f} bits of information: at least "
            f"{_MIN_BITS} are needed, as three definite letters have."
        )


def _check_lengths(config: SimulationConfig) -> None:
    element = 2 * _ARM_LENGTHS[1] + _MAX_SPACER + len(config.motif)
    if config.min_length < 2 * element:
        raise UserError(
            f"`min_length` must be at least {2 * element} nt to hold two elements with "
            f"motif {config.motif!r}, got {config.min_length}."
        )
    if not config.min_length <= config.max_length <= MAX_LENGTH:
        raise UserError(
            f"`max_length` must be between `min_length` ({config.min_length}) and "
            f"{MAX_LENGTH} nt, got {config.max_length}: every site is folded whole."
        )


@functools.cache
def motif_pattern(motif: str) -> re.Pattern[str]:
    """Compiles an IUPAC motif; `finditer` on RNA finds overlapping matches too.

    >>> [match.start() for match in motif_pattern("TNT").finditer("CUAUAUC")]
    [1, 3]
    """
    classes = "".join(f"[{_IUPAC[letter]}]" for letter in motif.upper())
    return re.compile(f"(?={classes})")


def simulate(config: SimulationConfig) -> Iterator[Site]:
    """Yields labelled sites, the kinds in random order and in exact numbers.

    Args:
      config: What to simulate.

    Yields:
      Sites `sim000000`, `sim000001`, ...; label 1 for positives, 0 for background.

    Raises:
      UserError: No site of these settings folds as it should.
    """
    rng = random.Random(config.seed)
    n_positives = round(config.n_sites * config.positive_fraction)
    n_decoys = round((config.n_sites - n_positives) * config.decoys)
    remaining: dict[Kind, int] = {
        "positive": n_positives,
        "decoy": n_decoys,
        "plain": config.n_sites - n_positives - n_decoys,
    }
    for number in range(config.n_sites):
        (kind,) = rng.choices(list(remaining), list(remaining.values()))
        remaining[kind] -= 1
        yield Site(
            name=f"sim{number:06d}",
            sequence=_site_sequence(kind, config, rng),
            label=int(kind == "positive"),
        )


class _Word(NamedTuple):
    """The planned stretch in the middle of a loop; as long as the motif."""

    start: int
    in_context: bool  # whether it is to lie in the chosen context, or out of it
    is_motif: bool


def _site_sequence(kind: Kind, config: SimulationConfig, rng: random.Random) -> str:
    """Draws sequences until one folds as its kind asks."""
    length = rng.randint(config.min_length, config.max_length)
    # Only the order of the letters is drawn again: else open arms would come out poor
    # in G, and the sequence around the motif would tell positives from decoys.
    arms = _arm_letters(rng), _arm_letters(rng)
    for _ in range(_MAX_TRIES):
        elements = [
            _element(arms[0], True, kind == "positive", config, rng),
            _element(arms[1], False, kind == "decoy", config, rng),
        ]
        rng.shuffle(elements)
        sequence, words = _embed(elements, length, config, rng)
        planted = [word.start for word in words if word.is_motif]
        matches = [m.start() for m in motif_pattern(config.motif).finditer(sequence)]
        if matches == planted and _folds_as_planned(sequence, words, config):
            return sequence
    raise _unattainable(config)


def _arm_letters(rng: random.Random) -> str:
    """Draws the letters of an arm: enough GC for a stem, and all four letters.

    Of fewer kinds, as GGGUU, two arms would pair in almost any order.
    """
    more = rng.sample("GCGCAU", rng.randint(*_ARM_LENGTHS) - len("ACGU"))
    return "ACGU" + "".join(more)


def _element(
    arm_letters: str,
    in_context: bool,
    is_motif: bool,
    config: SimulationConfig,
    rng: random.Random,
) -> tuple[str, _Word]:
    """Draws elements until the word lies as planned in the element on its own."""
    is_hairpin = in_context == (config.context == "hairpin")
    for _ in range(_MAX_TRIES):
        arm = _shuffled(arm_letters, rng)
        partners = (arm[::-1] if is_hairpin else _shuffled(arm, rng)).translate(_PAIRS)
        spacer = _random_letters(rng.randint(0, _MAX_SPACER), config.gc, rng)
        cut = rng.randint(0, len(spacer))
        before = arm + spacer[:cut]
        word = _Word(len(before), in_context, is_motif)
        letters = before + _word_letters(is_motif, config, rng)
        letters += spacer[cut:] + partners
        # Takes a tenth of the time of folding the site, and saves more than half of it.
        if _folds_as_planned(letters, [word], config):
            return letters, word
    raise _unattainable(config)


def _embed(
    elements: list[tuple[str, _Word]],
    length: int,
    config: SimulationConfig,
    rng: random.Random,
) -> tuple[str, list[_Word]]:
    """Sets elements at random places of a site, in the order given."""
    n_random = length - sum(len(letters) for letters, _ in elements)
    background = _random_letters(n_random, config.gc, rng)
    cuts = sorted(rng.randint(0, n_random) for _ in elements)
    sequence, words, n_used = "", [], 0
    for cut, (letters, word) in zip(cuts, elements, strict=True):
        sequence += background[n_used:cut]
        words.append(word._replace(start=len(sequence) + word.start))
        sequence += letters
        n_used = cut
    return sequence + background[n_used:], words


def _folds_as_planned(
    sequence: str, words: list[_Word], config: SimulationConfig
) -> bool:
    """Tells whether each word lies wholly in the chosen context or wholly out of it."""
    contexts = loop_contexts(fold(sequence)[0])
    chosen = CONTEXT_LETTERS[config.context]
    return all(
        (letter in chosen) == word.in_context
        for word in words
        for letter in contexts[word.start : word.start + len(config.motif)]
    )


def _word_letters(is_motif: bool, config: SimulationConfig, rng: random.Random) -> str:
    """Draws the motif, or its letters in an order that is not the motif."""
    letters = [
        _random_letters(1, config.gc, rng, among=_IUPAC[letter])
        for letter in config.motif.upper()
    ]
    while not is_motif:
        rng.shuffle(letters)
        if not motif_pattern(config.motif).match("".join(letters)):
            break
        # All orders of UUUUUU match: one letter at a time gives way to background.
        letters[rng.randrange(len(letters))] = _random_letters(1, config.gc, rng)
    return "".join(letters)


def _shuffled(letters: str, rng: random.Random) -> str:
    return "".join(rng.sample(letters, len(letters)))


def _random_letters(n: int, gc: float, rng: random.Random, among: str = "ACGU") -> str:
    weights = [gc if letter in "CG" else 1 - gc for letter in among]
    return "".join(rng.choices(among, weights, k=n))


def _unattainable(config: SimulationConfig) -> UserError:
    return UserError(
        f"No site folded as it should in {_MAX_TRIES} tries (seed {config.seed}, motif "
        f"{config.motif!r}, context {config.context!r}, gc {config.gc}, up to "
        f"{config.max_length} nt); take shorter sites, a motif of other letters or of "
        "more information, a gc nearer to 0.5, or the other context."
    )
