"""Settings of scored variants: defaults and flags in one place."""

import dataclasses
from typing import Annotated, Literal

from deeprke_tf.config import Between, Count, OptionalCount, Seed, check


@dataclasses.dataclass(frozen=True)
class VariantSettings:
    """Windows of variants, and what they are compared with."""

    window: Annotated[int | None, Between(1, 10**9)] = None
    """Length of a window in nucleotides; by default the length of the longest training
    site."""
    windows: Literal["center", "all"] = "center"
    """Score the window with the variant in its middle, or all that cover it as well."""
    transcripts: bool = False
    """Read variants in exons on the spliced canonical transcript of their gene."""
    background: OptionalCount = 0
    """Random variants of each kind, for an empirical p-value; 0: none."""
    seed: Seed = 1
    """Seed of the random variants."""
    plot: tuple[str, ...] = ()
    """Names of variants to draw: what the model reads in both alleles, and how they
    fold."""
    batch_size: Count = 256
    """Windows scored at once."""

    def __post_init__(self):
        check(self)
