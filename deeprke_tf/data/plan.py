"""What a preprocessing run shall do, apart from who does it."""

import dataclasses
import importlib.metadata
import platform
from pathlib import Path
from typing import Any, Literal, TypeAlias

from deeprke_tf import __version__
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.rna.structure import VIENNARNA_VERSION
from deeprke_tf.system.streams import File

ValidationGroups: TypeAlias = Literal["sequence", "overlap"]

_SMALLEST = (
    "of each class, the distinct training sequences with the smallest "
    "blake2b hashes (8 bytes, keyed with the seed); a sequence of both "
    "classes counts as bound"
)
_VALIDATION_RULES = {
    "sequence": _SMALLEST,
    "overlap": (
        f"{_SMALLEST}; sequences that share 38 letters in a row, directly or through "
        "others, stay together and go by the hash of one of them, those that are more "
        "than what is left of a class's share excepted"
    ),
}


@dataclasses.dataclass(frozen=True)
class Source:
    """One input file.

    Attributes:
      split: "train" (validation is split off it) or "test".
      path: The file; `pathlib.Path("-")` is standard input.
      label: The label of all its sites, or None where the file says it.
    """

    split: str
    path: File
    label: int | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """One preprocessing run.

    Attributes:
      sources: Input files.
      out: Directory to make; with Beam, anywhere that its filesystems reach.
      encoding: k, alphabets and fold settings.
      structure: Whether sites are folded; if not, records hold the sequence view alone.
      fold_cache: File of known folds, if not the one in the cache directory of the
        user that folds.
      validation_fraction: Share of each class's training sequences for validation.
      validation_groups: What stays together when validation is split off: the sites of
        a "sequence", or also of sequences that "overlap" (`validation_split`).
      seed: Settles the split and the order of sites.
      max_length: Longest site to fold, nucleotides.
      sites_per_shard: Most sites in a shard.
      workers: Folding processes; all cores if None.
      strict: Whether a skipped site is an error.
      overwrite: Whether a dataset at `out` is replaced.
    """

    sources: tuple[Source, ...]
    out: str
    encoding: Encoding
    structure: bool
    fold_cache: Path | None
    validation_fraction: float
    validation_groups: ValidationGroups
    seed: int
    max_length: int
    sites_per_shard: int
    workers: int | None
    strict: bool
    overwrite: bool

    def __post_init__(self):
        if not 0 < self.validation_fraction < 1:
            raise UserError(
                "validation_fraction must be between 0 and 1, got "
                f"{self.validation_fraction}."
            )
        for name in ("max_length", "sites_per_shard", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")
        if not 0 <= self.seed < 1 << 63:
            raise UserError(f"seed must be between 0 and 2^63 - 1, got {self.seed}.")
        if sum(str(source.path) == "-" for source in self.sources) > 1:
            raise UserError("Only one input can be standard input (-).")

    @property
    def has_training_sites(self) -> bool:
        """Whether any input is for training."""
        return any(source.split == "train" for source in self.sources)

    def shard_ends(self, n_sites: int) -> list[int]:
        """Returns where the shards of a split end, after a 0 where the first begins.

        They are of equal size: no device gets more than the others.

        Args:
          n_sites: Sites of the split, in the order in which they are written.
        """
        n_shards = -(-n_sites // self.sites_per_shard)
        return [n_sites * i // max(n_shards, 1) for i in range(n_shards + 1)]

    def describe(self) -> dict[str, Any]:
        """Returns the part of `dataset.json` that is known before a file is read."""
        return {
            "encoding": dataclasses.asdict(self.encoding),
            "structure": self.structure,
            "seed": self.seed,
            "validation_fraction": self.validation_fraction,
            "validation_groups": self.validation_groups,
            "validation_rule": _VALIDATION_RULES[self.validation_groups],
            "max_length": self.max_length,
            "versions": {
                "deeprke_tf": __version__,
                "viennarna": VIENNARNA_VERSION,
                "numpy": importlib.metadata.version("numpy"),
                "python": platform.python_version(),
            },
        }
