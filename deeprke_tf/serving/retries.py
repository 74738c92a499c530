"""Retries of requests to an unreachable or busy server, for REST and gRPC.

tenacity decides when to send again. gRPC's own retry policy, in the service config of a
channel, makes at most five attempts, all under one deadline.
"""

from collections.abc import Callable
from typing import TypeVar

import tenacity

from deeprke_tf.errors import UserError

BACK_OFF = 0.5  # seconds, on average before the second try; doubles with each try
LONGEST_BACK_OFF = 30.0  # seconds

Answer = TypeVar("Answer")


class TransientError(Exception):
    """A failed request that may succeed on another try; says why it failed."""


def with_retries(send: Callable[[], Answer], url: str, tries: int) -> Answer:
    """Returns the answer of the first try that succeeds.

    Args:
      send: Sends the request once.
      url: URL of the server, for the error.
      tries: At least 1.

    Raises:
      UserError: The last try failed as well; names the cause and the number of tries.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(tries),
        wait=tenacity.wait_random_exponential(2 * BACK_OFF, LONGEST_BACK_OFF),
        retry=tenacity.retry_if_exception_type(TransientError),
        reraise=True,
    )
    try:
        return retrying(send)
    except TransientError as error:
        tried = f"; tried {tries} times" if tries > 1 else ""
        raise UserError(f"{url}{error}{tried}.") from error
