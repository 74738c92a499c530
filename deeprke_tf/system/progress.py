"""Progress of long work on standard error, with a rate and the time left."""

import sys

from tqdm import tqdm

_SECONDS_BETWEEN_LINES_IN_A_LOG = 15.0


def progress_bar(total: int | None, unit: str, description: str) -> tqdm:
    """Returns a bar to `update`; use it as a context manager.

    A log file gets a line now and then, not one for every step.

    Args:
      total: Steps to come, or None where that is not known.
      unit: What a step is, such as "site".
      description: What is being done.
    """
    to_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        unit=unit,
        unit_scale=total is None or total >= 100_000,
        desc=description,
        file=sys.stderr,
        mininterval=0.2 if to_terminal else _SECONDS_BETWEEN_LINES_IN_A_LOG,
        maxinterval=10.0 if to_terminal else 2 * _SECONDS_BETWEEN_LINES_IN_A_LOG,
        dynamic_ncols=to_terminal,
        leave=True,
    )
