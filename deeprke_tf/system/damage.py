"""Damaged files of this package: one line that says what to do, no traceback."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from deeprke_tf.errors import UserError

_LONGEST_CAUSE = 100  # characters


@contextlib.contextmanager
def one_line_if_damaged(directory: Path | None, remedy: str) -> Iterator[None]:
    """Names the directory of a damaged file that ends the block.

    For blocks that read many values out of files that people edit, copy in part or
    keep from another version: no list of checks would be whole.

    Args:
      directory: Where the files lie.
      remedy: What to do, such as "delete it".

    Raises:
      UserError: Something in the block is missing, or not of the right kind.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as e:
        cause = f"no {e}" if isinstance(e, KeyError) else " ".join(str(e).split())
        raise UserError(
            f"{directory} has a damaged file, or one of another version "
            f"({cause[:_LONGEST_CAUSE]}); {remedy}."
        ) from e
