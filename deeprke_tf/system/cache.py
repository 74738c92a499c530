"""The directory for what can be computed again, but not at once."""

import os
from pathlib import Path

import platformdirs


def cache_directory() -> Path | None:
    """Returns `$DEEPRKE_CACHE`, or the user's cache directory; it need not exist.

    None: the user has no home directory.
    """
    directory = os.environ.get("DEEPRKE_CACHE")
    if not directory:
        try:
            directory = platformdirs.user_cache_dir("deeprke")
        except RuntimeError:
            return None
    return None if directory.startswith("~") else Path(directory)
