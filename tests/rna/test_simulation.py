"""Simulated sites, and the FASTA files of them."""

import gzip
import itertools

import pytest
from sklearn.metrics import roc_auc_score

from deeprke_tf.errors import UserError
from deeprke_tf.rna import simulation, site_files, structure
from deeprke_tf.rna.simulated_files import write_labelled_fasta
from deeprke_tf.rna.simulation import SimulationConfig, motif_pattern
from deeprke_tf.rna.sites import Site

MOTIF = motif_pattern(SimulationConfig.motif)


@pytest.fixture(scope="module")
def sites():
    """400 sites: 200 positives, 100 decoys, 100 without the motif."""
    return list(simulation.simulate(SimulationConfig(n_sites=400, seed=7)))


def motif_starts(site):
    return [match.start() for match in MOTIF.finditer(site.sequence)]


def motif_contexts(site):
    """Loop contexts of the motif, which occurs once, by a fold of its own."""
    (start,) = motif_starts(site)
    contexts = structure.loop_contexts(structure.fold(site.sequence)[0])
    return set(contexts[start : start + len(SimulationConfig.motif)])


def gc_content(site):
    return sum(letter in "GC" for letter in site.sequence) / len(site.sequence)


def auroc_of(feature, sites):
    return roc_auc_score([site.label for site in sites], list(map(feature, sites)))


def test_a_positive_has_its_motif_once_and_wholly_in_a_hairpin_loop(sites):
    positives = [site for site in sites if site.label == 1]
    assert len(positives) == 200
    assert all(motif_contexts(site) == {"H"} for site in positives)


def test_a_decoy_has_its_motif_wholly_out_of_hairpin_loops(sites):
    decoys = [site for site in sites if site.label == 0 and motif_starts(site)]
    assert len(decoys) == 100
    assert all("H" not in motif_contexts(site) for site in decoys)


def test_the_other_background_has_no_motif_anywhere(sites):
    assert sum(not motif_starts(site) for site in sites) == 100


def test_in_single_strand_context_decoys_have_the_motif_in_stem_or_hairpin():
    config = SimulationConfig(n_sites=30, context="single-strand", decoys=1.0)
    for site in simulation.simulate(config):
        allowed = set("FTMI") if site.label == 1 else set("SH")
        assert motif_contexts(site) <= allowed


@pytest.mark.parametrize(
    ("feature", "farthest"),
    [
        (gc_content, 0.06),
        (lambda site: len(site.sequence), 0.08),
        (lambda site: site.sequence.count("G"), 0.08),
        (lambda site: site.sequence.count("U"), 0.08),
        (lambda site: site.sequence.count("CG"), 0.08),
    ],
    ids=["GC", "length", "G", "U", "CG"],
)
def test_length_and_composition_do_not_tell_the_classes(sites, feature, farthest):
    assert auroc_of(feature, sites) == pytest.approx(0.5, abs=farthest)


def test_the_classes_have_the_same_mean_gc_content(sites):
    means = [
        sum(map(gc_content, group)) / len(group)
        for label in (0, 1)
        if (group := [site for site in sites if site.label == label])
    ]
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_the_motif_alone_tells_positives_from_background_without_it_only(sites):
    assert auroc_of(lambda site: len(motif_starts(site)), sites) == 0.75


def test_the_place_of_the_motif_does_not_tell_positives_from_decoys(sites):
    carriers = [site for site in sites if motif_starts(site)]
    place = auroc_of(lambda site: motif_starts(site)[0] / len(site.sequence), carriers)
    assert place == pytest.approx(0.5, abs=0.08)


def test_the_classes_come_in_mixed_order_under_numbered_names(sites):
    assert [site.name for site in sites[:2]] == ["sim000000", "sim000001"]
    assert 120 < sum(site.label for site in sites[:300]) < 180


def test_lengths_span_the_range_asked_for(sites):
    lengths = [len(site.sequence) for site in sites]
    assert (min(lengths), max(lengths)) == (60, 90)


def test_one_seed_gives_the_same_sites_and_another_seed_others():
    first, again, other = (
        list(simulation.simulate(SimulationConfig(n_sites=5, seed=seed)))
        for seed in (3, 3, 4)
    )
    assert first == again
    assert not {site.sequence for site in first} & {site.sequence for site in other}


def test_sites_are_made_one_at_a_time():
    endless = simulation.simulate(SimulationConfig(n_sites=10**12))
    assert len(list(itertools.islice(endless, 3))) == 3


@pytest.mark.parametrize(
    ("positive_fraction", "decoys", "n_positives", "n_motifs"),
    [(0.2, 1.0, 2, 10), (0.2, 0.0, 2, 2), (1.0, 0.5, 10, 10), (0.0, 0.5, 0, 5)],
)
def test_kinds_come_in_exact_numbers(positive_fraction, decoys, n_positives, n_motifs):
    config = SimulationConfig(10, positive_fraction, decoys=decoys)
    made = list(simulation.simulate(config))
    assert sum(site.label for site in made) == n_positives
    assert sum(bool(motif_starts(site)) for site in made) == n_motifs


def test_a_motif_whose_letters_have_one_order_only_can_be_planted():
    config = SimulationConfig(n_sites=8, motif="tttttt", decoys=0.0)
    made = list(simulation.simulate(config))
    assert [site.label for site in made] == [int("UUUUUU" in s.sequence) for s in made]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_sites": 0}, "`n_sites` must be at least 1, got 0"),
        ({"positive_fraction": 1.1}, "`positive_fraction` must be between 0 and 1"),
        ({"decoys": -0.1}, "`decoys` must be between 0 and 1, got -0.1"),
        ({"gc": 0.0}, "`gc` must be between 0.1 and 0.9, got 0.0"),
        ({"context": "bulge"}, "'hairpin' or 'single-strand', got 'bulge'"),
        ({"seed": -1}, "`seed` must not be negative, got -1"),
        ({"motif": "UGXA"}, r"'UGXA' has letters that are not IUPAC: \['X'\]"),
        ({"motif": ""}, "`motif` '' has 0.0 bits"),
        ({"motif": "NNUGNN"}, "4.0 bits of information: at least 6"),
        ({"min_length": 51}, "`min_length` must be at least 52 nt .* got 51"),
        ({"max_length": 59}, r"`min_length` \(60\) and 500 nt, got 59"),
        ({"max_length": 501}, "got 501: every site is folded whole"),
    ],
)
def test_settings_without_sense_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        SimulationConfig(**settings)


def test_a_motif_that_never_folds_as_asked_is_an_error_that_says_what_to_change():
    hairpin = "GGGGGGAAAACCCCCC"
    config = SimulationConfig(1, 1.0, min_length=68, motif=hairpin, seed=5)
    with pytest.raises(UserError, match=r"1000 tries .seed 5, .* a motif of other"):
        next(simulation.simulate(config))


@pytest.mark.parametrize("file_name", ["sites.fa", "sites.fa.gz"])
def test_a_file_reads_back_as_it_was_written(tmp_path, file_name):
    sites = list(simulation.simulate(SimulationConfig(n_sites=6)))
    path = tmp_path / "new" / file_name
    assert write_labelled_fasta(sites, path) == {0: 3, 1: 3}
    assert list(site_files.SitesFile(path, k=3)) == sites
    assert [file.name for file in path.parent.iterdir()] == [file_name]


def test_headers_hold_the_class_and_sequences_wrap_after_60_letters(tmp_path):
    path = tmp_path / "sites.fa"
    write_labelled_fasta([Site("a", "A" * 60 + "CG", 1)], path)
    assert path.read_text() == "> a; class:1\n" + "A" * 60 + "\nCG\n"


def test_the_bytes_of_a_gzip_file_depend_on_its_sites_only(tmp_path):
    paths = [tmp_path / "one.fa.gz", tmp_path / "two.fa.gz"]
    for path in paths:
        write_labelled_fasta([Site("a", "ACGU", 0)], path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].read_bytes()[4:8] == bytes(4)  # The time in the header.
    assert gzip.decompress(paths[0].read_bytes()) == b"> a; class:0\nACGU\n"


def test_a_site_without_label_is_not_written(tmp_path):
    path = tmp_path / "sites.fa"
    with pytest.raises(UserError, match="Site 'a' has no label"):
        write_labelled_fasta([Site("a", "ACGU")], path)
    assert not path.exists()
