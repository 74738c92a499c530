r"""Extraction: peaks and a genome become labelled sites.

python -m deeprke_tf.extract --peaks peaks.bed --genome hg38.fa.gz --out sites/QKI
python -m deeprke_tf.extract --peaks rep1.bed rep2.bed --in-at-least 2 \
    --genome hg38.2bit --gtf gencode.gtf.gz --transcripts --out sites/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from deeprke_tf import cli
from deeprke_tf.genome.settings import (
    BackgroundSettings,
    PeakSettings,
    SplitSettings,
    WindowSettings,
)


@dataclasses.dataclass(frozen=True)
class ExtractFlags:
    """Cuts labelled sites around CLIP peaks out of a genome.

    The table `sites.tsv` goes to `preprocess --sites` and `audit --sites` as it is.
    Peaks that do not become sites are listed in `skipped.tsv` with their reason. How
    well the background matches is in `matching.tsv` and `matching.png`.
    """

    peaks: tuple[Path, ...]
    """Peaks: BED with 3 to 12 columns, narrowPeak or broadPeak, plain or gzip."""
    genome: Path
    """Genome: FASTA (plain, gzip or bgzip) or UCSC 2bit."""
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
    overwrite: bool = False
    """Replace an extraction that --out already holds."""


def extract(flags: ExtractFlags) -> None:
    """Makes the extraction that the flags ask for, and prints a summary."""
    from deeprke_tf import api

    arguments = {
        field.name: getattr(flags, field.name) for field in dataclasses.fields(flags)
    }
    for part in ("peak_settings", "windows", "background_settings", "splits"):
        settings = arguments.pop(part)
        arguments |= {
            field.name: getattr(settings, field.name)
            for field in dataclasses.fields(settings)
        }
    found = api.extract_sites(**arguments, progress=True)
    print(found.summary())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("extract", ExtractFlags, extract, argv)


if __name__ == "__main__":
    sys.exit(main())
