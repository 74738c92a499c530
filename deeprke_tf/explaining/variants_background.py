"""What random variants do: the null distribution of an empirical p-value.

A random variant has the change of a given one: of a single letter the same REF and ALT
and, where the RNAs have enough such places, the same neighbors on both sides; else an
insertion, deletion or replacement of as many letters, of which new ones are copied from
a random place. Its position is random in the stretches (genes, transcripts, regions)
that the given variants lie in. All variants of one change share their random ones.
"""

import dataclasses
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from deeprke_tf.explaining.variants_alleles import Change, Template
from deeprke_tf.explaining.variants_places import Home, Place

CONTEXT, REF_ONLY, LENGTH = MATCHED = (
    "REF, ALT and neighbors",
    "REF and ALT",
    "length",
)

# Of a single letter: the letter before, REF, the letter behind, ALT; else the lengths
# of REF and ALT.
Kind = tuple[str, str, str, str] | tuple[int, int]
_Spot = tuple[Template, int]

# Of 64 contexts the rarest, with CG, is one place in some hundred.
_DRAWS_EACH = 400
_LEAST_DRAWS = 20_000
_LETTERS = frozenset("ACGT")


def kind_of(change: Change) -> Kind:
    """Returns what a random variant must have in common with a change."""
    template, start, ref, alt = change
    if len(ref) != 1 or len(alt) != 1:
        return len(ref), len(alt)
    before = template.letters(start - 1, start) if start else ""
    end = min(start + 2, template.n_nucleotides)
    return before, ref, template.letters(start + 1, end), alt


@dataclasses.dataclass
class Wanted:
    """What random variants are needed, collected from the given ones.

    Attributes:
      kinds: Kinds of change, in the order they came.
      homes: Stretches to draw from, by name.
    """

    kinds: dict[Kind, None] = dataclasses.field(default_factory=dict)
    homes: dict[str, Home] = dataclasses.field(default_factory=dict)

    def add(self, place: Place) -> None:
        """Adds a given variant."""
        self.kinds.setdefault(kind_of(place.change))
        self.homes.setdefault(place.home.name, place.home)

    def draw(
        self, n: int, seed: int
    ) -> tuple[dict[Kind, list[Change]], dict[Kind, str]]:
        """Draws up to `n` random variants of each kind; fewer where the RNAs are short.

        Returns:
          The variants of each kind, and what they have in common with it, one of
          `MATCHED`.
        """
        rng = random.Random(seed)
        spots = _Spots(list(self.homes.values()), rng)
        single = [kind for kind in self.kinds if len(kind) == 4]
        by_context = spots.by_context({kind[:3] for kind in single}, n)
        by_letter: dict[str, list[_Spot]] = defaultdict(list)
        for context in sorted(by_context):
            by_letter[context[1]] += by_context[context]
        drawn: dict[Kind, list[Change]] = {}
        matched: dict[Kind, str] = {}
        for kind in self.kinds:
            if len(kind) == 4:
                found, matched[kind] = by_context[kind[:3]][:n], CONTEXT
                if len(found) < n:
                    others = by_letter[kind[1]]
                    found = rng.sample(others, min(n, len(others)))
                    matched[kind] = REF_ONLY
                drawn[kind] = [Change(*spot, kind[1], kind[3]) for spot in found]
            else:
                drawn[kind], matched[kind] = spots.of_length(*kind, n), LENGTH
        return drawn, matched


class _Spots:
    """Random places of stretches.

    Args:
      homes: The stretches.
      rng: Source of randomness.
    """

    def __init__(self, homes: list[Home], rng: random.Random):
        self._homes, self._rng = homes, rng
        self._ends = np.cumsum([home.end - home.start for home in homes])

    def _some(self, n: int) -> Iterator[tuple[Home, int]]:
        """Yields places, uniform over all stretches."""
        places = [self._rng.randrange(int(self._ends[-1])) for _ in range(n)]
        for place, number in zip(
            places, np.searchsorted(self._ends, places, side="right"), strict=True
        ):
            home = self._homes[number]
            yield home, int(home.end - (self._ends[number] - place))

    def by_context(
        self, contexts: set[tuple[str, str, str]], n: int
    ) -> dict[tuple[str, str, str], list[_Spot]]:
        """Returns different places by their letter and its neighbors.

        Drawing ends when each of `contexts` has `n`, or does not seem to be there.
        """
        found: dict[tuple[str, str, str], list[_Spot]] = defaultdict(list)
        seen: set[tuple[str, int]] = set()
        lacking = {context for context in contexts if "" not in context}
        n_left = (_LEAST_DRAWS + _DRAWS_EACH * n) if contexts else 0
        while n_left > 0 and lacking:
            n_left -= _LEAST_DRAWS
            for home, position in self._some(_LEAST_DRAWS):
                if (home.name, position) in seen:
                    continue
                seen.add((home.name, position))
                start = max(0, position - 1)
                end = min(position + 2, home.template.n_nucleotides)
                letters = home.template.letters(start, end)
                if len(letters) == 3 and _LETTERS.issuperset(letters):
                    found[letters[0], letters[1], letters[2]].append(
                        (home.template, position)
                    )
            lacking = {context for context in lacking if len(found[context]) < n}
        return found

    def of_length(self, n_ref: int, n_alt: int, n: int) -> list[Change]:
        """Returns random replacements of some letters by others, different places."""
        found: dict[tuple[str, int], Change] = {}
        for home, position in self._some(10 * n):
            ref = self._letters(home, position, n_ref)
            if ref and (home.name, position) not in found and len(found) < n:
                if n_ref == n_alt:
                    alt = self._anywhere(n_alt)
                else:
                    # One letter stays, as in VCF.
                    alt = ref[0] + (self._anywhere(n_alt - 1) if n_alt > 1 else "")
                if alt and len(alt) == n_alt and alt != ref:
                    change = Change(home.template, position, ref, alt)
                    found[home.name, position] = change
        return list(found.values())

    def _anywhere(self, n: int) -> str:
        ((home, position),) = self._some(1)
        return self._letters(home, position, n)

    def _letters(self, home: Home, position: int, n: int) -> str:
        """Returns letters from a position on; none where they are not in the RNA."""
        if position + n > home.template.n_nucleotides:
            return ""
        letters = home.template.letters(position, position + n)
        return letters if _LETTERS.issuperset(letters) else ""


class Null:
    """Absolute differences of random variants, by kind.

    Args:
      deltas: Of the random variants of each kind.
    """

    def __init__(self, deltas: Mapping[Kind, Iterable[float]]):
        self._sorted = {
            kind: np.sort(np.abs(np.array(list(values), float)))
            for kind, values in deltas.items()
        }

    def p_value(self, change: Change, delta: float) -> tuple[float, int]:
        """Returns how rare a difference is among random variants, and their number.

        >>> template = Template(3, "ACA".__getitem__)
        >>> null = Null({(1, 3): [0.5, -2.0, 0.1]})
        >>> null.p_value(Change(template, 0, "A", "ACC"), -1.0)
        (0.5, 3)

        Returns:
          (1 + number at least as large in absolute value) / (1 + number), two-sided;
          NaN without any.
        """
        values = self._sorted.get(kind_of(change), np.zeros(0))
        if not len(values):
            return float("nan"), 0
        # Equal windows score equal only up to the rounding of their batches.
        n_larger = len(values) - np.searchsorted(values, abs(delta) * (1 - 1e-6))
        return float((1 + n_larger) / (1 + len(values))), len(values)
