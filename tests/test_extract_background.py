"""Background of an extraction, from the command to its files and what it says."""

import json

import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf import extract
from deeprke_tf.errors import UserError
from deeprke_tf.genome.simulation import simulate_genome


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("genome"), n_genes=40)


def extracted(simulated, out, *flags, gtf=True):
    """Runs the command; returns its sites and the contents of `extract.json`."""
    arguments = ["--peaks", simulated.peaks, "--genome", simulated.fasta, "--out", out]
    arguments += ["--gtf", simulated.gtf] if gtf else []
    assert extract.main([*map(str, arguments), "--window", "61", *map(str, flags)]) == 0
    sites = pd.read_csv(out / "sites.tsv", sep="\t", keep_default_na=False)
    return sites, json.loads((out / "extract.json").read_text())


@pytest.mark.draws
def test_an_annotation_gives_background_of_the_same_genes_and_a_report(
    simulated, tmp_path, capsys
):
    sites, contents = extracted(simulated, tmp_path / "out", "--gap", "20")
    bound, background = (sites[sites["label"] == label] for label in (1, 0))
    assert len(background) > 0.9 * len(bound)
    assert set(background["gene"]) <= set(bound["gene"])
    assert sites["name"].is_unique
    assert contents["background"]["kind"] == "same-genes"
    assert contents["counts"]["background"] == len(background)
    shown = capsys.readouterr().out
    assert "background: same-genes\n" in shown
    assert "AUROC before  AUROC after\n" in shown
    table = pd.read_csv(tmp_path / "out/matching.tsv", sep="\t").set_index("name")
    assert table.loc["distance to the nearest splice site", "bound"] > 0
    assert (tmp_path / "out/matching.png").stat().st_size > 10_000


def test_without_an_annotation_background_is_of_the_genome(simulated, tmp_path):
    sites, contents = extracted(simulated, tmp_path / "out", "--ratio", "2", gtf=False)
    assert contents["background"]["kind"] == "genome"
    assert (sites["label"] == 0).sum() == 2 * (sites["label"] == 1).sum()


def test_the_same_inputs_and_seed_give_the_same_bytes(simulated, tmp_path):
    flags = ["--validation-fraction", "0.3", "--split-by", "gene"]
    for name in ("one", "two"):
        extracted(simulated, tmp_path / name, *flags)
    extracted(simulated, tmp_path / "other", *flags, "--seed", "2")
    for name in ("sites.tsv", "sites.bed", "matching.tsv", "matching.json"):
        one, two, other = (
            (tmp_path / out / name).read_bytes() for out in ("one", "two", "other")
        )
        assert one == two != other


def test_background_goes_to_the_split_of_its_chromosome(simulated, tmp_path):
    flags = ["--test-chromosomes", "chr2", "--ratio", "2"]
    sites, contents = extracted(simulated, tmp_path / "out", *flags)
    assert set(sites["split"][sites["chrom"] == "chr2"]) == {"test"}
    assert set(sites["split"][sites["chrom"] != "chr2"]) == {"train"}
    assert contents["counts"]["splits"]["test"]["background"] > 50


def test_what_the_peaks_of_others_lack_is_listed_and_counted(
    simulated, tmp_path, capsys
):
    lines = simulated.peaks.read_text().splitlines()
    moved = [
        "\t".join([cells[0], *(str(int(c) + 350) for c in cells[1:3]), *cells[3:]])
        for cells in (line.split("\t") for line in lines)
    ]
    other = tmp_path / "other.bed"
    other.write_text("\n".join([*moved, lines[0], "chrZ\t1\t9\tz\t0\t+", "chr1\t5"]))
    flags = ["--background", "peaks", other]
    sites, contents = extracted(simulated, tmp_path / "out", *flags)
    n = (sites["label"] == 0).sum()
    said = contents["background"]
    assert n + sum(said["missing"].values()) == (sites["label"] == 1).sum()
    skipped = pd.read_csv(tmp_path / "out/skipped.tsv", sep="\t")
    reasons = skipped[skipped["file"] == str(other)]["reason"].value_counts()
    assert (
        reasons["touches a peak, its gap, an excluded stretch or N"] == said["refused"]
    )
    assert reasons["chromosome is not in the genome"] == 1
    assert reasons["fewer than three columns"] == 1
    assert {"role": "background", "file": str(other)}.items() <= contents["inputs"][
        -1
    ].items()
    assert "background sites that match were not found" in capsys.readouterr().out


def test_exclusions_and_the_blacklist_keep_background_off(simulated, tmp_path):
    for name, end in (("a.bed", 40_000), ("b.bed", 50_000)):
        (tmp_path / name).write_text(f"1\t{end - 40_000}\t{end}\n")
    extraction = dk.extract_sites(
        *(simulated.peaks,),
        genome=simulated.fasta,
        gtf=simulated.gtf,
        out=tmp_path / "out",
        exclude=[tmp_path / "a.bed"],
        blacklist=tmp_path / "b.bed",
        background="genome",
    )
    sites = extraction.sites[extraction.sites["label"] == 0]
    assert (sites["start"][sites["chrom"] == "chr1"] >= 50_000).all()
    assert extraction.report.rules_after


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"background": "same-genes"}, "same-genes needs an annotation: give `gtf`"),
        ({"exclude": "far.bed"}, "Nothing of `exclude` far.bed lies on the genome"),
        ({"background": ("bed", "far.bed")}, "Nothing of `background` far.bed lies on"),
        ({"background": ("bed", "peaks.bed")}, r"No background site was found \(bed\)"),
        (
            {"background": ("peaks", "edge.bed")},
            r"No background site was found \(peaks",
        ),
    ],
)
def test_background_that_cannot_be_had_is_refused(
    simulated, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(simulated.peaks.parent)
    for name, chrom in (("far.bed", "chrZ"), ("edge.bed", "chr1")):
        (simulated.peaks.parent / name).write_text(f"{chrom}\t5\t8\tx\t0\t+\n")
    with pytest.raises(UserError, match=message):
        dk.extract_sites("peaks.bed", genome="genome.fa", out=tmp_path / "out", **flags)
    assert not (tmp_path / "out").exists()
