"""NumPy arrays by name in one compressed file."""

import zipfile
from pathlib import Path

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.system import files


def write_arrays(arrays: dict[str, np.ndarray], path: Path) -> None:
    """Writes arrays by name to an `.npz` file, aside until it is whole."""
    with files.bytes_written_aside(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads a file of `write_arrays`.

    Raises:
      UserError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error
