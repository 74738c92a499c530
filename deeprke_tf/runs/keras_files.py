"""Network files of a newer Keras, which the installed one would refuse.

Python 3.10 has Keras 3.12. Later ones write settings that it does not know, also where
they are left out: as None.
"""

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CONFIG, _METADATA = "config.json", "metadata.json"
# As None they change nothing.
_NEWER = {"quantization_config", "input_axes", "output_axes"}


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Yields a path of the same network that the installed Keras can load.

    Args:
      path: Of a `.keras` file. Of one that a newer Keras wrote, a copy is made.
    """
    import keras

    with zipfile.ZipFile(path) as archive:
        written_by = json.loads(archive.read(_METADATA))["keras_version"]
        if _numbers(written_by) <= _numbers(keras.__version__):
            yield path
            return
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / path.name
            with zipfile.ZipFile(copy, "w") as copied:
                for name in archive.namelist():
                    contents = archive.read(name)
                    if name == _CONFIG:
                        contents = json.dumps(_known(json.loads(contents))).encode()
                    copied.writestr(name, contents)
            yield copy


def _numbers(version: str) -> list[int]:
    """Returns major and minor number of a version."""
    return [int(part) for part in version.split(".")[:2]]


def _known(value: Any) -> Any:
    """Returns the settings without those that are new and None."""
    if isinstance(value, dict):
        return {
            name: _known(each)
            for name, each in value.items()
            if each is not None or name not in _NEWER
        }
    return [_known(each) for each in value] if isinstance(value, list) else value
