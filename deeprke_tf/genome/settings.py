"""The settings of an extraction: which peaks, which windows, which splits."""

import dataclasses
import math
import os
import typing
from typing import Any, Literal

from deeprke_tf.errors import UserError, require_positive

Anchor = Literal["summit", "center", "start", "end"]
Overlaps = Literal["merge", "best", "keep"]
Background = Literal["none", "same-genes", "genome", "shuffled", "peaks", "bed"]

_LONGEST = 10**9  # nucleotides or peaks, more than any genome has
_LARGEST_RATIO = 1_000


def _require_choice(name: str, value: object, choices: tuple) -> None:
    if value not in choices:
        shown = ", ".join(repr(choice) for choice in choices if choice is not None)
        raise UserError(f"`{name}` must be one of {shown}, got {value!r}.")


def _require_at_most(limit: int, **values: int | None) -> None:
    """Refuses numbers that arrays of 64-bit integers, or a lifetime, cannot hold."""
    for name, value in values.items():
        if value is not None and value > limit:
            raise UserError(f"`{name}` must be at most {limit:,}, got {value}.")


def _require_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"`{name}` must be between 0 and 1, got {value}.")


@dataclasses.dataclass(frozen=True)
class PeakSettings:
    """Which peaks become sites.

    Raises:
      UserError: A setting is out of range.
    """

    strand: Literal["+", "-"] | None = None
    """Strand of peaks that have none in their file."""
    min_score: float | None = None
    """Lowest score of a peak: column 5, or the signal value (column 7) of narrowPeak
    and broadPeak."""
    max_length: int | None = None
    """Longest peak, in nucleotides."""
    in_at_least: int = 1
    """With several peak files, such as replicates: keep what peaks of at least this
    many files have in common."""
    overlaps: Overlaps = "merge"
    """Peaks that overlap: `merge` makes one of them; `best` keeps, of sites whose
    windows overlap, that of the peak with the highest score; `keep` keeps all."""
    top: int | None = None
    """Number of sites to keep, those of the peaks with the highest scores."""

    def __post_init__(self):
        require_positive(
            max_length=self.max_length, in_at_least=self.in_at_least, top=self.top
        )
        _require_at_most(
            _LONGEST,
            max_length=self.max_length,
            in_at_least=self.in_at_least,
            top=self.top,
        )
        if self.min_score is not None and math.isnan(self.min_score):
            raise UserError("`min_score` must be a number, got nan.")
        _require_choice("strand", self.strand, (None, "+", "-"))
        _require_choice("overlaps", self.overlaps, ("merge", "best", "keep"))


@dataclasses.dataclass(frozen=True)
class WindowSettings:
    """Which window is cut for a peak.

    Raises:
      UserError: A setting is out of range.
    """

    anchor: Anchor = "summit"
    """Position of the peak in the middle of its window: `summit` (the center where a
    file has none), `center`, `start` (the 5' end on its strand) or `end`."""
    window: int = 101
    """Length of a window, in nucleotides."""
    extend: tuple[int, int] | None = None
    """In place of a window of one length: nucleotides before (5') and behind (3') the
    whole peak; 0 0 is the peak itself."""
    transcripts: bool = False
    """Where a peak lies in an exon, cut its window on the spliced transcript: the
    gene's canonical one (tag MANE Select, Ensembl canonical, RefSeq Select or APPRIS
    principal), else its longest."""
    max_n: float = 0.1
    """Largest fraction of N in a window."""

    def __post_init__(self):
        require_positive(window=self.window)
        _require_choice("anchor", self.anchor, ("summit", "center", "start", "end"))
        if self.extend is not None and (len(self.extend) != 2 or min(self.extend) < 0):
            raise UserError(f"`extend` must be two lengths from 0, got {self.extend}.")
        _require_at_most(_LONGEST, window=self.window, extend=max(self.extend or (0,)))
        _require_fraction("max_n", self.max_n)


@dataclasses.dataclass(frozen=True)
class BackgroundSettings:
    """Which background sites are chosen.

    Raises:
      UserError: A setting is out of range, or files are missing or too many.
    """

    background: tuple[str, ...] = ()
    """`same-genes` (the default with an annotation): random windows of the genes that
    have peaks, in the same kinds of region. `genome` (the default without): random
    windows of their chromosomes. `shuffled`: the sites with their letters shuffled,
    dinucleotides kept. `peaks OTHER.bed ...`: sites of other RBPs. `bed FILE`: your
    own, all of them. `none`. `same-genes` and `peaks` are matched on region, GC and
    length, `genome` on GC and length."""
    ratio: int = 1
    """Background sites for each bound one."""
    gap: int = 100
    """Nucleotides that stay free between background and any peak."""
    exclude: tuple[str, ...] = ()
    """BED files of stretches, on either strand, that background must not touch."""

    def __post_init__(self):
        for name in ("background", "exclude"):
            value = getattr(self, name)
            several = [value] if isinstance(value, (str, os.PathLike)) else value
            object.__setattr__(self, name, tuple(map(str, several)))
        require_positive(ratio=self.ratio)
        if self.gap < 0:
            raise UserError(f"`gap` must not be negative, got {self.gap}.")
        _require_at_most(_LONGEST, gap=self.gap)
        _require_at_most(_LARGEST_RATIO, ratio=self.ratio)
        kind, n_files = self.kind(True), len(self.files)
        _require_choice("background", kind, typing.get_args(Background))
        if kind == "peaks" and not n_files:
            raise UserError("`background` peaks needs BED files of other RBPs.")
        if kind == "bed" and n_files != 1:
            raise UserError(f"`background` bed needs one BED file, got {n_files}.")
        if kind not in ("peaks", "bed") and n_files:
            raise UserError(
                f"`background` {kind} takes no file, got {self.files[0]}; give "
                "`background` peaks or bed for your own."
            )

    def kind(self, has_annotation: bool) -> str:
        """Returns the kind of background, given or by default."""
        if self.background:
            return self.background[0]
        return "same-genes" if has_annotation else "genome"

    @property
    def files(self) -> tuple[str, ...]:
        """BED files of `peaks` and `bed`."""
        return self.background[1:]


@dataclasses.dataclass(frozen=True)
class SplitSettings:
    """Which sites are for testing and for validation: whole chromosomes or genes.

    Raises:
      UserError: A setting is out of range, or two contradict each other.
    """

    test_chromosomes: tuple[str, ...] = ()
    """Chromosomes of the test split, such as chr8 chr9."""
    validation_chromosomes: tuple[str, ...] = ()
    """Chromosomes of the validation split."""
    test_fraction: float = 0.0
    """Approximate fraction of the sites for the test split."""
    validation_fraction: float = 0.0
    """Approximate fraction of the sites for the validation split."""
    split_by: Literal["gene", "chromosome"] = "gene"
    """What stays together where a fraction is asked for: the sites of a `gene` and all
    that overlap them, or those of a `chromosome`."""
    seed: int = 1
    """Fixes which chromosomes or genes are drawn, and the background sites."""

    def __post_init__(self):
        _require_choice("split_by", self.split_by, ("chromosome", "gene"))
        for split in ("test", "validation"):
            name = f"{split}_fraction"
            fraction = getattr(self, name)
            _require_fraction(name, fraction)
            if fraction and getattr(self, f"{split}_chromosomes"):
                raise UserError(f"Give `{name}` or `{split}_chromosomes`, not both.")
        if self.test_fraction + self.validation_fraction >= 1:
            raise UserError(
                "`test_fraction` and `validation_fraction` leave nothing for training."
            )
        if both := {*self.test_chromosomes} & {*self.validation_chromosomes}:
            raise UserError(
                f"`test_chromosomes` and `validation_chromosomes` share {min(both)}."
            )
        if self.seed < 0:
            raise UserError(f"`seed` must not be negative, got {self.seed}.")

    @property
    def are_given(self) -> bool:
        """Whether any split is asked for."""
        return any(
            (
                *(self.test_chromosomes, self.validation_chromosomes),
                *(self.test_fraction, self.validation_fraction),
            )
        )


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings of an extraction."""

    peaks: PeakSettings = PeakSettings()
    windows: WindowSettings = WindowSettings()
    background: BackgroundSettings = BackgroundSettings()
    splits: SplitSettings = SplitSettings()

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Settings":
        """Returns the settings with some given by name, whatever part has them.

        Raises:
          UserError: A name is unknown, or a value is out of range.
        """
        parts: dict[str, Any] = {}
        unknown = {*given}
        for name, kind in typing.get_type_hints(cls).items():
            names = {field.name for field in dataclasses.fields(kind)} & {*given}
            parts[name] = kind(**{one: given[one] for one in names})
            unknown -= names
        if unknown:
            raise UserError(f"`{min(unknown)}` is no argument of `extract_sites`.")
        return cls(**parts)
