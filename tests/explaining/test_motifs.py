"""Motifs and what is made of them, with attributions and networks known by hand."""

import random
import re
from collections import Counter

import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.explaining.counterfactual import (
    Background,
    imposed,
    set_motif,
    space_motifs,
)
from deeprke_tf.explaining.known import compare
from deeprke_tf.explaining.meme import KnownMotif, read_meme, write_meme
from deeprke_tf.explaining.motifs import Motif, discover, match_threshold
from deeprke_tf.explaining.preference import structure_preference
from deeprke_tf.explaining.seqlets import find_seqlets
from deeprke_tf.explaining.sites import ChosenSites, FoldedSite
from deeprke_tf.explaining.statistics import Estimate
from deeprke_tf.rna.shuffling import shuffle_dinucleotides
from deeprke_tf.rna.structure import LOOP_CONTEXTS, fold, loop_contexts

PUMILIO = re.compile("(?=UGUA[ACGU]AUA)")


class HairpinReader:
    """4 for UGUANAUA in a hairpin loop, 1 for one elsewhere, 1 more for two of them."""

    reads_structure = True

    def mean(self, sequences, contexts):
        return np.array(
            [self.of(*pair) for pair in zip(sequences, contexts, strict=True)]
        )

    def of(self, sequence, contexts):
        starts = [match.start() for match in PUMILIO.finditer(sequence)]
        loops = [contexts[start : start + 8] for start in starts]
        return sum(4.0 if loop == 8 * "H" else 1.0 for loop in loops) + (len(loops) > 1)


def random_letters(n, rng):
    return "".join(rng.choices("ACGU", k=n))


def planted(n, rng, in_hairpin):
    """Sites with UGUANAUA in a hairpin loop, or in a loop of the same form, opened."""
    sites = []
    for number in range(n):
        word = f"UGUA{rng.choice('ACGU')}AUA"
        before, after = random_letters(rng.randint(5, 20), rng), random_letters(9, rng)
        sequence = f"{before}GGCGC{word}GCGCC{after}"
        stem = "SSSSS" if in_hairpin else "FFFFF"
        loop = 8 * ("H" if in_hairpin else "F")
        contexts = "F" * len(before) + stem + loop + stem + 9 * "T"
        sites.append(FoldedSite(f"site{number}", sequence, contexts))
    return sites


def attributions_of(sites, rng):
    """1 for each definite letter of UGUANAUA, noise elsewhere."""
    noise = np.random.default_rng(rng.randrange(100))
    rows = []
    for site in sites:
        row = noise.normal(0, 0.1, len(site.sequence))
        for match in PUMILIO.finditer(site.sequence):
            row[match.start() : match.start() + 8] += [1, 1, 1, 1, 0, 1, 1, 1]
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def explained():
    return planted(60, random.Random(1), in_hairpin=True)


@pytest.fixture(scope="module")
def others():
    rng = random.Random(2)
    plain = [random_letters(45, rng) for _ in range(60)]
    folded = [FoldedSite("", text, loop_contexts(fold(text)[0])) for text in plain]
    return folded + planted(40, rng, in_hairpin=False)


@pytest.fixture(scope="module")
def pumilio(explained):
    rows = attributions_of(explained, random.Random(3))
    return discover(explained, rows, len(rows), HairpinReader(), seed=1)


def test_the_planted_motif_is_found_and_nothing_else(pumilio, explained):
    (motif,) = pumilio
    assert re.fullmatch("UGUA[A-Z]AUA", motif.consensus)
    assert motif.n_sites == len(explained)
    assert motif.effect.mean == pytest.approx(4, abs=0.3)
    starts = {o.site: o.start for o in motif.occurrences}
    planted_at = {i: s.sequence.index("GGCGCUGUA") + 5 for i, s in enumerate(explained)}
    assert starts == planted_at
    assert motif.name == "motif_1"


@pytest.mark.parametrize("power", [1, 3], ids=["normal", "heavy tails"])
def test_noise_has_no_motif(power):
    rng, letters = np.random.default_rng(1), random.Random(1)
    sites = [FoldedSite("", random_letters(60, letters), "") for _ in range(100)]
    rows = [rng.laplace(size=60) ** power for _ in sites]
    whole = {site.sequence for site in sites}

    class Reader:  # Any change of a site lowers it.
        def mean(self, sequences, _contexts):
            return np.array([float(s in whole) for s in sequences])

    assert not discover(sites, rows, 100, Reader(), seed=1)


def test_a_motif_that_lowers_the_log_odds_hides_no_other():
    # Stronger, and in as many sites: the model has learned the background as well.
    letters = random.Random(6)
    sites, rows = [], []
    for _ in range(60):
        gaps = [random_letters(15, letters) for _ in range(3)]
        sites.append(FoldedSite("", "UGUAAAUA".join(gaps[:2]) + "GCACG" + gaps[2], ""))
        row = np.zeros(len(sites[-1].sequence))
        row[15:23], row[38:43] = 0.5, -2
        rows.append(row)

    class Reader:
        def mean(self, sequences, _contexts):
            return np.array([4.0 * ("UGUAAAUA" in s) for s in sequences])

    (motif,) = discover(sites, rows, 60, Reader(), seed=1)
    assert motif.consensus == "UGUAAAUA"


def test_background_sites_beside_few_bound_ones_call_no_more_seqlets():
    rng = np.random.default_rng(7)
    rows = [rng.random(60) * 0.1 for _ in range(300)]
    for row in rows[:40]:
        row[20:27] = 0.3
    log_odds = np.where(np.arange(300) < 40, 1.0, -2.0)
    chosen = ChosenSites([], log_odds, [], 300, Counter())
    assert chosen.n_bound == 40
    seqlets = find_seqlets(rows, chosen.n_bound)
    assert len(seqlets) == 60
    assert {seqlet.site for seqlet in seqlets[:40]} == set(range(40))


def test_where_no_site_has_even_odds_a_tenth_of_them_count_as_bound():
    some = [FoldedSite("", "ACGU", "")] * 95
    assert ChosenSites(some, np.full(95, -1.0), [], 95, Counter()).n_bound == 10


def test_motifs_of_other_form_are_kept_apart():
    rng = random.Random(4)
    sites, rows = [], []
    for number in range(60):
        word = "GCACG" if number % 2 else "UUUUUU"
        before = random_letters(20, rng)
        sites.append(FoldedSite("", before + word + random_letters(20, rng), ""))
        row = np.zeros(40 + len(word))
        row[20 : 20 + len(word)] = 1
        rows.append(row)

    class Any:
        def mean(self, sequences, _contexts):
            return np.array([float("GCACG" in s or "UUUUUU" in s) for s in sequences])

    found = discover(sites, rows, len(rows), Any(), seed=1)
    assert {motif.best_word for motif in found} == {"GCACG", "UUUUUU"}
    assert [motif.n_sites for motif in found] == [30, 30]


def test_the_loops_of_a_motif_stand_out_from_matched_sites_and_decoys(
    pumilio, explained, others
):
    found = structure_preference(pumilio[0], explained, others)
    assert found.preferred == "H"
    assert found.n == {"occurrences": 60, "matched": 60, "elsewhere": 40}
    assert found.differences["elsewhere"]["H"].low > 0.9
    assert found.differences["matched"]["H"].low > 0.3
    hairpin = LOOP_CONTEXTS.index("H")
    assert found.profiles["occurrences"][10:18, hairpin].tolist() == 8 * [1.0]


def test_a_motif_without_preference_has_none(pumilio, explained, others):
    same = [site._replace(loop_contexts="F" * len(site.sequence)) for site in explained]
    rest = [site._replace(loop_contexts="F" * len(site.sequence)) for site in others]
    assert structure_preference(pumilio[0], same, rest).preferred is None


def backgrounds(n=12):
    rng = random.Random(5)
    texts = [shuffle_dinucleotides(random_letters(70, rng), rng) for _ in range(n)]
    return [Background(text, fold(text)[0]) for text in texts]


def test_imposed_hairpins_show_what_the_model_wants(pumilio):
    found = set_motif(pumilio[0], backgrounds(), HairpinReader())
    assert found.preferred == "hairpin"
    assert found.effects["hairpin"].mean == pytest.approx(4)
    assert found.effects["unpaired"].mean == pytest.approx(1)
    assert found.differences["hairpin"].low > 2.9
    assert found.differences["stem"].low <= 0 <= found.differences["stem"].high
    assert len(found.positions) == len(found.by_position["stem"])
    assert 0 < found.positions[0] < found.positions[-1] < 1


def test_sites_too_short_for_a_hairpin_are_no_background(pumilio):
    short = [Background("ACGUACGUACGU", "." * 12)]
    found = set_motif(pumilio[0], short, HairpinReader())
    assert (found.effects, found.preferred) == ({}, None)
    assert space_motifs(*pumilio, *pumilio, short, HairpinReader()).distances == []


def test_two_motifs_add_what_the_model_gives_for_two(pumilio):
    found = space_motifs(*pumilio, *pumilio, backgrounds(), HairpinReader())
    assert found.distances[:3] == [0, 2, 4]
    means = [interaction.mean for interaction in found.interactions]
    # Beside the 1 for two, some lie in a hairpin loop only together with the other.
    assert np.median(means) == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize(
    ("way", "context"), [("hairpin", "H"), ("stem", "S"), ("unpaired", "FTM")]
)
def test_imposed_structures_are_what_they_say(way, context):
    for background in backgrounds():
        structure = imposed(background.dot_bracket, 30, 8, way)
        assert len(structure) == 70
        assert set(loop_contexts(structure)[30:38]) <= set(context)


def test_motifs_are_read_as_they_were_written(pumilio, tmp_path):
    write_meme(pumilio, tmp_path / "motifs.meme")
    (read,) = read_meme(tmp_path / "motifs.meme")
    assert read.name == "motif_1"
    assert read.alternative == pumilio[0].consensus
    assert read.probabilities == pytest.approx(pumilio[0].probabilities, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("MEME version 4\n", "has no motif; expected MEME format"),
        (
            "MOTIF a\nletter-probability matrix: alength= 4 w= 1\n0.5 0.5\n",
            "motif 'a': expected a row of four probabilities",
        ),
        *(
            (
                f"MOTIF a\nletter-probability matrix: alength= 4 w= 1\n{row}\n",
                "motif 'a': expected a row of four probabilities",
            )
            for row in (
                "nan 0 0 1",
                "0 0 0 0",
                "inf 0 0 0",
                "1e308 1e308 0 0",
                "-1 1 1 0",
            )
        ),
        (
            f"MOTIF a\nletter-probability matrix: w= {'9' * 5000}\nx\n",
            "motif 'a': expected a row of four probabilities",
        ),
    ],
)
def test_files_without_motifs_are_refused(text, message, tmp_path):
    path = tmp_path / "known.meme"
    path.write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        read_meme(path)


def motif_of(*words):
    """A motif of some words of equal length."""
    rows = np.array([[[float(a == b) for b in "ACGU"] for a in word] for word in words])
    return rows.mean(axis=0) * 0.96 + 0.01


@pytest.mark.slow
def test_the_known_motif_on_the_same_strand_comes_first(pumilio):
    pytest.importorskip("memelite")
    rng = random.Random(6)
    strangers = [
        KnownMotif(f"other{i}", "", motif_of(random_letters(8, rng))) for i in range(60)
    ]
    known = [
        *strangers,
        KnownMotif("M1", "PUM2", motif_of("UGUAAAUA", "UGUAUAUA")),
        KnownMotif("M2", "PUM2", motif_of("UGUAAAUA", "UGUAUAUA", "UGUACAUA")),
        KnownMotif("its reverse complement", "", motif_of("UAUUUACA", "UAUAUACA")),
    ]
    (hits,) = compare(pumilio, known)
    assert hits[0].q_value < 0.01
    assert all(hit.q_value > 0.05 for hit in hits[1:])
    # A protein is one hit.
    assert [hit.name for hit in hits if "PUM2" in hit.name] == [hits[0].name]


def test_the_threshold_of_a_match_keeps_nine_of_ten_occurrences(pumilio, explained):
    (motif,) = pumilio
    threshold = match_threshold(motif, explained)
    reached = [motif.scores(site.sequence).max() >= threshold for site in explained]
    assert np.mean(reached) >= 0.85
    assert motif.scores("ACGUACGUACGU").max() < threshold


def test_a_motif_is_named_by_its_frequent_letters():
    probabilities = motif_of("UGA", "UCA", "UGA", "UCG")
    found = Motif("", probabilities, probabilities, [], Estimate(0, 0, 0), np.zeros(0))
    assert found.consensus == "USR"
