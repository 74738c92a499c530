"""Settings and interface of the REST and gRPC clients."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from deeprke_tf.errors import UserError
from deeprke_tf.serving.answers import Inputs

LONGEST_TIMEOUT = 86_400  # seconds; the system's clocks end at some 300 years
MOST_REQUESTS_AT_ONCE = 1_000  # each has a thread and a connection


@dataclasses.dataclass(frozen=True)
class RequestSettings:
    """Requests to a server."""

    timeout: float = 60.0
    """Seconds to wait for a whole answer of --server."""
    tries: int = 5
    """Attempts for a request while the server is away or busy, with growing pauses."""
    requests_at_once: int = 4
    """Requests in flight at the same time."""

    def __post_init__(self):
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            raise UserError(
                "`timeout` must be above 0 seconds and at most a day "
                f"({LONGEST_TIMEOUT:,}), got {self.timeout:g}."
            )
        if self.tries < 1:
            raise UserError("`tries` must be at least 1.")
        if not 1 <= self.requests_at_once <= MOST_REQUESTS_AT_ONCE:
            raise UserError(
                f"`requests_at_once` must be between 1 and {MOST_REQUESTS_AT_ONCE:,}, "
                f"got {self.requests_at_once}."
            )


class Client(Protocol):
    """A served model over one protocol; safe to use from several threads.

    Its methods raise a `UserError` that quotes the server.
    """

    def describe(self) -> tuple[int, Any]:
        """Returns the version, used from here on, and the signatures by name.

        Signatures are SignatureDef messages as JSON.
        """

    def ask(
        self, inputs: Inputs, outputs: Sequence[str], n_rbps: int = 1
    ) -> dict[str, Any]:
        """Returns the named outputs for a batch, as nested lists."""

    def ask_names(self) -> Any:
        """Returns the names of the RBPs of a joint model, in a list of one list."""

    def close(self) -> None:
        """Closes all connections."""
