"""Apache Beam is an extra: what can be told without it."""

import importlib.util
import sys
from collections.abc import Sequence

from deeprke_tf.errors import UserError


def require_beam(runner: str) -> None:
    """Refuses to go on where Beam is not installed.

    Raises:
      UserError: It is not.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            f"--runner {runner} needs Apache Beam, which is not installed: "
            "pip install 'deeprke_tf[beam]'"
        )


def is_given(flag: str, argv: Sequence[str] | None) -> bool:
    """Tells whether a flag is among arguments; those of the process if None.

    >>> is_given("--runner", ["--runner=DirectRunner"])
    True
    """
    arguments = sys.argv[1:] if argv is None else argv
    return any(argument.partition("=")[0] == flag for argument in arguments)
