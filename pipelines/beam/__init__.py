"""Preprocessing and prediction as Apache Beam jobs.

Beam is an extra: the modules of this package import it, the package itself does not.
"""

import importlib.util
import logging
import sys
from collections.abc import Sequence

from deeprke_tf.errors import UserError


def import_beam(runner: str) -> None:
    """Imports Beam without its warnings about optional dependencies.

    Args:
      runner: Value of `--runner`, for the error.

    Raises:
      UserError: Beam is not installed.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise UserError(
            f"--runner {runner} needs Apache Beam, which is not installed: "
            "pip install 'deeprke_tf[beam]'"
        )
    logging.disable(logging.WARNING)
    try:
        importlib.import_module("apache_beam")
    finally:
        logging.disable(logging.NOTSET)


def is_given(flag: str, argv: Sequence[str] | None) -> bool:
    """Tells whether the arguments, by default of this process, hold a flag.

    >>> is_given("--runner", ["--runner=DirectRunner"])
    True
    """
    arguments = sys.argv[1:] if argv is None else argv
    return any(argument.partition("=")[0] == flag for argument in arguments)
