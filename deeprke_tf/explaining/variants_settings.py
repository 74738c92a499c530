"""Settings of scored variants: defaults and flags in one place."""

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class VariantSettings:
    """Windows of variants, and what they are compared with."""

    window: int | None = None
    """Length of a window in nucleotides; by default the length of the longest training
    site."""
    windows: Literal["center", "all"] = "center"
    """Score the window with the variant in its middle, or all that cover it as well."""
    transcripts: bool = False
    """Read variants in exons on the spliced canonical transcript of their gene."""
    background: int = 0
    """Random variants of each kind, for an empirical p-value; 0: none."""
    seed: int = 1
    """Seed of the random variants."""
    plot: tuple[str, ...] = ()
    """Names of variants to draw: what the model reads in both alleles, and how they
    fold."""
    batch_size: int = 256
    """Windows scored at once."""
