"""Processes and devices of a workflow."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Machine:
    """How the work is done; none of it changes a result."""

    workers: int | None = None
    """Folding processes; all cores if not given."""
    fold_cache: Path | None = None
    """File of known folds, if not the one in the user's cache directory."""
    devices: int | None = None
    """Number of GPUs, by default all; without a GPU, number of logical CPU devices."""
