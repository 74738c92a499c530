"""Track files for genome browsers: BED, bedGraph and bigWig.

Positions count from 0, ends are exclusive. UCSC, IGV and bedtools skip lines that begin
with `#` or `track`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deeprke_tf.rna.loci import Locus
from deeprke_tf.runs import bed
from deeprke_tf.scanning.windows import CalledSite

# Not 12: genome browsers would read the file as BED12.
SITE_COLUMNS = (
    *("chrom", "start", "end", "name", "score", "strand"),
    *("probability", "summit", "q_value", "n_windows", "calibrated_probability"),
)
NO_VALUE = "."


def safe_name(rna: str) -> str:
    """Returns a name of an RNA that readers of tracks do not skip.

    They skip lines that begin with `#`, `track` or `browser`: such a name gets an
    underscore in front.

    >>> safe_name("tracker1"), safe_name("tx1")
    ('_tracker1', 'tx1')
    """
    return f"_{rna}" if rna.startswith(("#", "track", "browser")) else rna


def site_name(rna: str, number: int) -> str:
    """Returns the name of a called site, the same in all files."""
    return f"{rna}_site{number}"


def bed_row(
    rna: str,
    number: int,
    site: CalledSite,
    q_value: float | None,
    calibrated_probability: float,
) -> list[str]:
    """Returns a called site on its RNA, in `SITE_COLUMNS`.

    Args:
      rna: Name of the RNA.
      number: Of the site on it, from 1.
      site: The site.
      q_value: q-value of its best window; None without a target FDR.
      calibrated_probability: Calibrated probability of the same window.
    """
    return [
        *(rna, str(site.start), str(site.end), site_name(rna, number)),
        *(
            bed.score_of(site.probability),
            "+",
            f"{site.probability:.6f}",
            str(site.summit),
        ),
        *(NO_VALUE if q_value is None else f"{q_value:.4g}", str(site.n_windows)),
        f"{calibrated_probability:.6g}",
    ]


def bed12_row(rna: str, number: int, site: CalledSite, transcript: Locus) -> list[str]:
    """Returns a called site on the genome, a block for each exon it lies on.

    The thick part is the nucleotide of the summit.

    Args:
      rna: Name of the RNA.
      number: Of the site on it, from 1.
      site: The site.
      transcript: Where the RNA lies on the genome.
    """
    summit = transcript.part(site.summit, site.summit + 1)
    place = transcript.part(site.start, site.end)
    return bed.row_of(place, site_name(rna, number), site.probability, thick=summit)


class BigWig:
    """A bigWig file, written RNA by RNA.

    Needs pyBigWig, the extra `tracks`; see `bigwig_is_available`.

    Args:
      path: File to write.
      lengths: Name and length of each RNA, in the order in which they are added.
    """

    def __init__(self, path: Path, lengths: Sequence[tuple[str, int]]):
        import pyBigWig

        self._file: Any = pyBigWig.open(str(path), "w")
        self._file.addHeader(list(lengths))

    def __enter__(self) -> "BigWig":
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(
        self, rna: str, starts: np.ndarray, ends: np.ndarray, values: np.ndarray
    ) -> None:
        """Adds the intervals of one RNA, ascending, each array [n_intervals]."""
        if len(starts):
            self._file.addEntries(
                [rna] * len(starts),
                starts.tolist(),
                ends=ends.tolist(),
                values=values.tolist(),
            )


def bigwig_is_available() -> bool:
    """Tells whether pyBigWig, which has no Windows package, is installed."""
    try:
        import pyBigWig  # noqa: F401
    except ImportError:
        return False
    return True
