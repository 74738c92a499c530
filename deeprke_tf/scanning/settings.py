"""The settings of a scan: windows, and how they are called."""

import dataclasses
from pathlib import Path

from deeprke_tf.errors import UserError, require_positive
from deeprke_tf.runs.predictor import target_of


@dataclasses.dataclass(frozen=True)
class ScanSettings:
    """How RNAs are cut into windows, and which windows are called.

    `deeprke_tf.api.Run.scan` has them as arguments, and describes them.

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
