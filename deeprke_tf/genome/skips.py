"""Peaks that cannot or shall not become sites: listed with their reason."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("file", "line", "name", "chrom", "start", "end", "strand", "reason", "detail"),
)


class Reason:
    """Why a peak is skipped: fixed phrases, so that they can be counted."""

    COLUMNS = "fewer than three columns"
    POSITIONS = "start or end is not a whole number"
    NEGATIVE = "start is negative"
    EMPTY = "zero length"
    REVERSED = "end before start"
    NO_STRAND = "no strand"
    STRAND = "strand is not + or -"
    SCORE = "score is not a number"
    SUMMIT = "summit outside of the peak"
    CHROMOSOME = "chromosome is not in the genome"
    PAST_END = "past the end of the chromosome"
    LOW_SCORE = "below the minimum score"
    NO_SCORE = "no score to compare with the minimum"
    LONG = "longer than the maximum length"
    FEW_FILES = "in too few files"
    BLACKLISTED = "overlaps the blacklist"
    MERGED = "merged with an overlapping peak"
    LEAVES_CHROMOSOME = "window leaves the chromosome"
    LEAVES_TRANSCRIPT = "window leaves the transcript"
    TOO_MANY_N = "window has too many N"
    LETTERS = "window has letters that are not nucleotides"
    SAME_WINDOW = "same window as a better peak"
    OVERLAPS_BETTER = "window overlaps that of a better peak"
    NOT_TOP = "not among the best"
    NO_BACKGROUND = "touches a peak, its gap, an excluded stretch or N"


def skipped(
    peaks: "pd.DataFrame", reason: str, detail: "str | pd.Series" = ""
) -> "pd.DataFrame":
    """Returns the rows of skipped peaks, in `COLUMNS`.

    Args:
      peaks: The peaks, with the columns of `peaks.COLUMNS`.
      reason: One of the phrases of `Reason`.
      detail: What came, of all peaks or of each.
    """
    return peaks.assign(reason=reason, detail=detail)[list(COLUMNS)]


def listed_in(skipped: "list[pd.DataFrame]") -> "pd.DataFrame":
    """Returns all skipped peaks in one table, in the order of their files."""
    import pandas as pd

    rows = [one for one in skipped if len(one)]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(rows).sort_values(
        ["file", "line"], kind="stable", ignore_index=True
    )
