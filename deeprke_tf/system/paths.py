"""Paths as the Python interface takes them."""

import os
from pathlib import Path
from typing import TypeAlias

PathLike: TypeAlias = str | os.PathLike[str]


def optional_path(path: PathLike | None) -> Path | None:
    """Returns a path, if there is one."""
    return None if path is None else Path(path)
