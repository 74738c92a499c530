"""The keys at wanted ranks of a collection too large to sort in one place.

Ranks settle which sequences are the smallest tenth, and where shards begin. Keys are
counted by the first 16 bits of their number; the counts tell which of these 65,536
parts hold a wanted rank, and only those parts are sorted. The result is exact.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import apache_beam as beam

# Begins with a whole number of 64 bits, spread evenly over them.
Key: TypeAlias = tuple[int, ...]

_PARTS = 16  # bits


class KeysAtRanks(beam.PTransform):
    """From pairs (group, key) to one pair (group, keys at the wanted ranks).

    Groups without wanted ranks do not occur in what comes out.

    Args:
      ranks: A side input: for each group, wanted ranks, ascending, from 0 and below the
        number of its keys.
    """

    def __init__(self, ranks: beam.pvalue.AsSingleton):
        super().__init__()
        self._ranks = ranks

    def expand(self, keys):
        """Builds the steps."""
        by_part = keys | "ByPart" >> beam.MapTuple(
            lambda group, key: ((group, part_of(key)), key)
        )
        wanted = (
            by_part
            | "OnePerKey" >> beam.Map(lambda pair: (pair[0], 1))
            | "CountParts" >> beam.CombinePerKey(sum)
            | "PartsOfGroup"
            >> beam.MapTuple(lambda place, n: (place[0], (place[1], n)))
            | "GroupParts" >> beam.GroupByKey()
            | "FindRanks" >> beam.FlatMap(_wanted_in_parts, self._ranks)
        )
        return (
            by_part
            | "KeepWanted" >> beam.Filter(_is_wanted, beam.pvalue.AsDict(wanted))
            | "GroupKeys" >> beam.GroupByKey()
            | "PickKeys" >> beam.Map(_picked, beam.pvalue.AsDict(wanted))
            | "KeysOfGroup" >> beam.GroupByKey()
            | "SortKeys" >> beam.MapTuple(lambda group, some: (group, _joined(some)))
        )


def part_of(key: Key) -> int:
    """Returns the part that a key lies in; parts are ordered as keys are.

    >>> [part_of((number,)) for number in (-(1 << 63), 0, (1 << 63) - 1)]
    [0, 32768, 65535]
    """
    return (key[0] + (1 << 63)) >> (64 - _PARTS)


def ranks_in_parts(
    n_keys: Mapping[int, int], ranks: Sequence[int]
) -> dict[int, list[int]]:
    """Returns which parts hold wanted ranks, and the ranks of these within the part.

    >>> ranks_in_parts({7: 10, 2: 3}, [0, 2, 3, 12])
    {2: [0, 2], 7: [0, 9]}

    Args:
      n_keys: Keys in each part that has any.
      ranks: Ascending.
    """
    found: dict[int, list[int]] = {}
    wanted = iter(ranks)
    rank = next(wanted, None)
    before = 0
    for part in sorted(n_keys):
        while rank is not None and rank < before + n_keys[part]:
            found.setdefault(part, []).append(rank - before)
            rank = next(wanted, None)
        before += n_keys[part]
    return found


def _wanted_in_parts(
    counted: tuple[Any, Iterable[tuple[int, int]]], ranks: Mapping[Any, Sequence[int]]
) -> Iterator[tuple[tuple[Any, int], list[int]]]:
    group, parts = counted
    for part, within in ranks_in_parts(dict(parts), ranks.get(group, [])).items():
        yield (group, part), within


def _is_wanted(keyed: tuple[tuple[Any, int], Key], wanted: Mapping) -> bool:
    return keyed[0] in wanted


def _picked(
    placed: tuple[tuple[Any, int], Iterable[Key]], wanted: Mapping
) -> tuple[Any, list[Key]]:
    place, keys = placed
    ordered = sorted(keys)
    return place[0], [ordered[rank] for rank in wanted[place]]


def _joined(some: Iterable[list[Key]]) -> list[Key]:
    return sorted(key for keys in some for key in keys)
