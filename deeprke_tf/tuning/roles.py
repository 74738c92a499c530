"""Who this process is in a search: alone, the chief, or a worker.

KerasTuner's environment variables say so: KERASTUNER_TUNER_ID, a name of its own for
each process, with "chief" in that of the chief; KERASTUNER_ORACLE_IP and
KERASTUNER_ORACLE_PORT, where the chief listens.
"""

import os

from deeprke_tf.errors import UserError

_IP, _PORT = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
_TUNER_ID = "KERASTUNER_TUNER_ID"


def worker_name() -> str:
    """Returns the name of this process."""
    return os.environ.get(_TUNER_ID, "tuner0")


def role() -> str:
    """Returns "alone", "chief" or "worker".

    Raises:
      UserError: Only some of the variables are set.
    """
    if _IP not in os.environ and _PORT not in os.environ:
        return "alone"
    missing = [name for name in (_IP, _PORT, _TUNER_ID) if not os.environ.get(name)]
    if missing:
        raise UserError(
            f"For a search among several processes set {_IP}, {_PORT} and {_TUNER_ID}; "
            f"{' and '.join(missing)} is missing. For one alone set none."
        )
    return "chief" if "chief" in worker_name() else "worker"  # KerasTuner's own rule


def address() -> str:
    """Returns where the chief listens."""
    return f"{os.environ[_IP]}:{os.environ[_PORT]}"
