"""What a workflow is asked for: all that decides its result."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from deeprke_tf import __version__
from deeprke_tf.errors import UserError
from deeprke_tf.genome.extraction_files import Inputs
from deeprke_tf.genome.settings import Settings
from deeprke_tf.system import files

MANIFEST = "workflow.json"


@dataclasses.dataclass(frozen=True)
class Request:
    """What decides the result of a workflow.

    Attributes:
      inputs: Peaks, genome and annotation.
      settings: Of the extraction.
      training: Arguments of `api.fit`.
      known: Known motifs.
    """

    inputs: Inputs
    settings: Settings
    training: dict[str, Any]
    known: Path | None = None

    def described(self) -> dict[str, Any]:
        """Returns it as JSON has it, with the SHA-256 of the inputs."""
        described = {
            "deeprke_tf": __version__,
            "inputs": self.inputs.described(self.settings.background),
            "extraction": dataclasses.asdict(self.settings),
            "training": self.training,
        }
        if self.known is not None:
            described["known_sha256"] = files.sha256(self.known)
        return json.loads(json.dumps(described, default=str))


def require_same(out: Path, asked: dict[str, Any]) -> None:
    """Refuses a directory that other settings, other inputs or other work made.

    Raises:
      UserError: It is one.
    """
    if not (out / MANIFEST).exists():
        # A first step that was interrupted has left nothing but temporary files.
        names = [path.name for path in out.iterdir()] if out.is_dir() else []
        if foreign := [name for name in names if name not in ("sites", "logs")]:
            raise UserError(
                f"`out` {out} holds {foreign[0]}, but no {MANIFEST}: this command did "
                "not make it. Name another directory."
            )
        return
    made = files.read_json(out / MANIFEST)
    if made != asked:
        raise UserError(
            f"`out` {out} was made with other {_difference(made, asked)}. Name another "
            "directory, or delete it."
        )


def _difference(made: dict[str, Any], asked: dict[str, Any]) -> str:
    """Names the first thing in which two requests differ."""
    old, new = _flat(made), _flat(asked)
    changed = (key for key in old | new if old.get(key) != new.get(key))
    name = next(changed, "an empty part")
    return f"settings or inputs ({name}: {old.get(name)}, now {new.get(name)})"


def _flat(request: Any, name: str = "") -> dict[str, Any]:
    """Returns nested values by their path.

    >>> _flat({"training": {"epochs": 2}, "inputs": [{"file": "a"}]})
    {'training.epochs': 2, 'inputs.0.file': 'a'}
    """
    if isinstance(request, list):
        request = {str(i): value for i, value in enumerate(request)}
    if not isinstance(request, dict):
        return {name: request}
    return {
        path: value
        for key, inner in request.items()
        for path, value in _flat(inner, f"{name}.{key}" if name else key).items()
    }
