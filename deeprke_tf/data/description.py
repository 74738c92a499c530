"""`dataset.json`: what a directory of record shards holds, and where it came from."""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from deeprke_tf import config
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.records import FORMAT_VERSION, SPLITS
from deeprke_tf.errors import UserError
from deeprke_tf.system.directories import Kind

FILE_NAME = "dataset.json"
SKIPPED = "skipped.tsv"
DATASET = Kind("dataset", FILE_NAME, r".*\.tfrecord\.gz|skipped\.tsv")


@dataclasses.dataclass(frozen=True)
class SplitInfo:
    """One split, as its readers need it.

    Attributes:
      n_sites: Sites in all its shards.
      n_positive: Bound ones among them.
      longest_site: Length of its longest site, nucleotides.
      shards: Name, SHA-256 and number of sites of each shard.
    """

    n_sites: int
    n_positive: int
    longest_site: int
    shards: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says.

    Attributes:
      directory: Where the shards lie.
      encoding: What the k-mer ids mean.
      splits: The splits there are, by name.
      contents: The file, whole.
    """

    directory: Path
    encoding: Encoding
    splits: dict[str, SplitInfo]
    contents: dict[str, Any]

    def split(self, name: str) -> SplitInfo:
        """Returns one split.

        Raises:
          UserError: The dataset has no such split.
        """
        if name not in self.splits:
            raise UserError(
                f"{self.directory} has no {name!r} split; it has: "
                f"{', '.join(self.splits)}."
            )
        return self.splits[name]


def write(directory: Path, contents: dict[str, Any]) -> None:
    """Writes `dataset.json`, the last file of a dataset: it marks a whole one."""
    path = Path(directory) / FILE_NAME
    partial = path.with_name(f"{FILE_NAME}.partial")
    partial.write_text(as_text(contents))
    os.replace(partial, path)


def as_text(contents: dict[str, Any]) -> str:
    """Returns what `dataset.json` holds."""
    described = {"format_version": FORMAT_VERSION, **contents}
    return json.dumps(described, indent=2) + "\n"


def read(directory: Path) -> DatasetInfo:
    """Reads the `dataset.json` of a directory of shards.

    Raises:
      UserError: There is none, it is damaged, or of another format version.
    """
    path = Path(directory) / FILE_NAME
    try:
        contents = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{directory} has no {FILE_NAME}; make it with `deeprke preprocess`."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error
    version = contents.get("format_version") if isinstance(contents, dict) else None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}, this software reads "
            f"{FORMAT_VERSION}; run `deeprke preprocess` again."
        )
    try:
        return DatasetInfo(
            Path(directory),
            config.from_dict(Encoding, contents["encoding"], f"{path}: encoding"),
            {
                name: _checked(SplitInfo(**contents["splits"][name]))
                for name in SPLITS
                if name in contents["splits"]
            },
            contents,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a dataset description ({error}); run `deeprke preprocess` "
            "again."
        ) from error


def _checked(split: SplitInfo) -> SplitInfo:
    """Returns a split whose shards are described and hold the sites it has."""
    n_sites = sum(shard["n_sites"] for shard in split.shards)
    if n_sites != split.n_sites:
        raise ValueError(f"{split.n_sites} sites, but {n_sites} in the shards")
    for shard in split.shards:
        if not isinstance(shard["file"], str) or not isinstance(shard["sha256"], str):
            raise TypeError(f"shard {shard}")
    return split
