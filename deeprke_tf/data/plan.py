"""The settings of a preprocessing run, the same for every runner."""

import dataclasses
import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

from deeprke_tf import __version__
from deeprke_tf.config import FoldSettings
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.rna.structure import VIENNARNA_VERSION
from deeprke_tf.system.streams import File

ValidationGroups: TypeAlias = Literal["sequence", "overlap"]
Named: TypeAlias = str | os.PathLike[str] | None

_VALIDATION_RULES = {
    "sequence": (
        "training sequences whose validation hash (the first 63 bits of blake2b, 16 "
        "bytes, keyed with the seed) is in the lowest validation_fraction of its range"
    ),
    "overlap": (
        "sequences that share 38 letters in a row, directly or through others, stay "
        "together: where the validation hash (the first 63 bits of blake2b, 16 bytes, "
        "keyed with the seed) of the first in order is in the lowest "
        "validation_fraction of its range, unless they are several and more than "
        "validation_fraction of the sites of a class"
    ),
}
BY_COLUMN = "the column `split` of the sites tables decides"


@dataclasses.dataclass(frozen=True)
class Source:
    """One input file.

    Attributes:
      split: "train" (validation is split off it) or "test".
      path: The file; `pathlib.Path("-")` is standard input.
      label: The label of all its sites; None: the file holds the labels.
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
      fold_cache: File of known folds; None: the one in the cache directory of the user
        that folds.
      validation_fraction: Fraction of the training sequences for validation, about.
      validation_groups: What stays together when validation is split off: the sites of
        a "sequence", or also of sequences that "overlap" (module `overlap`).
      seed: Fixes the split and the order of sites (module `partition`).
      max_length: Longest site to use, nucleotides.
      sites_per_shard: Sites in a shard, about.
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
                "`validation_fraction` must be between 0 and 1, got "
                f"{self.validation_fraction}."
            )
        require_positive(
            max_length=self.max_length,
            sites_per_shard=self.sites_per_shard,
            workers=self.workers,
        )
        if self.validation_groups not in _VALIDATION_RULES:
            raise UserError(
                f"`validation_groups` must be {' or '.join(_VALIDATION_RULES)}, got "
                f"{self.validation_groups!r}."
            )
        if not 0 <= self.seed < 1 << 63:
            raise UserError(f"`seed` must be between 0 and 2^63 - 1, got {self.seed}.")
        if sum(str(source.path) == "-" for source in self.sources) > 1:
            raise UserError("Only one input can be standard input (-).")

    @property
    def has_training_sites(self) -> bool:
        """Whether any input is for training."""
        return any(source.split == "train" for source in self.sources)

    def describe(self, by_column: bool) -> dict[str, Any]:
        """Returns the settings as `dataset.json` has them.

        Args:
          by_column: Whether the column `split` of tables splits the sites.
        """
        settings = {
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
        if by_column:
            settings |= {"validation_fraction": None, "validation_groups": None}
            settings["validation_rule"] = BY_COLUMN
        return settings


def plan_of(
    find: Callable[[str], Sequence[File]],
    *,
    sites: Named,
    positives: Named,
    negatives: Named,
    test: Named,
    test_positives: Named,
    test_negatives: Named,
    k: int,
    fold: FoldSettings,
    **settings: Any,
) -> Plan:
    """Checks the arguments of `preprocess` against each other.

    Args:
      find: Finds the files of a name.
      sites: This and the others are as of `preprocessing.preprocess`.
      positives: Bound training sites.
      negatives: Background training sites.
      test: Labelled test sites.
      test_positives: Bound test sites.
      test_negatives: Background test sites.
      k: Letters in a k-mer.
      fold: How to fold.
      **settings: Other fields of `Plan`.

    Raises:
      UserError: No input, or half of a pair.
    """
    train = _sources("train", sites, positives, negatives, find)
    test_sources = _sources("test", test, test_positives, test_negatives, find)
    if not train and not test_sources:
        raise UserError(
            "No input: give `sites`, or `positives` and `negatives` (for a dataset to "
            "test on alone: `test`)."
        )
    encoding = Encoding(k=k, fold=fold)
    return Plan(sources=(*train, *test_sources), encoding=encoding, **settings)


def _sources(
    split: str,
    sites: Named,
    positives: Named,
    negatives: Named,
    find: Callable[[str], Sequence[File]],
) -> list[Source]:
    """Returns the input files of a split: labelled ones, or a pair."""
    prefix = "test_" if split == "test" else ""
    labelled = "test" if split == "test" else "sites"
    if sites and (positives or negatives):
        raise UserError(
            f"Give `{labelled}` or the pair `{prefix}positives` and "
            f"`{prefix}negatives`, not both."
        )
    if bool(positives) != bool(negatives):
        raise UserError(
            f"`{prefix}positives` and `{prefix}negatives` go together; one is missing."
        )
    return [
        Source(split, file, label)
        for name, label in ((sites, None), (positives, 1), (negatives, 0))
        if name
        for file in find(os.fspath(name))
    ]
