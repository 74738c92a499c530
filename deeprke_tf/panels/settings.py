"""Settings of a panel."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

from deeprke_tf.errors import UserError, require_positive

SHUFFLED, NONE = "shuffled", "none"


@dataclasses.dataclass(frozen=True)
class PanelSettings:
    """How to call and compare.

    Raises:
      UserError: A setting is out of range.
    """

    rbps: Annotated[tuple[str, ...], tyro.conf.arg(name="rbp")] = ()
    """RBPs to ask for, by default all. The FDR is then over these: choose them before
    you see the calls."""
    fdr: float = 0.1
    """Target false discovery rate of the calls, over all sites and RBPs together."""
    background: str = SHUFFLED
    """File of sites to compare with; `shuffled`: each site with its dinucleotides
    shuffled; `none`: no enrichment."""
    prior: float | None = None
    """Expected fraction of bound sites, for calibrated probabilities; by default that
    in the validation sites of each RBP. Calls do not depend on it."""
    wide: bool = False
    """Write panel.tsv with a row for each site, and the RBPs as columns."""
    seed: int = 1
    """Random seed of shuffled sites, and of the sites in the heatmap."""
    max_length: int = 5000
    """Longest site, in nucleotides; longer ones are skipped."""
    batch_size: int = 256
    """Sites scored at once."""

    def __post_init__(self) -> None:
        require_positive(max_length=self.max_length, batch_size=self.batch_size)
        if not 0 < self.fdr < 1:
            raise UserError(f"`fdr` must be in (0, 1), got {self.fdr:g}.")
        if self.prior is not None and not 0 < self.prior < 1:
            raise UserError(f"`prior` must be in (0, 1), got {self.prior:g}.")
        path = self.background_file
        if path and (path.is_dir() or not path.exists()):
            raise UserError(
                f"`background` {self.background} is no file; give one, {SHUFFLED} or "
                f"{NONE}."
            )

    @property
    def background_file(self) -> Path | None:
        """The file of background sites; None: they are made, or there are none."""
        is_file = self.background not in (SHUFFLED, NONE)
        return Path(self.background) if is_file else None
