"""Errors that a user can fix: shown as one line, without a traceback."""


class UserError(Exception):
    """An input, an argument or the environment is wrong; the message says what to do.

    Commands print `deeprke <command>: error: <message>` and end with status 1. Any
    other exception is a bug in this package and keeps its traceback.
    """
