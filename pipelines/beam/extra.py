"""Apache Beam is an extra: what can be told without it."""

import importlib.util
import logging
import sys
from collections.abc import Sequence

from deeprke_tf.errors import UserError


def import_beam(runner: str) -> None:
    """Imports Beam, without what it says of extras of its own that are not there.

    Raises:
      UserError: It is not installed.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            f"--runner {runner} needs Apache Beam, which is not installed: "
            "pip install 'deeprke_tf[beam]'"
        )
    logging.disable(logging.WARNING)
    try:
        import apache_beam  # noqa: F401
    finally:
        logging.disable(logging.NOTSET)


def is_given(flag: str, argv: Sequence[str] | None) -> bool:
    """Tells whether a flag is among arguments; those of the process if None.

    >>> is_given("--runner", ["--runner=DirectRunner"])
    True
    """
    arguments = sys.argv[1:] if argv is None else argv
    return any(argument.partition("=")[0] == flag for argument in arguments)
