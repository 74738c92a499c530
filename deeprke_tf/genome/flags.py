"""The flags that `deeprke extract` and `deeprke run` have in common."""

import dataclasses
from pathlib import Path
from typing import Any

from deeprke_tf.genome.settings import (
    BackgroundSettings,
    PeakSettings,
    SplitSettings,
    WindowSettings,
)

_PARTS = ("peak_settings", "windows", "background_settings", "splits")


@dataclasses.dataclass(frozen=True)
class ExtractionFlags:
    """What is extracted."""

    peaks: tuple[Path, ...]
    """Peaks: BED with 3 to 12 columns, narrowPeak or broadPeak, plain or gzip."""
    genome: Path
    """Genome: FASTA (plain, bgzip, gzip, bzip2 or xz) or UCSC 2bit."""
    out: Path
    """Directory to make."""
    gtf: Path | None = None
    """Annotation: GTF, GFF3 or BED12, plain or gzip."""
    blacklist: Path | None = None
    """BED; peaks that overlap it on either strand are left out."""
    peak_settings: PeakSettings = PeakSettings()
    windows: WindowSettings = WindowSettings()
    background_settings: BackgroundSettings = BackgroundSettings()
    splits: SplitSettings = SplitSettings()

    def arguments(self) -> dict[str, Any]:
        """Returns all flags as arguments of the API, which takes each setting alone."""
        arguments = dict(vars(self))
        for part in _PARTS:
            arguments |= vars(arguments.pop(part))
        return arguments
