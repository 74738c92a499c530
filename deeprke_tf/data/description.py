"""`dataset.json`: contents and origin of a directory of record shards."""

import dataclasses
import glob
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeprke_tf import config
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.data.records import FORMAT_VERSION, SPLITS
from deeprke_tf.errors import UserError
from deeprke_tf.system.directories import Kind
from deeprke_tf.system.files import written_aside
from deeprke_tf.system.messages import counted

FILE_NAME = "dataset.json"
SKIPPED = "skipped.tsv"
DATASET = Kind("dataset", FILE_NAME, r".*\.tfrecord\.gz|skipped\.tsv")


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of a dataset.

    Attributes:
      n_sites: Sites in all its shards.
      n_positive: Bound sites among them.
      longest_site: Length of its longest site, nucleotides.
      shards: Name (`file`), `sha256` and `n_sites` of each shard.
    """

    n_sites: int
    n_positive: int
    longest_site: int
    shards: list[dict[str, Any]]


@dataclasses.dataclass(frozen=True, repr=False)
class Dataset:
    """A preprocessed dataset: a directory of record shards and its `dataset.json`.

    Attributes:
      directory: Where the shards lie.
      encoding: What the k-mer ids mean.
      splits: The splits by name: "train", "validation", "test", as far as it has them.
      contents: The whole of `dataset.json`.
      sha256: Digest of `dataset.json`; it covers the shards' digests.
      n_folded: Sequences that were folded to make the dataset, the others being in the
        fold cache; None for a dataset read from disk.
    """

    directory: Path
    encoding: Encoding
    splits: dict[str, Split]
    contents: dict[str, Any]
    sha256: str
    n_folded: int | None = dataclasses.field(default=None, compare=False)

    def __repr__(self) -> str:
        splits = ", ".join(
            f"{name} {counted(split.n_sites, 'site')} ({split.n_positive:,} bound)"
            for name, split in self.splits.items()
        )
        views = "" if self.has_structure else ", no structure"
        return f"<Dataset {self.directory}: {splits}; k = {self.encoding.k}{views}>"

    @property
    def has_structure(self) -> bool:
        """Whether the records also hold the structure view."""
        return self.contents.get("structure", True)

    def split(self, name: str) -> Split:
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

    def require_views(self, views: Sequence[str]) -> None:
        """Refuses to read a view that the records do not hold.

        Args:
          views: "sequence_kmers", "structure_kmers".

        Raises:
          UserError: Structure is asked for, and the dataset was made without it.
        """
        if "structure_kmers" in views and not self.has_structure:
            raise UserError(
                f"{self.directory} holds no structures, and the model reads them; run "
                "`deeprke preprocess` again without --no-structure, or use a model "
                "without structure, such as preset deeprke-no-structure."
            )

    def require_encoding(self, expected: Encoding, views: Sequence[str]) -> None:
        """Refuses data whose k-mer ids have another meaning than a model's own.

        Args:
          expected: The encoding of the model's training data.
          views: Features that the model reads; how structure is made does not matter
            to a model that does not read it.

        Raises:
          UserError: A view is missing, or k, an alphabet or a fold setting differs;
            the message names it.
        """
        self.require_views(views)
        found = _settings(self.encoding, views)
        for name, wanted in _settings(expected, views).items():
            if found[name] != wanted:
                raise UserError(
                    f"{self.directory} was preprocessed with {name} {found[name]}, but "
                    f"the model was trained with {wanted}; run `deeprke preprocess` "
                    "with the model's settings."
                )


def _settings(encoding: Encoding, views: Sequence[str]) -> dict[str, Any]:
    """Returns the settings of an encoding that matter to some views, by name."""
    if "structure_kmers" not in views:
        return {"k": encoding.k, "sequence_alphabet": encoding.sequence_alphabet}
    settings = dataclasses.asdict(encoding)
    fold = settings.pop("fold")
    return settings | fold


def write(directory: Path, contents: dict[str, Any]) -> None:
    """Writes `dataset.json`, the last file of a dataset: it marks a complete one."""
    with written_aside(Path(directory) / FILE_NAME) as file:
        file.write(as_text(contents))


def as_text(contents: dict[str, Any]) -> str:
    """Returns the text of `dataset.json`."""
    described = {"format_version": FORMAT_VERSION, **contents}
    return json.dumps(described, indent=2) + "\n"


def read(directory: Path) -> Dataset:
    """Reads the `dataset.json` of a directory of shards.

    Raises:
      UserError: There is none, it is damaged, or of another format version.
    """
    path = Path(directory) / FILE_NAME
    try:
        text = path.read_bytes()
        contents = json.loads(text)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{directory} has no {FILE_NAME}; make it with `deeprke preprocess`."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"Cannot read {path}: {error}.") from error
    version = contents.get("format_version") if isinstance(contents, dict) else None
    if version != FORMAT_VERSION:
        raise UserError(
            f"{path} has format version {version}, this software reads "
            f"{FORMAT_VERSION}; run `deeprke preprocess` again."
        )
    try:
        return Dataset(
            Path(directory),
            config.from_dict(Encoding, contents["encoding"], f"{path}: encoding"),
            {
                name: _checked(Split(**contents["splits"][name]))
                for name in SPLITS
                if name in contents["splits"]
            },
            contents,
            hashlib.sha256(text).hexdigest(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is not a dataset description ({error}); run `deeprke preprocess` "
            "again."
        ) from error


def find(given: Sequence[Path]) -> list[Path]:
    """Returns the datasets that paths and patterns name, each once.

    Args:
      given: Dataset directories, and patterns such as `tfrecords/*`, whose matches
        without a dataset are ignored.

    Raises:
      UserError: A directory holds no dataset, a pattern matches none, or none is named.
    """
    if not given:
        raise UserError("`data` names no dataset; give a directory or a pattern.")
    found: dict[Path, None] = {}
    for path in given:
        if not is_pattern(path):
            read(path)
            found[path] = None
            continue
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))
        datasets = [m for m in matches if (m / FILE_NAME).is_file()]
        if not datasets:
            raise UserError(
                f"No dataset matches {path}: {len(matches)} paths do, none with a "
                f"{FILE_NAME}; make some with `deeprke preprocess`."
            )
        found |= dict.fromkeys(datasets)
    return list(found)


def is_pattern(path: Path) -> bool:
    """Tells whether a path is a glob pattern; an existing path never is."""
    return not path.exists() and any(letter in str(path) for letter in "*?[")


def _checked(split: Split) -> Split:
    """Returns a split whose shards are described and hold the sites it has."""
    n_sites = sum(shard["n_sites"] for shard in split.shards)
    if any(shard["n_sites"] < 0 for shard in split.shards):
        raise ValueError("a shard of less than no sites")
    if n_sites != split.n_sites:
        raise ValueError(f"{split.n_sites} sites, but {n_sites} in the shards")
    if not 0 <= split.n_positive <= n_sites:
        raise ValueError(f"{split.n_positive} of {n_sites} sites are bound")
    for shard in split.shards:
        if not isinstance(shard["file"], str) or not isinstance(shard["sha256"], str):
            raise TypeError(f"shard {shard}")
    return split
