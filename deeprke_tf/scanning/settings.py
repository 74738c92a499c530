"""The settings of a scan: windows, and how they are called."""

import dataclasses
from pathlib import Path

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.runs.predictor import target_of


@dataclasses.dataclass(frozen=True)
class ScanSettings:
    """How RNAs are cut into windows, and which windows are called.

    Attributes:
      window: Length of a window in nucleotides; None: that of the longest training
        site.
      stride: Nucleotides from one window to the next; None: a quarter of the window.
      threshold: Probability from which a window is called; None: that of the model.
      fdr: In place of a threshold: target FDR of the called sites.
      precision: In place of a threshold: 1 - `fdr`.
      recall: In place of a threshold: target recall on the validation sites.
      background: With a target FDR: FASTA of unbound RNAs, in place of shuffled RNAs
        and validation sites.
      seed: With a target FDR: seed of the shuffling.
      shuffles: With a target FDR: shuffled copies of each RNA; None: as many as make
        2,000 background windows, 1 to 100.
      prior: Fraction of bound windows, for the calibrated probability; None: that of
        the validation sites.
      calibrate: Whether to apply the calibration of the model.
      batch_size: Windows that the network scores at once.

    Raises:
      UserError: A setting is out of range, or two contradict each other.
    """

    window: int | None = None
    stride: int | None = None
    threshold: float | None = None
    fdr: float | None = None
    precision: float | None = None
    recall: float | None = None
    background: Path | None = None
    seed: int = 1
    shuffles: int | None = None
    prior: float | None = None
    calibrate: bool = True
    batch_size: int = 256

    def __post_init__(self):
        target = target_of(
            self.threshold, fdr=self.fdr, precision=self.precision, recall=self.recall
        )
        # A recall of 1 can be reached; no threshold surely calls nothing falsely.
        if target and not (0 < target[1] < 1 or target == ("recall", 1)):
            raise UserError(
                f"`{target[0]}` must be between 0 and 1, got {target[1]}; write 0.05 "
                "for 5 %."
            )
        if self.background and self.target_fdr is None:
            raise UserError("`background` is for `fdr`; give the FDR to call at.")
        require_positive(
            window=self.window,
            stride=self.stride,
            shuffles=self.shuffles,
            batch_size=self.batch_size,
        )

    @property
    def target_fdr(self) -> float | None:
        """The FDR to call at, which needs a background; None: not asked for."""
        return self.fdr if self.precision is None else 1 - self.precision
