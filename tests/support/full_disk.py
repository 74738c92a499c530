"""A disk that is full, as this process sees it: no file may get longer."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full_disk(n_bytes: int) -> Iterator[None]:
    """Lets no file of this process grow beyond some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
