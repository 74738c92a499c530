"""Which peaks become sites: by score and length, replicates, overlaps, a blacklist.

Each step takes a table of peaks and returns the peaks that stay, and the rows of those
that do not, with their reason. Peaks overlap when they share a nucleotide and strand.
"""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from deeprke_tf.errors import UserError
from deeprke_tf.genome.chromosomes import ChromosomeNames
from deeprke_tf.genome.peaks import COLUMNS, NO_SUMMIT
from deeprke_tf.genome.skips import Reason, skipped

if TYPE_CHECKING:
    import pandas as pd

# Peaks that stay, and rows of `skips.COLUMNS`.
Selected: TypeAlias = "tuple[pd.DataFrame, list[pd.DataFrame]]"

# bioframe may make floats of them.
_INTEGERS = ("start", "end", "summit", "line")


def on_genome(peaks: "pd.DataFrame", sizes: dict[str, int]) -> Selected:
    """Gives chromosomes the genome's names; leaves out peaks that do not lie on it.

    Args:
      peaks: Peaks of one file or several.
      sizes: Length of each chromosome of the genome.
    """
    names = ChromosomeNames(sizes)
    found = {chrom: names.find(chrom) for chrom in peaks["chrom"].unique()}
    new = peaks["chrom"].map(found)
    known, unknown = peaks[new.notna()], peaks[new.isna()]
    known = known.assign(chrom=new[new.notna()])
    lengths = known["chrom"].map(sizes)
    is_past = known["end"] > lengths
    past = known[is_past]
    detail = "the chromosome has " + lengths[is_past].astype(str) + " nt"
    return known[~is_past], [
        skipped(unknown, Reason.CHROMOSOME),
        skipped(past, Reason.PAST_END, detail),
    ]


def by_score_and_length(
    peaks: "pd.DataFrame", min_score: float | None, max_length: int | None
) -> Selected:
    """Leaves out peaks of low score, or of none, and long ones.

    Args:
      peaks: The peaks.
      min_score: Lowest score that stays; None: any.
      max_length: Longest peak that stays, in nucleotides; None: any.
    """
    rows = []
    if min_score is not None:
        score = peaks["score"]
        rows += [
            skipped(peaks[score.isna()], Reason.NO_SCORE),
            skipped(peaks[score < min_score], Reason.LOW_SCORE, score.astype(str)),
        ]
        peaks = peaks[score >= min_score]
    if max_length is not None:
        length = peaks["end"] - peaks["start"]
        long = length > max_length
        rows.append(skipped(peaks[long], Reason.LONG, length.astype(str) + " nt"))
        peaks = peaks[~long]
    return peaks, rows


def off_blacklist(peaks: "pd.DataFrame", blacklist: "pd.DataFrame") -> Selected:
    """Leaves out peaks that overlap a blacklist, on either strand.

    Args:
      peaks: The peaks.
      blacklist: Columns `chrom`, `start` and `end`, on the genome's chromosomes.
    """
    import bioframe

    if blacklist.empty or peaks.empty:
        return peaks, []
    counted = bioframe.count_overlaps(peaks.reset_index(drop=True), blacklist)
    touches = counted["count"].to_numpy() > 0
    return peaks[~touches], [skipped(peaks[touches], Reason.BLACKLISTED)]


def merged(peaks: "pd.DataFrame") -> Selected:
    """Merges overlapping peaks.

    The merged peak spans all of them; name, score and summit are the best one's: that
    with the highest score, of equals the first.
    """
    import bioframe

    if peaks.empty:
        return peaks, []
    peaks = bioframe.cluster(
        peaks.reset_index(drop=True), min_dist=None, on=["strand"]
    ).astype(
        dict.fromkeys([*_INTEGERS, "cluster", "cluster_start", "cluster_end"], int)
    )
    peaks = peaks.sort_values(
        ["cluster", "score"], ascending=[True, False], kind="stable"
    )
    best = peaks.drop_duplicates("cluster")
    others = peaks[peaks.duplicated("cluster")]
    found = best.assign(start=best["cluster_start"], end=best["cluster_end"])
    detail = others["cluster"].map(best.set_index("cluster").apply(_shown, axis=1))
    rows = [skipped(others, Reason.MERGED, detail)] if len(others) else []
    return found[list(COLUMNS)].reset_index(drop=True), rows


def in_at_least(peaks: "pd.DataFrame", n_files: int) -> Selected:
    """Keeps what peaks of several files have in common.

    The stretches that lie in peaks of at least `n_files` files become the peaks; name,
    score and summit are those of the best peak that overlaps the stretch.

    Args:
      peaks: Peaks of several files.
      n_files: 1 keeps all peaks as they are.

    Raises:
      UserError: There are fewer files.
    """
    import bioframe
    import pandas as pd

    if n_files == 1 or peaks.empty:
        return peaks, []
    peaks = peaks.reset_index(drop=True)
    spans = pd.DataFrame(
        [
            row
            for _, one in peaks.groupby(["chrom", "strand"])
            for row in _deep(one, n_files)
        ],
        columns=["chrom", "start", "end", "strand"],
    )
    if spans.empty:
        return peaks[:0], [skipped(peaks, Reason.FEW_FILES)]
    pairs = bioframe.overlap(
        spans, peaks, how="inner", on=["strand"], return_index=True, suffixes=("", "_2")
    )
    pairs = pairs.sort_values(
        ["index", "score_2"], ascending=[True, False], kind="stable"
    )
    best = pairs.drop_duplicates("index")
    found = pd.DataFrame({name: best[f"{name}_2"] for name in COLUMNS})
    found[["start", "end"]] = best[["start", "end"]]
    inside = found["summit"].between(found["start"], found["end"] - 1)
    found["summit"] = found["summit"].where(inside, NO_SUMMIT)
    alone = ~peaks.index.isin(pairs["index_2"])
    others = ~alone & ~peaks.index.isin(best["index_2"])
    return found.astype(dict.fromkeys(_INTEGERS, int)).reset_index(drop=True), [
        skipped(peaks[alone], Reason.FEW_FILES),
        skipped(peaks[others], Reason.MERGED),
    ]


def _deep(peaks: "pd.DataFrame", n_files: int) -> list[tuple[str, int, int, str]]:
    """Returns the stretches of one strand that peaks of enough files cover."""
    import bioframe

    starts, ends = [], []
    for _, one in peaks.groupby("file"):
        spans = bioframe.merge(one[["chrom", "start", "end"]], min_dist=0)
        starts.append(spans["start"].to_numpy(np.int64))
        ends.append(spans["end"].to_numpy(np.int64))
    places = np.concatenate([*starts, *ends])
    steps = np.repeat([1, -1], len(places) // 2)
    order = np.lexsort((-steps, places))  # at one place starts come first
    places, depth = places[order], np.cumsum(steps[order])
    is_deep = depth >= n_files
    edges = np.flatnonzero(np.diff(is_deep, prepend=False, append=False))
    chrom, strand = peaks["chrom"].iloc[0], peaks["strand"].iloc[0]
    pairs = zip(places[edges[::2]].tolist(), places[edges[1::2]].tolist(), strict=True)
    return [(chrom, start, end, strand) for start, end in pairs if start < end]


def _shown(peak: "pd.Series") -> str:
    return peak["name"] or f"{peak['chrom']}:{peak['start']}-{peak['end']}"


def require_files(n_files: int, in_at_least: int) -> None:
    """Refuses to ask for peaks in more files than there are."""
    if in_at_least > n_files:
        raise UserError(
            f"`in_at_least` {in_at_least} needs as many files of `peaks`, got "
            f"{n_files}."
        )
