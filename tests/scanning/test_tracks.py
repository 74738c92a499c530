import random

import pytest

from deeprke_tf.rna.loci import Locus
from deeprke_tf.runs import bed
from deeprke_tf.scanning import tracks
from deeprke_tf.scanning.windows import CalledSite


def random_transcript(rng):
    cuts = sorted(rng.sample(range(1000), 2 * rng.randint(1, 6)))
    exons = tuple(zip(cuts[::2], cuts[1::2], strict=True))
    return Locus("chr1", exons, rng.choice("+-"))


@pytest.mark.parametrize("seed", range(30))
def test_a_bed12_row_keeps_the_rules_of_its_format(seed):
    rng = random.Random(seed)
    transcript = random_transcript(rng)
    start = rng.randrange(transcript.n_nucleotides)
    end = rng.randint(start + 1, transcript.n_nucleotides)
    site = CalledSite(start, end, 0.75, (start + end) // 2, 1, best=0)
    row = tracks.bed12_row("tx", 1, site, transcript)
    assert row[3:6] == ["tx_site1", "750", transcript.strand]
    chrom_start, chrom_end, thick_start, thick_end = map(int, row[1:3] + row[6:8])
    assert chrom_start <= thick_start < thick_end <= chrom_end
    sizes = [int(size) for size in row[10].split(",")]
    starts = [int(start) for start in row[11].split(",")]
    assert len(sizes) == len(starts) == int(row[9])
    assert sum(sizes) == end - start
    assert starts[0] == 0
    assert chrom_start + starts[-1] + sizes[-1] == chrom_end
    assert all(
        a + size < b for a, size, b in zip(starts, sizes, starts[1:], strict=False)
    )


@pytest.mark.parametrize(
    ("probability", "score"), [(0.0, "0"), (0.1234, "123"), (1.0, "1000")]
)
def test_a_score_is_an_integer_of_at_most_1000(probability, score):
    row = tracks.bed_row(
        "tx", 2, CalledSite(3, 9, probability, 6, 4, best=0), 0.01234, 0.5
    )
    assert dict(zip(tracks.SITE_COLUMNS, row, strict=True)) == {
        **{"chrom": "tx", "start": "3", "end": "9", "name": "tx_site2"},
        **{"score": score, "strand": "+", "probability": f"{probability:.6f}"},
        **{"summit": "6", "q_value": "0.01234", "n_windows": "4"},
        **{"calibrated_probability": "0.5"},
    }


def test_rows_are_ordered_by_bytes_and_then_by_number():
    rows = [["chr2", "5", "9"], ["chr10", "50", "60"], ["chr10", "9", "10"]]
    rows += [["Chr9", "1", "2"], ["chr2", "5", "8"]]
    assert ["\t".join(row) for row in sorted(rows, key=bed.in_order)] == [
        "Chr9\t1\t2",
        "chr10\t9\t10",
        "chr10\t50\t60",
        "chr2\t5\t8",
        "chr2\t5\t9",
    ]


def test_a_header_has_one_line_per_comment():
    header = bed.header(["model a\nb"], {"name": 'a "b"\nc'})
    assert header == "# model a b\ntrack name=\"a 'b' c\"\n"
