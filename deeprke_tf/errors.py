"""Errors that a user can fix: shown as one line, without a traceback."""


class UserError(Exception):
    """An input, an argument or the environment is wrong; the message says what to do.

    Commands print `deeprke <command>: error: <message>` and end with status 1. Any
    other exception is a bug in this package and keeps its traceback.
    """


def require_positive(**values: int | None) -> None:
    """Refuses arguments below 1, by name; None passes.

    Raises:
      UserError: A value is below 1.
    """
    for name, value in values.items():
        if value is not None and value < 1:
            raise UserError(f"`{name}` must be at least 1, got {value}.")
