import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.genome.background import BackgroundSettings, Ground, background_of
from deeprke_tf.genome.genome import open_genome
from deeprke_tf.genome.regions import Regions
from deeprke_tf.genome.site_table import COLUMNS, loci_of, sites_table
from deeprke_tf.rna.loci import Locus
from tests.support.simulated_genome import simulate_genome

LENGTH = 61


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("genome"), n_genes=40)


@pytest.fixture(scope="module")
def ground(simulated):
    peaks = pd.read_csv(simulated.peaks, sep="\t", header=None)
    peaks.columns = ["chrom", "start", "end", "name", "score", "strand"]
    annotation = read_annotation(simulated.gtf)
    with open_genome(simulated.fasta) as genome:
        yield Ground(genome, peaks, peaks[:0], annotation, Regions(annotation))


@pytest.fixture(scope="module")
def bound(ground):
    return windows_of(ground.peaks, ground)


def marked(letters, start, end):
    """Letters with one stretch in upper case, as an extraction marks a peak."""
    middle = letters[start:end].upper()
    return letters[:start].lower() + middle + letters[end:].lower()


def windows_of(peaks, ground, length=LENGTH):
    """Bound sites around the middle of peaks, as an extraction cuts them."""
    loci, regions, genes = [], [], []
    for peak in peaks.itertuples():
        middle = (peak.start + peak.end) // 2
        start = middle - length // 2
        loci.append(Locus(peak.chrom, ((start, start + length),), peak.strand))
        regions.append(str(ground.regions.of(peak.chrom, peak.strand, [middle])[0]))
        genes.append(
            next(
                (
                    t.gene
                    for t in ground.annotation.values()
                    if t.chrom == peak.chrom
                    and t.exons[0][0] <= middle < t.exons[-1][1]
                ),
                "",
            )
        )
    sequences = (
        marked(ground.genome.fetch_locus(locus), 20, length - 10) for locus in loci
    )
    return sites_table(peaks["name"], loci, [1] * len(loci), regions, sequences, genes)


def chosen(bound, ground, kind, others=None, seed=1, **settings):
    settings = BackgroundSettings(kind, **settings)
    return background_of(bound, ground, settings, seed, others)


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


def test_same_genes_have_the_genes_regions_and_strands_of_the_peaks(bound, ground):
    found = chosen(bound, ground, "same-genes", ratio=2, gap=20)
    assert tuple(found.sites.columns) == COLUMNS
    assert set(found.sites["label"]) == {0}
    assert len(found.sites) > 1.9 * len(bound)
    assert set(found.sites["gene"]) <= set(bound["gene"])
    strands = {t.gene: t.strand for t in ground.annotation.values()}
    assert [strands[gene] for gene in found.sites["gene"]] == [*found.sites["strand"]]
    wanted = (2 * bound["region"].value_counts()).to_dict()
    counts = found.sites["region"].value_counts().to_dict()
    assert wanted == {
        region: counts.get(region, 0) + found.n_missing.get(region, 0)
        for region in wanted
    }


@pytest.mark.parametrize("kind", ["same-genes", "genome"])
@pytest.mark.parametrize("spliced", [False, True])
def test_random_windows_keep_off_peaks_and_exclusions(bound, ground, kind, spliced):
    excluded = pd.DataFrame({"chrom": ["chr1"], "start": [0], "end": [60_000]})
    here = dataclasses.replace(ground, excluded=excluded, spliced=spliced)
    found = chosen(bound, here, kind, gap=30)
    loci = loci_of(found.sites)
    assert len(loci) > 150
    assert not any(overlaps(loci, excluded))
    # On a transcript the gap does not count introns.
    gap = 0 if spliced else 30
    peaks = ground.peaks.assign(
        start=ground.peaks["start"] - gap, end=ground.peaks["end"] + gap
    )
    assert not any(overlaps(loci, peaks))
    sequences = [
        marked(ground.genome.fetch_locus(locus), 20, LENGTH - 10) for locus in loci
    ]
    assert sequences == [*found.sites["sequence"]]
    assert {len(sequence) for sequence in sequences} == {LENGTH}
    assert not found.sites.duplicated(["chrom", "start", "end", "strand"]).any()


def test_genome_windows_lie_on_either_strand_and_know_their_gene(bound, ground):
    found = chosen(bound, ground, "genome", ratio=2)
    assert 0.4 < (found.sites["strand"] == "+").mean() < 0.6
    for site in found.sites.itertuples():
        at = site.chrom, site.strand, (site.start + site.end) // 2
        assert site.gene == ground.regions.gene_at(*at)
        assert site.region == ground.regions.of(*at[:2], [at[2]])[0]
    assert set(found.sites["region"]) >= {"intergenic", "intron", "CDS"}
    gc = [
        sites["sequence"].str.count("[GCgc]").mean() for sites in (bound, found.sites)
    ]
    assert gc[0] == pytest.approx(gc[1], abs=1)


def test_spliced_windows_cross_introns_without_their_letters(bound, ground):
    here = dataclasses.replace(ground, spliced=True)
    found = chosen(bound, here, "same-genes", ratio=4, gap=0)
    several = found.sites[found.sites["blocks"] != ""]
    assert len(several) > 10
    for locus, gene in zip(loci_of(several), several["gene"], strict=True):
        transcript = ground.annotation.canonical(gene)
        ends = {end for _, end in transcript.exons}
        starts = {start for start, _ in transcript.exons}
        assert locus.blocks[0][1] in ends and locus.blocks[1][0] in starts
        assert locus.strand == transcript.strand
    assert "intron" not in set(found.sites["region"])


def test_sites_without_a_gene_get_windows_that_lie_between_genes(bound, ground):
    peaks = pd.DataFrame(
        {"name": ["a", "b"], "chrom": "chr1", "start": [500, 900], "strand": "+"}
    ).assign(end=lambda peaks: peaks["start"] + 20)
    loci = [Locus("chr1", ((s, s + LENGTH),), "+") for s in peaks["start"]]
    sequences = map(ground.genome.fetch_locus, loci)
    sites = sites_table(
        peaks["name"], loci, [1, 1], ["intergenic"] * 2, sequences, ["", ""]
    )
    here = dataclasses.replace(ground, peaks=peaks)
    found = chosen(sites, here, "same-genes", ratio=3)
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
    annotation = read_annotation(tmp_path / "a.gtf")
    locus = Locus("1", ((20_100, 20_161),), "+")
    peaks = pd.DataFrame({"chrom": ["1"], "start": [20_120], "end": [20_140]})
    with open_genome(tmp_path / "g.fa") as genome:
        sequence = genome.fetch_locus(locus)
        sites = sites_table(["p"], [locus], [1], ["ncRNA"], [sequence], ["g"])
        ground = Ground(genome, peaks, peaks[:0], annotation, Regions(annotation))
        found = chosen(sites, ground, kind, ratio=3)
    assert len(found.sites) == 3
    assert not found.sites["sequence"].str.contains("N").any()


def test_shuffled_sites_keep_dinucleotides_place_and_case(bound, ground):
    sites = bound[:20]
    found = chosen(sites, ground, "shuffled", ratio=2)
    assert len(found.sites) == 40
    for i, sequence in enumerate(found.sites["sequence"]):
        origin = sites["sequence"].iloc[i // 2]
        assert sequence != origin
        assert sequence == marked(sequence, 20, LENGTH - 10)
        counted = [
            pd.Series([*itertools.pairwise(s)]).value_counts().to_dict()
            for s in (sequence.upper(), origin.upper())
        ]
        assert counted[0] == counted[1]
    assert found.sites["start"].tolist() == np.repeat(sites["start"], 2).tolist()
    assert found.sites["name"][1] == f"{sites['name'][0]}_background2"


def test_a_site_of_one_letter_cannot_be_shuffled_and_is_counted(bound, ground):
    sites = bound[:3].assign(sequence=["A" * LENGTH, *bound["sequence"][1:3]])
    found = chosen(sites, ground, "shuffled")
    assert len(found.sites) == 2
    region = sites["region"][0]
    assert found.n_without == {region: 1} and found.n_missing == {region: 1}


def test_sites_of_other_rbps_are_matched_and_keep_off_the_peaks(bound, ground):
    rng = np.random.default_rng(1)
    peaks = ground.peaks.assign(
        start=ground.peaks["start"] + rng.choice([-300, 0, 300], len(ground.peaks))
    )
    others = windows_of(peaks.assign(end=peaks["start"] + 40), ground)
    others["name"] = "other" + others["name"]
    found = chosen(bound, ground, "peaks", others, gap=50)
    assert 20 < len(found.sites) < len(others)
    assert found.sites["name"].str.startswith("other").all()
    assert found.n_refused >= (peaks["start"] == ground.peaks["start"]).sum()
    assert not any(overlaps(loci_of(found.sites), ground.peaks))
    assert found.sites["region"].value_counts().le(bound["region"].value_counts()).all()
    assert sum(found.n_missing.values()) == len(bound) - len(found.sites)


def test_windows_of_the_users_own_are_all_taken_but_those_on_peaks(bound, ground):
    shifted = ground.peaks.assign(
        start=ground.peaks["start"] + 400, end=ground.peaks["end"] + 400
    )
    others = windows_of(shifted[:50], ground)
    mixed = pd.concat([others, bound[:7]])
    found = chosen(bound, ground, "bed", mixed, gap=0)
    n_on_peaks = sum(overlaps(loci_of(others), ground.peaks))
    assert found.n_refused >= 7 + n_on_peaks
    assert len(found.sites) == 57 - found.n_refused
    assert set(found.sites["label"]) == {0}


@pytest.mark.parametrize("kind", ["same-genes", "genome", "shuffled"])
def test_the_same_seed_gives_the_same_sites(bound, ground, kind):
    tables = [chosen(bound, ground, kind, seed=seed).sites for seed in (1, 1, 2)]
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


def test_no_background_is_no_sites(bound, ground):
    found = chosen(bound, ground, "none")
    assert not len(found.sites) and not found.n_missing


def test_same_genes_need_an_annotation(bound, ground):
    here = dataclasses.replace(ground, annotation=None, regions=None)
    with pytest.raises(UserError, match="'same-genes' needs an annotation: give `gtf`"):
        chosen(bound, here, "same-genes")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ratio", 0, "`ratio` must be"),
        ("gap", -1, "`gap` must not be negative, got -1"),
    ],
)
def test_impossible_settings_are_refused(name, value, message):
    with pytest.raises(UserError, match=message):
        BackgroundSettings(**{name: value})
