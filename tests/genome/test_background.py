import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.background import Request, background_of
from deeprke_tf.genome.cutting import cut_sites
from deeprke_tf.genome.genome import open_genome
from deeprke_tf.genome.ground import Ground
from deeprke_tf.genome.peaks import read_peaks
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.settings import BackgroundSettings, WindowSettings
from deeprke_tf.genome.simulation import simulate_genome
from deeprke_tf.genome.site_table import COLUMNS, loci_of
from deeprke_tf.genome.spliced import SplicedTranscripts

LENGTH = 61


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("genome"), n_genes=40)


@pytest.fixture(scope="module")
def ground(simulated):
    annotation = read_annotation(simulated.gtf)
    with open_genome(simulated.fasta) as genome:
        yield Ground(genome, annotation, Regions(annotation))


@pytest.fixture(scope="module")
def spliced(ground):
    transcripts = SplicedTranscripts(ground.annotation, ground.regions)
    return ground._replace(spliced=transcripts)


@pytest.fixture(scope="module")
def peaks(simulated):
    return read_peaks(simulated.peaks).table


def cut(peaks, ground):
    return cut_sites(peaks, ground.genome, WindowSettings(window=LENGTH), *ground[2:])


@pytest.fixture(scope="module")
def bound(peaks, ground):
    return cut(peaks, ground).sites.reset_index(drop=True)


@pytest.fixture
def request_of(bound, peaks, ground):
    """Makes a request for background of all peaks; `parts` replace its parts."""

    def request(*kind, ratio=1, gap=100, **parts):
        settings = BackgroundSettings(kind, ratio, gap)
        return Request(bound, ground, peaks, peaks[:0], settings, 1)._replace(**parts)

    return request


def overlaps(loci, stretches):
    """Whether any block of a locus overlaps any stretch, on either strand."""
    return [
        any(
            locus.chrom == stretch.chrom and start < stretch.end and stretch.start < end
            for stretch in stretches.itertuples()
            for start, end in locus.blocks
        )
        for locus in loci
    ]


def test_same_genes_have_the_genes_regions_and_strands_of_the_peaks(
    request_of, bound, ground
):
    found = background_of(request_of("same-genes", ratio=2, gap=20))
    assert tuple(found.sites.columns) == COLUMNS
    assert set(found.sites["label"]) == {0}
    assert len(found.sites) > 1.9 * len(bound)
    assert set(found.sites["gene"]) <= set(bound["gene"])
    strands = {t.gene: t.strand for t in ground.annotation.values()}
    assert [strands[gene] for gene in found.sites["gene"]] == [*found.sites["strand"]]
    wanted = Counter(bound["region"])
    counts = Counter(found.sites["region"])
    assert {region: 2 * n for region, n in wanted.items()} == {
        region: counts[region] + found.n_missing.get(region, 0) for region in wanted
    }


@pytest.mark.parametrize("kind", ["same-genes", "genome"])
@pytest.mark.parametrize("is_spliced", [False, True])
def test_random_windows_keep_off_peaks_and_exclusions(
    request_of, ground, spliced, peaks, kind, is_spliced
):
    excluded = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [60_000]})
    here = spliced if is_spliced else ground
    request = request_of(kind, gap=30, excluded=excluded, ground=here)
    found = background_of(request).sites
    loci = loci_of(found)
    assert len(loci) > 150
    assert not any(overlaps(loci, excluded))
    # On a transcript the gap does not count introns.
    gap = 0 if is_spliced else 30
    wider = peaks.assign(start=peaks["start"] - gap, end=peaks["end"] + gap)
    assert not any(overlaps(loci, wider))
    assert not found.duplicated(["chrom", "start", "end", "strand"]).any()


@pytest.mark.parametrize("kind", ["same-genes", "genome"])
def test_letters_are_those_of_the_place_and_marked_as_a_bound_site(
    request_of, spliced, bound, kind
):
    found = background_of(request_of(kind, ground=spliced)).sites
    letters = [spliced.genome.fetch_locus(locus) for locus in loci_of(found)]
    assert found["sequence"].str.upper().tolist() == letters
    origin = bound.set_index("name")["sequence"]
    for name, sequence in zip(found["name"], found["sequence"], strict=True):
        site = origin[name.removesuffix("_background1")]
        assert [*map(str.isupper, site)] == [*map(str.isupper, sequence)]


def test_genome_windows_lie_on_either_strand_and_know_their_gene(
    request_of, bound, ground
):
    found = background_of(request_of("genome", ratio=2)).sites
    assert 0.4 < (found["strand"] == "+").mean() < 0.6
    for site in found.itertuples():
        place = site.chrom, site.strand
        middle = (site.start + site.end) // 2
        assert site.gene == ground.regions.gene_at(*place, middle)
        assert site.region == ground.regions.of(*place, [middle])[0]
    assert set(found["region"]) >= {"intergenic", "intron", "CDS"}
    gc = [sites["sequence"].str.count("[GCgc]").mean() for sites in (bound, found)]
    assert gc[0] == pytest.approx(gc[1], abs=1)


def test_spliced_windows_cross_introns_without_their_letters(
    request_of, spliced, bound
):
    request = request_of("same-genes", ratio=4, gap=0, ground=spliced)
    found = background_of(request).sites
    several = found[found["blocks"] != ""]
    assert len(several) > 10
    for locus, gene in zip(loci_of(several), several["gene"], strict=True):
        transcript = spliced.annotation.canonical(gene)
        ends = {end for _, end in transcript.exons}
        starts = {start for start, _ in transcript.exons}
        assert locus.blocks[0][1] in ends and locus.blocks[1][0] in starts
        assert locus.strand == transcript.strand
    assert set(found["region"]) <= set(bound["region"])


def test_sites_without_a_gene_get_windows_that_lie_between_genes(request_of, ground):
    rows = [("chr1", at, at + 20, "", 0, "+", -1, "", 0) for at in (500, 900)]
    columns = ["chrom", "start", "end", "name", "score", "strand", "summit"]
    peaks = pd.DataFrame(rows, columns=[*columns, "file", "line"])
    bound = cut(peaks, ground).sites
    found = background_of(request_of("same-genes", ratio=3, bound=bound, peaks=peaks))
    assert [*found.sites["region"]] == ["intergenic"] * 6
    assert set(found.sites["strand"]) == {"+"}
    assert set(found.sites["chrom"]) == {"chr1"}


@pytest.mark.parametrize("kind", ["same-genes", "genome"])
def test_windows_keep_off_n_however_much_there_is(tmp_path, kind):
    letters = np.random.default_rng(1).choice(list("ACGT"), 3000)
    (tmp_path / "g.fa").write_text(f">1\n{'N' * 20_000}{''.join(letters)}\n")
    (tmp_path / "a.gtf").write_text(
        '1\tx\texon\t19001\t22900\t.\t+\t.\tgene_id "g"; transcript_id "t";\n'
    )
    (tmp_path / "p.bed").write_text("1\t20120\t20140\tp\t0\t+\n")
    annotation = read_annotation(tmp_path / "a.gtf")
    peaks = read_peaks(tmp_path / "p.bed").table
    settings = BackgroundSettings((kind,), ratio=3)
    with open_genome(tmp_path / "g.fa") as genome:
        ground = Ground(genome, annotation, Regions(annotation))
        bound = cut(peaks, ground).sites
        found = background_of(Request(bound, ground, peaks, peaks[:0], settings, 1))
    assert len(found.sites) == 3
    assert not found.sites["sequence"].str.contains("[Nn]").any()


def test_shuffled_sites_keep_dinucleotides_place_and_case(request_of, bound):
    found = background_of(request_of("shuffled", ratio=2, bound=bound[:20])).sites
    assert len(found) == 40
    for i, sequence in enumerate(found["sequence"]):
        origin = bound["sequence"][i // 2]
        assert sequence.upper() != origin.upper()
        assert [*map(str.isupper, sequence)] == [*map(str.isupper, origin)]
        pairs = [Counter(itertools.pairwise(one.upper())) for one in (sequence, origin)]
        assert pairs[0] == pairs[1]
    assert found["start"].tolist() == np.repeat(bound["start"][:20], 2).tolist()
    assert found["name"][1] == f"{bound['name'][0]}_background2"


def test_a_site_of_one_letter_cannot_be_shuffled_and_is_counted(request_of, bound):
    sites = bound[:3].assign(sequence=["A" * LENGTH, *bound["sequence"][1:3]])
    found = background_of(request_of("shuffled", bound=sites))
    assert len(found.sites) == 2
    region = sites["region"][0]
    assert found.n_without == {region: 1} and found.n_missing == {region: 1}


def test_sites_of_other_rbps_are_matched_and_keep_off_the_peaks(
    request_of, bound, peaks, ground
):
    moved = np.random.default_rng(1).choice([-300, 0, 300], len(peaks))
    others = cut(
        peaks.assign(start=peaks["start"] + moved, end=peaks["end"] + moved), ground
    ).sites
    found = background_of(request_of("peaks", "other.bed", gap=50), others)
    assert 20 < len(found.sites) < len(others)
    assert not any(overlaps(loci_of(found.sites), peaks))
    assert not Counter(found.sites["region"]) - Counter(bound["region"])
    assert sum(found.n_missing.values()) == len(bound) - len(found.sites)
    assert {*np.flatnonzero(moved == 0)} <= {*found.refused}


def test_windows_of_the_users_own_are_all_taken_but_those_on_peaks(
    request_of, bound, peaks, ground
):
    shifted = peaks[:50].assign(
        start=peaks["start"] + 400, end=peaks["end"] + 400, name="own"
    )
    on_peaks = bound[:7].set_index(np.arange(1000, 1007))
    others = pd.concat([cut(shifted, ground).sites, on_peaks])
    found = background_of(request_of("bed", "own.bed", gap=0), others)
    assert {*on_peaks.index} <= {*found.refused}
    assert len(found.sites) == 57 - len(found.refused)
    assert not found.n_missing and not found.n_without
    assert set(found.sites["label"]) == {0}
    refused = others.loc[list(found.refused)]
    assert all(overlaps(loci_of(refused), pd.concat([peaks, bound])))


@pytest.mark.parametrize("kind", ["same-genes", "genome", "shuffled"])
def test_the_same_seed_gives_the_same_sites(request_of, kind):
    tables = [background_of(request_of(kind, seed=seed)).sites for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_no_background_is_no_sites(request_of):
    found = background_of(request_of("none"))
    assert not len(found.sites) and not found.n_missing


def test_same_genes_need_an_annotation(request_of, ground):
    here = Ground(ground.genome)
    with pytest.raises(UserError, match="same-genes needs an annotation: give `gtf`"):
        background_of(request_of("same-genes", ground=here))


def test_the_annotation_decides_what_is_chosen_by_default(request_of, ground):
    assert request_of().kind == "same-genes"
    assert request_of(ground=Ground(ground.genome)).kind == "genome"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ratio": 0}, "`ratio` must be"),
        ({"ratio": 10**30}, "`ratio` must be at most 1,000, got 1"),
        ({"gap": -1}, "`gap` must not be negative, got -1"),
        ({"gap": 10**30}, "`gap` must be at most 1,000,000,000, got 1"),
        ({"background": "random"}, "`background` must be one of 'none', 'same-genes'"),
        ({"background": "peaks"}, "`background` peaks needs BED files of other RBPs"),
        ({"background": ("bed", "a", "b")}, "`background` bed needs one .*, got 2"),
        ({"background": ("genome", "a.bed")}, "genome takes no file, got a.bed"),
    ],
)
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        BackgroundSettings(**given)
