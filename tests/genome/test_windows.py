import random

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.settings import WindowSettings
from deeprke_tf.genome.skips import Reason
from deeprke_tf.genome.spliced import SplicedTranscripts
from deeprke_tf.genome.windows import windows_of
from deeprke_tf.rna.loci import Locus
from tests.support.peak_tables import peaks_of

SIZE = 1000


def window_of(peak, spliced=None, **settings):
    chosen = WindowSettings(**settings)
    return windows_of(peaks_of(peak), {"c": SIZE}, chosen, spliced)[0]


@pytest.mark.parametrize(
    ("peak", "settings", "place", "marked"),
    [
        ("c:100-109(+)", {"window": 11}, "c:99-110(+)", (1, 10)),
        ("c:100-109(-)", {"window": 11}, "c:99-110(-)", (1, 10)),
        ("c:100-110(+)", {"window": 11}, "c:100-111(+)", (0, 10)),
        ("c:100-110(-)", {"window": 11}, "c:99-110(-)", (0, 10)),
        ("c:100-101(+)", {"window": 10}, "c:95-105(+)", (5, 6)),
        ("c:100-101(-)", {"window": 10}, "c:96-106(-)", (5, 6)),
        ("c:100-130(+)", {"window": 5, "anchor": "start"}, "c:98-103(+)", (2, 5)),
        ("c:100-130(-)", {"window": 5, "anchor": "start"}, "c:127-132(-)", (2, 5)),
        ("c:100-130(+)", {"window": 5, "anchor": "end"}, "c:127-132(+)", (0, 3)),
        ("c:100-130(-)", {"window": 5, "anchor": "end"}, "c:98-103(-)", (0, 3)),
        ("c:100-130(+) 1 p 104", {"window": 3}, "c:103-106(+)", (0, 3)),
        ("c:100-130(-) 1 p 104", {"window": 3}, "c:103-106(-)", (0, 3)),
        (
            "c:100-131(+) 1 p 104",
            {"window": 3, "anchor": "center"},
            "c:114-117(+)",
            (0, 3),
        ),
        ("c:100-130(+)", {"extend": (0, 0)}, "c:100-130(+)", (0, 30)),
        ("c:100-130(+)", {"extend": (5, 7)}, "c:95-137(+)", (5, 35)),
        ("c:100-130(-)", {"extend": (5, 7)}, "c:93-135(-)", (5, 35)),
        ("c:0-1(+)", {"extend": (0, 9)}, "c:0-10(+)", (0, 1)),
        (f"c:{SIZE - 1}-{SIZE}(-)", {"extend": (0, 0)}, f"c:999-{SIZE}(-)", (0, 1)),
    ],
)
def test_a_window_lies_around_its_peak_along_the_strand(peak, settings, place, marked):
    window = window_of(peak, **settings)
    assert (str(window.locus), window.marked) == (place, marked)


@pytest.mark.parametrize("peak", ["c:0-9(+)", "c:3-9(-)", "c:995-999(+)"])
def test_a_window_that_leaves_the_chromosome_is_none(peak):
    assert window_of(peak, window=21) == Reason.LEAVES_CHROMOSOME
    assert window_of(peak, extend=(9, 9)) == Reason.LEAVES_CHROMOSOME


@pytest.mark.parametrize("anchor", ["summit", "center", "start", "end"])
@pytest.mark.parametrize(
    "settings", [{"window": 12}, {"window": 7}, {"extend": (3, 4)}]
)
def test_windows_of_the_minus_strand_are_mirror_images(anchor, settings):
    rng = random.Random(1)
    for _ in range(50):
        start = rng.randrange(50, 900)
        end = start + rng.randint(1, 40)
        summit = rng.randrange(start, end)
        plus = window_of(f"c:{start}-{end}(+) 1 p {summit}", anchor=anchor, **settings)
        minus = window_of(
            f"c:{SIZE - end}-{SIZE - start}(-) 1 p {SIZE - 1 - summit}",
            anchor=anchor,
            **settings,
        )
        assert minus.marked == plus.marked
        ((first, last),) = plus.locus.blocks
        assert minus.locus == Locus("c", ((SIZE - last, SIZE - first),), "-")


GTF = """\
c\tx\texon\t101\t110\t.\t{0}\t.\tgene_id "g"; transcript_id "short"; tag "basic";
c\tx\texon\t101\t110\t.\t{0}\t.\tgene_id "g"; transcript_id "long";
c\tx\texon\t201\t210\t.\t{0}\t.\tgene_id "g"; transcript_id "long";
c\tx\texon\t301\t330\t.\t{0}\t.\tgene_id "g"; transcript_id "long";
c\tx\texon\t291\t320\t.\t{0}\t.\tgene_id "other"; transcript_id "smaller";
"""


def spliced_of(tmp_path, strand):
    (tmp_path / "genes.gtf").write_text(GTF.format(strand))
    annotation = read_annotation(tmp_path / "genes.gtf")
    return SplicedTranscripts(annotation, Regions(annotation))


@pytest.mark.parametrize(
    ("strand", "peak", "settings", "place", "marked"),
    [
        ("+", "202-207", {"window": 21}, "104-110,200-210,300-305", (8, 13)),
        ("-", "202-207", {"window": 21}, "104-110,200-210,300-305", (8, 13)),
        ("+", "202-207", {"window": 3}, "203-206", (0, 3)),
        # The part of a peak that hangs over into an intron does not count.
        ("+", "205-230", {"extend": (7, 2), "anchor": "start"},
         "108-110,200-210,300-302", (7, 12)),
        ("-", "195-209", {"extend": (2, 7), "anchor": "center"},
         "103-110,200-210,300-301", (2, 11)),
        # A peak over an intron lies on both exons.
        ("+", "108-203", {"extend": (1, 1), "anchor": "end"},
         "107-110,200-204", (1, 6)),
        # In an intron, a window lies on the genome.
        ("+", "150-155", {"window": 5}, "150-155", (0, 5)),
    ],
)  # fmt: skip
def test_a_window_of_an_exon_lies_on_the_spliced_transcript(
    strand, peak, settings, place, marked, tmp_path
):
    spliced = spliced_of(tmp_path, strand)
    window = window_of(f"c:{peak}({strand})", spliced, **settings)
    assert (str(window.locus), window.marked) == (f"c:{place}({strand})", marked)
    assert window.gene == ("" if peak == "150-155" else "g")


@pytest.mark.parametrize("strand", "+-")
def test_a_window_that_leaves_its_transcript_is_none(strand, tmp_path):
    spliced = spliced_of(tmp_path, strand)
    window = window_of(f"c:102-104({strand})", spliced, window=21)
    assert window == Reason.LEAVES_TRANSCRIPT


def test_windows_of_the_other_strand_lie_on_the_genome(tmp_path):
    window = window_of("c:202-207(-)", spliced_of(tmp_path, "+"), window=21)
    assert str(window.locus) == "c:194-215(-)"


@pytest.mark.parametrize("strand", "+-")
def test_single_nucleotides_of_a_transcript_make_up_its_windows(strand, tmp_path):
    spliced = spliced_of(tmp_path, strand)
    whole = spliced.at("c", strand, 205).locus
    for start in range(whole.n_nucleotides - 20):
        middle = whole.part(start + 10, start + 11).start
        if spliced.at("c", strand, middle).gene == "g":
            window = window_of(f"c:{middle}-{middle + 1}({strand})", spliced, window=21)
            assert window.locus == whole.part(start, start + 21)
            assert window.marked == (10, 11)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "`window` must be at least 1"),
        ({"window": 10**30}, "`window` must be at most 1,000,000,000, got 1"),
        ({"extend": (1, 10**12)}, "`extend` must be at most 1,000,000,000, got 1"),
        ({"anchor": "middle"}, "`anchor` must be one of 'summit', .*, got 'middle'"),
        ({"extend": (3, -1)}, "`extend` must be two lengths"),
        ({"max_n": 2}, "`max_n` must be between 0 and 1"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        WindowSettings(**settings)
