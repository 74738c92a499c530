"""Errors that a user can mend: shown as one line, without a traceback."""


class UserError(Exception):
    """Something given to a command is wrong; the message says what to do about it.

    Commands print it as `deeprke <command>: error: <message>` and end with status 1.
    Any other exception is a defect of this package and keeps its traceback.
    """
