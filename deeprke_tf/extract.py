r"""Extraction: peaks and a genome become labelled sites.

python -m deeprke_tf.extract --peaks peaks.bed --genome hg38.fa.gz --out sites/QKI
python -m deeprke_tf.extract --peaks rep1.bed rep2.bed --in-at-least 2 \
    --genome hg38.2bit --gtf gencode.gtf.gz --transcripts --out sites/QKI
"""

import dataclasses
import sys
from collections.abc import Sequence

from deeprke_tf import cli
from deeprke_tf.genome.flags import ExtractionFlags


@dataclasses.dataclass(frozen=True)
class ExtractFlags(ExtractionFlags):
    """Cuts labelled sites around CLIP peaks out of a genome.

    The table `sites.tsv` goes to `preprocess --sites` and `audit --sites` as it is.
    Peaks that do not become sites are listed in `skipped.tsv` with their reason. How
    well the background matches is in `matching.tsv` and `matching.png`.
    """

    overwrite: bool = False
    """Replace an extraction that --out already holds."""


def extract(flags: ExtractFlags) -> None:
    """Makes the extraction that the flags ask for, and prints a summary."""
    from deeprke_tf import api

    found = api.extract_sites(**flags.arguments(), progress=True)
    print(found.summary())


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status."""
    return cli.run("extract", ExtractFlags, extract, argv)


if __name__ == "__main__":
    sys.exit(main())
