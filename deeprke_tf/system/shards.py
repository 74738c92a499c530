"""Division of work: each of several processes takes every n-th piece."""

from collections.abc import Sequence
from typing import TypeVar

from deeprke_tf.errors import UserError

Piece = TypeVar("Piece")


def share_of(pieces: Sequence[Piece], shard: str) -> list[Piece]:
    """Returns the pieces of one process of several.

    >>> share_of(["AGO2", "FUS", "QKI"], "1/2")
    ['AGO2', 'QKI']

    Args:
      pieces: All of them, in an order that all processes agree on.
      shard: Which process of how many, such as "2/3".

    Raises:
      UserError: `shard` has another form.
    """
    number, _slash, total = shard.partition("/")
    if not (number.isdecimal() and total.isdecimal()) or not (
        1 <= int(number) <= int(total)
    ):
        raise UserError(f"shard must be such as 1/3, got {shard!r}.")
    return list(pieces[int(number) - 1 :: int(total)])
