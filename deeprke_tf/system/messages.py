"""Messages of the library, shown by a command in the names of its flags."""

import contextlib
import dataclasses
import itertools
import logging
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TextIO


class _Messages(logging.Formatter):
    """Shows a message in the words of the command; a warning says that it is one."""

    def __init__(self, arguments: Mapping[str, str]):
        super().__init__()
        self._arguments = arguments

    def format(self, record: logging.LogRecord) -> str:
        text = with_dashes(super().format(record), self._arguments)
        return f"warning: {text}" if record.levelno >= logging.WARNING else text


@contextlib.contextmanager
def messages_shown(
    stream: TextIO, arguments: Mapping[str, str], verbose: bool = False
) -> Iterator[None]:
    """Prints what the library logs: messages to `stream`, warnings to standard error.

    The library itself prints nothing; its `logger.info` is for users of a command, and
    its `logger.debug` for those that ask for it with `verbose`.
    """
    handlers = [logging.StreamHandler(stream), logging.StreamHandler(sys.stderr)]
    handlers[0].addFilter(lambda record: record.levelno < logging.WARNING)
    handlers[1].setLevel(logging.WARNING)
    loggers = [logging.getLogger(name) for name in ("deeprke_tf", "pipelines")]
    levels = [logger.level for logger in loggers]
    for logger, handler in itertools.product(loggers, handlers):
        handler.setFormatter(_Messages(arguments))
        logger.setLevel(logging.DEBUG if verbose else logging.INFO)
        # Some libraries, such as Beam, make the root logger print everything.
        logger.propagate = False
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
            logger.propagate = True
            for handler in handlers:
                logger.removeHandler(handler)


def arguments_of(flags_class: type) -> dict[str, str]:
    """Returns the flag of each argument, of nested settings and subcommands too."""
    flags = {}
    hints = typing.get_type_hints(flags_class, include_extras=True)
    for field in dataclasses.fields(flags_class):
        metadata = getattr(hints[field.name], "__metadata__", ())
        named = [m.name for m in metadata if isinstance(getattr(m, "name", None), str)]
        flags[field.name] = named[0] if named else field.name.replace("_", "-")
        for nested in dataclasses_in(hints[field.name]):
            flags |= arguments_of(nested)
    return flags


def dataclasses_in(hint: Any) -> Iterator[type]:
    """Yields the dataclasses of a field: nested settings, or those of subcommands.

    Args:
      hint: Type of the field: a dataclass, a union of several, or anything else.
    """
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
    for option in typing.get_args(hint):
        yield from dataclasses_in(option)


def with_dashes(message: str, arguments: Mapping[str, str]) -> str:
    """Returns a message of the library in the words of its command.

    The library names its arguments as Python has them, in backticks.

    >>> flags = {"max_length": "max-length", "overwrite": "overwrite"}
    >>> with_dashes("`max_length` must be at least 1, got 0.", flags)
    '--max-length must be at least 1, got 0.'
    >>> with_dashes("Give `overwrite=True` to replace it.", flags)
    'Give --overwrite to replace it.'
    >>> with_dashes("Train with `structure=False`.", {"structure": "structure"})
    'Train with --no-structure.'

    Args:
      message: Text of a `UserError` or of a log record.
      arguments: Flag of each argument; other words in backticks stay.
    """

    def flag(match: re.Match[str]) -> str:
        name, value = match["name"], match["value"]
        if name not in arguments:
            return match[0]
        if value in ("False", "None"):
            return f"--no-{arguments[name]}"
        given = f" {value}" if value not in (None, "True") else ""
        return f"--{arguments[name]}{given}"

    return re.sub(r"`(?P<name>[a-z_][a-z0-9_]*)(=(?P<value>[^`]+))?`", flag, message)


def visible(text: str) -> str:
    """Escapes control characters, which a terminal would obey."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda c: repr(c[0])[1:-1], text)


def counted(n: int, noun: str) -> str:
    """Returns a number and what is counted, such as "1 site" or "2,500 sites"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
