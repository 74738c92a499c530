"""Progress of long work: a bar on standard error, nothing, or a callback of the user.

Long work takes a `Progress`: it is called once for each stage of the work and returns
a bar to `update` with the number of steps just done.
"""

import contextlib
import sys
from collections.abc import Callable
from typing import Protocol, TypeAlias

from tqdm import tqdm

_SECONDS_BETWEEN_LINES_IN_A_LOG = 15.0


class Bar(Protocol):
    """One stage of the work, as `tqdm` shows it."""

    def update(self, n: float = 1) -> object:
        """Counts steps that are done."""


# From the number of steps (None: not known), the unit and a description to a bar.
Progress: TypeAlias = Callable[
    [int | None, str, str], contextlib.AbstractContextManager[Bar]
]


def progress_bar(total: int | None, unit: str, description: str) -> tqdm:
    """Returns a bar on standard error, with a rate and the time left.

    A log file gets a line every 15 seconds.

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


class _NoBar:
    def update(self, n: float = 1) -> None:
        """Counts nothing."""


def no_progress(
    _total: int | None, _unit: str, _description: str
) -> contextlib.AbstractContextManager[Bar]:
    """Shows nothing."""
    return contextlib.nullcontext(_NoBar())


def as_progress(progress: bool | Progress) -> Progress:
    """Returns a `Progress`: True is a bar on standard error, False shows nothing."""
    if callable(progress):
        return progress
    return progress_bar if progress else no_progress
