import random

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome import selection
from deeprke_tf.genome.settings import PeakSettings
from deeprke_tf.genome.skips import Reason, listed_in
from tests.support.peak_tables import peaks_of, places_of


def reasons(rows):
    return listed_in(rows)["reason"].tolist()


def test_peaks_get_the_names_of_the_genome_or_are_listed():
    peaks = peaks_of("1:5-9(+)", "chr2:5-9(+)", "chrZ:5-9(-)", "MT:90-101(+)")
    kept, rows = selection.on_genome(peaks, {"chr1": 100, "chr2": 8, "chrM": 101})
    assert places_of(kept) == ["chr1:5-9(+)", "chrM:90-101(+)"]
    assert reasons(rows) == [Reason.PAST_END, Reason.CHROMOSOME]
    assert listed_in(rows)["detail"].tolist() == ["the chromosome has 8 nt", ""]


def test_peaks_of_low_score_none_or_great_length_are_left_out():
    peaks = peaks_of("c:1-5(+) 3", "c:1-5(+) 2.9", "c:1-5(+) nan", "c:1-50(+) 9")
    kept, rows = selection.by_score_and_length(peaks, 3, 10)
    assert places_of(kept) == ["c:1-5(+)"]
    assert reasons(rows) == [Reason.LOW_SCORE, Reason.NO_SCORE, Reason.LONG]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_score": float("nan")}, "`min_score` must be a number, got nan"),
        ({"top": 10**30}, "`top` must be at most 1,000,000,000, got 1"),
        ({"max_length": 10**30}, "`max_length` must be at most 1,000,000,000, got 1"),
    ],
)
def test_settings_that_no_peak_can_meet_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        PeakSettings(**given)


def test_peaks_on_the_blacklist_of_either_strand_are_left_out():
    peaks = peaks_of("c:1-5(+)", "c:5-9(-)", "d:1-5(+)", "c:8-12(+)")
    blacklist = pd.DataFrame({"chrom": ["c"], "start": [5], "end": [9]})
    kept, rows = selection.off_blacklist(peaks, blacklist)
    assert places_of(kept) == ["c:1-5(+)", "d:1-5(+)"]
    assert reasons(rows) == [Reason.BLACKLISTED] * 2
    assert len(selection.off_blacklist(peaks, blacklist[:0])[0]) == 4


def test_overlapping_peaks_of_a_strand_are_merged_under_the_best():
    peaks = peaks_of(
        *("c:1-5(+) 2 a 3", "c:4-9(+) 3 b 8", "c:9-12(+) 1 touches", "c:4-9(-) 1 m"),
        *("d:4-9(+) 1 d", "c:8-9(+) 3 c"),
    )
    kept, rows = selection.merged(peaks)
    assert sorted(zip(places_of(kept), kept["name"], kept["summit"], strict=True)) == [
        ("c:1-9(+)", "b", 8),
        ("c:4-9(-)", "m", -1),
        ("c:9-12(+)", "touches", -1),
        ("d:4-9(+)", "d", -1),
    ]
    assert reasons(rows) == [Reason.MERGED] * 2
    assert listed_in(rows)["detail"].tolist() == ["b", "b"]


def random_peaks(rng, file):
    texts = []
    for _ in range(rng.randint(1, 12)):
        start = rng.randrange(90)
        place = f"{rng.choice('cd')}:{start}-{start + rng.randint(1, 20)}"
        texts.append(f"{place}({rng.choice('+-')}) {rng.randint(0, 9)} {file}")
    return peaks_of(*texts, file=file)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_files", [2, 3])
def test_replicates_keep_what_enough_of_them_have(seed, n_files):
    rng = random.Random(seed)
    files = [random_peaks(rng, f"{i}.bed") for i in range(3)]
    peaks = pd.concat(files, ignore_index=True)
    kept, rows = selection.in_at_least(peaks, n_files)
    for chrom in "cd":
        for strand in "+-":
            depth = np.zeros(120, int)
            for one in files:
                covered = np.zeros(120, bool)
                for peak in one.itertuples():
                    if (peak.chrom, peak.strand) == (chrom, strand):
                        covered[peak.start : peak.end] = True
                depth += covered
            edges = np.flatnonzero(np.diff(depth >= n_files, prepend=False))
            expected = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
            here = kept[(kept["chrom"] == chrom) & (kept["strand"] == strand)]
            assert sorted(zip(here["start"], here["end"], strict=True)) == expected
    for peak in kept.itertuples():
        over = peaks[(peaks["chrom"] == peak.chrom) & (peaks["strand"] == peak.strand)]
        over = over[(over["start"] < peak.end) & (over["end"] > peak.start)]
        assert peak.score == over["score"].max()
    used = set(zip(kept["file"], kept["line"], strict=True))
    listed = listed_in(rows)
    assert not used & set(zip(listed["file"], listed["line"], strict=True))
    assert len(used) + len(listed) == len(peaks)


def test_more_files_than_there_are_cannot_be_asked_for():
    with pytest.raises(UserError, match="`in_at_least` 3 needs as many files"):
        selection.require_files(2, 3)
