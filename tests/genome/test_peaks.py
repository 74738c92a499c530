import gzip
import math

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.skips import Reason


def read(tmp_path, text, **arguments):
    path = tmp_path / "peaks.bed"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_peaks(path, **arguments)


def rows(peaks):
    columns = ["chrom", "start", "end", "name", "score", "strand", "summit"]
    return list(peaks.table[columns].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("line", "peak"),
    [
        ("chr1 5 9 p 3 -", ("chr1", 5, 9, "p", 3.0, "-", -1)),
        ("chr1 5 6 . 1e3 +", ("chr1", 5, 6, "", 1000.0, "+", -1)),
        ("chr1 5.0 9.00 p 3.41 -", ("chr1", 5, 9, "p", 3.41, "-", -1)),
        ("chr1 5 9 p 3 - 5 9 0", ("chr1", 5, 9, "p", 3.0, "-", -1)),
        ("chr1 5 9 p 3 - 5 9 255,0,0", ("chr1", 5, 9, "p", 3.0, "-", -1)),
        ("chr1 5 9 p 3 - 5 9 0 2 1,1 0,3", ("chr1", 5, 9, "p", 3.0, "-", -1)),
        # narrowPeak and broadPeak
        ("chr1 5 9 p 1000 - 3.5 9.1 -1 2", ("chr1", 5, 9, "p", 3.5, "-", 7)),
        ("chr1 5 9 p 1000 - 3.5 9.1 -1 -1", ("chr1", 5, 9, "p", 3.5, "-", -1)),
        ("chr1 5 9 p 1000 - 4 0 0 0", ("chr1", 5, 9, "p", 4.0, "-", 5)),
        ("chr1 5 9 p 1000 - 3.5 9.1 4.2", ("chr1", 5, 9, "p", 3.5, "-", -1)),
    ],
)
@pytest.mark.parametrize("separator", ["\t", " ", "  "])
def test_bed_narrow_peak_and_broad_peak_are_read(line, peak, separator, tmp_path):
    text = separator.join(line.split()) + "\n"
    assert rows(read(tmp_path, text)) == [peak]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("last", [True, False])
def test_comments_line_ends_and_gzip_do_not_matter(line_end, compress, last, tmp_path):
    lines = [
        "# made",
        "track name=x",
        "browser position chr1",
        "",
        "chr1\t5\t9\tp\t1\t+",
    ]
    lines += ["#chr2\t1\t2", "trackless\t5\t9\tq\t1\t-"] + [""] * last
    peaks = read(tmp_path, compress(line_end.join(lines).encode()))
    assert [row[0] for row in rows(peaks)] == ["chr1", "trackless"]
    assert peaks.table["line"].tolist() == [5, 7]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        *(("chr1", Reason.COLUMNS), ("chr1 5", Reason.COLUMNS)),
        *(("\t5\t9", Reason.COLUMNS), ("chrom start end", Reason.POSITIONS)),
        *(("chr1 5 9.5", Reason.POSITIONS), ("chr1 1,000 2,000", Reason.POSITIONS)),
        *(("chr1 1e3 2e3", Reason.POSITIONS), ("chr1 -5 9", Reason.NEGATIVE)),
        *(("chr1 9 9", Reason.EMPTY), ("chr1 9 5", Reason.REVERSED)),
        *(("chr1 5 9 p 1 .", Reason.NO_STRAND), ("chr1 5 9", Reason.NO_STRAND)),
        *(("chr1 5 9 p 1 *", Reason.STRAND), ("chr1 5 9 p 1 1", Reason.STRAND)),
        *(("chr1 5 9 p high +", Reason.SCORE), ("chr1 5 9 p 1,5 +", Reason.SCORE)),
        ("chr1 5 9 p 1 + 3.5 9.1 -1 4", Reason.SUMMIT),
        ("chr1 5 9 p 1 + 3.5 9.1 -1 x", Reason.SUMMIT),
    ],
)
def test_a_line_that_is_no_peak_is_listed(line, reason, tmp_path):
    peaks = read(tmp_path, f"chr1\t5\t9\tp\t1\t+\n{line}\n")
    assert len(peaks.table) == 1
    (skipped,) = peaks.skipped.to_dict("records")
    assert (skipped["reason"], skipped["line"]) == (reason, 2)


def test_a_strand_is_asked_for_where_no_peak_has_one(tmp_path):
    text = "chr1\t5\t9\nchr1\t15\t19\tp\t1\t.\n"
    with pytest.raises(UserError, match=r"has a strand .* give `strand`"):
        read(tmp_path, text)
    assert read(tmp_path, text, strand="-").table["strand"].tolist() == ["-", "-"]
    unstranded = read(tmp_path, text, needs_strand=False)
    assert unstranded.table["strand"].tolist() == [".", "."]


def test_a_given_strand_does_not_replace_that_of_the_file(tmp_path):
    peaks = read(tmp_path, "chr1\t5\t9\tp\t1\t+\nchr1\t5\t9\n", strand="-")
    assert peaks.table["strand"].tolist() == ["+", "-"]


def test_a_missing_score_is_no_number(tmp_path):
    scores = read(tmp_path, "chr1 5 9 p . +\nchr1 5 9 p nan +\nchr1 5 9 p 0 +\n").table
    assert [math.isnan(score) for score in scores["score"]] == [True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no peaks; expected BED"),
        ("# nothing\ntrack x\n", "holds no peaks"),
        (">chr1\nACGT\n", "line 1: fewer than three columns"),
        ('chr1\tx\texon\t5\t9\t.\t+\t.\ttranscript_id "t";\n', "not a whole number"),
        (b"\xff\xfe\x00", "UTF-16"),
        (b"chr1\t5\t9\tp\t1\t+\n\xff\xff\t1\t2\n", "line 2: this is not text"),
        (
            gzip.compress(b"chr1\t5\t9\tp\t1\t+\n" * 1000, mtime=0)[:-20],
            "cut off or damaged",
        ),
    ],
)
def test_a_file_without_peaks_is_refused(text, message, tmp_path):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_a_large_file_of_something_else_is_given_up_early(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_bytes(b">chr1\n" + b"ACGT\n" * 200_000)
    with pytest.raises(UserError, match="line 1"):
        read_peaks(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="Cannot read"):
        read_peaks(tmp_path / "none.bed")
