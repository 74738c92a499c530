"""Shuffled RNAs with all dinucleotide counts kept, the background of a scan.

The method of Altschul and Erickson, Mol Biol Evol 2, 526 (1985): a sequence is a walk
along edges from each letter to the next, and any other walk along the same edges has
the same dinucleotides. Each such walk is as likely as any other.
"""

import itertools
import random
import re
from collections.abc import Mapping

_KNOWN_STRETCH = re.compile("[^N]+")


def shuffle_dinucleotides(sequence: str, rng: random.Random) -> str:
    """Shuffles an RNA with all its dinucleotide counts, and so its letter counts, kept.

    Each stretch between two runs of N is shuffled by itself; the runs stay in place.

    >>> shuffle_dinucleotides("NNACGUACGGUCANN", random.Random(2))
    'NNACGUCACGGUANN'

    Args:
      sequence: RNA letters.
      rng: Source of random numbers.
    """
    return _KNOWN_STRETCH.sub(lambda match: _shuffled(match[0], rng), sequence)


def _shuffled(letters: str, rng: random.Random) -> str:
    """Draws another walk along the edges of a stretch without N."""
    followers: dict[str, list[str]] = {}
    for letter, follower in itertools.pairwise(letters):
        followers.setdefault(letter, []).append(follower)
    last = letters[-1]
    exits = _last_exits(followers, last, rng)
    for letter, of_letter in followers.items():
        # The walk takes followers from the end of the list: the last exit comes first.
        if letter != last:
            of_letter.remove(exits[letter])
        rng.shuffle(of_letter)
        if letter != last:
            of_letter.insert(0, exits[letter])
    walk = [letters[0]]
    for _ in range(len(letters) - 1):
        walk.append(followers[walk[-1]].pop())
    return "".join(walk)


def _last_exits(
    followers: Mapping[str, list[str]], last: str, rng: random.Random
) -> dict[str, str]:
    """Draws the last outgoing edge of each letter.

    They must lead to the last letter from everywhere, or the walk would end before it
    has taken all edges. Drawing until they do makes all walks equally likely.
    """
    letters = sorted(set(followers) - {last})
    while True:
        exits = {letter: rng.choice(followers[letter]) for letter in letters}
        if all(_leads_to(last, letter, exits) for letter in letters):
            return exits


def _leads_to(last: str, letter: str, exits: Mapping[str, str]) -> bool:
    for _ in exits:
        letter = exits.get(letter, last)
    return letter == last
