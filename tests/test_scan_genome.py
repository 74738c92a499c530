"""Scans of transcripts and regions of a genome."""

import json
import random
import re

import pandas as pd
import pytest

from deeprke_tf import load_run, scan
from deeprke_tf.errors import UserError
from deeprke_tf.genome.genome import reverse_complement
from deeprke_tf.scanning import files
from deeprke_tf.scanning.store import ScoreStore

pytest_plugins = ["tests.support.run_fixtures"]

TILING = {"window": 30, "stride": 7, "threshold": 0.3}
# Name, gene, symbol, chromosome, strand, exons and tag of transcripts.
TRANSCRIPTS = [
    ("tx1", "G1", "AAA", "1", "+", [(100, 160), (300, 345)], ""),
    ("tx2", "G2", "BBB", "1", "-", [(120, 150), (220, 290), (700, 731)], ""),
    ("tx3", "G3", "CCC", "2", "-", [(10, 80)], 'tag "Ensembl_canonical";'),
    ("tx3long", "G3", "CCC", "2", "-", [(10, 180)], ""),
    ("tx4", "G4", "DDD", "1", "+", [(130, 180)], ""),
    ("far", "G5", "EEE", "1", "+", [(700, 900)], ""),
    ("other", "G6", "FFF", "GL0001", "+", [(0, 90)], ""),
]
SIZES = {"chr2": 400, "chr1": 800}


def letters(chrom):
    return "".join(random.Random(chrom).choices("ACGTacgt", k=SIZES[chrom]))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """genome.fa, annotation.gtf, transcripts.fa (of the canonical ones), regions.bed"""
    directory = tmp_path_factory.mktemp("genome")
    genome = {chrom: letters(chrom) for chrom in SIZES}
    (directory / "genome.fa").write_text(
        "".join(f">{chrom}\n{text}\n" for chrom, text in genome.items())
    )
    lines, records = [], []
    for name, gene, symbol, chrom, strand, exons, tag in TRANSCRIPTS:
        about = f'gene_id "{gene}"; transcript_id "{name}"; gene_name "{symbol}"; {tag}'
        lines += (
            f"{chrom}\ttest\texon\t{start + 1}\t{end}\t.\t{strand}\t.\t{about}\n"
            for start, end in exons
        )
        if name not in ("tx3long", "far", "other"):
            text = "".join(genome[f"chr{chrom}"][a:b] for a, b in exons)
            text = reverse_complement(text) if strand == "-" else text
            records.append(f">{name}\n{text}\n")
    (directory / "annotation.gtf").write_text("".join(lines))
    (directory / "transcripts.fa").write_text("".join(records))
    (directory / "regions.bed").write_text(
        "chr1\t100\t200\tone\t0\t+\nchr1\t150\t260\tone\t0\t+\n2\t0\t90\t.\t0\t-\n"
        "chr1\t100\t200\tboth\t0\t.\nchr1\t790\t801\tend\t0\t+\nchr1\t5\t5\tempty\t0\t+\n"
    )
    return directory


@pytest.fixture(scope="module")
def scanned(sequence_run, directory, tmp_path_factory):
    """The canonical transcripts, scanned; only to be read."""
    return load_run(sequence_run).scan(
        genome=directory / "genome.fa",
        gtf=directory / "annotation.gtf",
        out=tmp_path_factory.mktemp("scans") / "scan",
        **TILING,
    )


def body(path):
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.startswith(("#", "track"))]


def test_transcripts_are_those_of_a_fasta_of_them(
    sequence_run, scanned, directory, tmp_path
):
    of_fasta = load_run(sequence_run).scan(
        directory / "transcripts.fa",
        gtf=directory / "annotation.gtf",
        out=tmp_path / "scan",
        **TILING,
    )
    assert of_fasta.manifest["counts"]["sites"] > 0
    for name in (files.WINDOWS, files.SITES, files.BEDGRAPH):
        assert body(scanned.directory / name) == body(tmp_path / "scan" / name)
    # The GTF names its chromosomes otherwise than the genome does.
    on_genome = [f"chr{row}" for row in body(tmp_path / "scan" / "sites.genome.bed")]
    assert sorted(body(scanned.directory / "sites.genome.bed")) == sorted(on_genome)


def test_a_transcript_that_is_not_on_the_genome_is_listed(scanned):
    reasons = dict(zip(scanned.skipped["name"], scanned.skipped["reason"], strict=True))
    assert reasons == {"other": "chromosome is not in the genome"}
    assert scanned.manifest["genome_sha256"] and scanned.manifest["flags"]["genome"]


def test_the_profile_of_each_strand_has_the_real_sizes_of_the_chromosomes(scanned):
    pybigwig = pytest.importorskip("pyBigWig")
    for strand in ("plus", "minus"):
        bedgraph = body(scanned.directory / f"profile.{strand}.bedgraph")
        with pybigwig.open(str(scanned.directory / f"profile.{strand}.bw")) as track:
            assert track.chroms() == SIZES
            rows = [row.split("\t") for row in bedgraph]
            assert rows == sorted(rows, key=lambda row: (row[0], int(row[1])))
            for chrom in {row[0] for row in rows}:
                assert [
                    [chrom, str(start), str(end), f"{value:.6f}"]
                    for start, end, value in track.intervals(chrom)
                ] == [row for row in rows if row[0] == chrom]


def test_the_profile_is_the_highest_of_the_transcripts_over_a_position(scanned):
    windows = scanned.windows.query("name in ('tx1', 'tx4')")
    highest = {}
    for row in windows.itertuples():
        for position in range(row.start, row.end):
            # Position 130 of tx4 on is 30 of tx1 on; exon 1 of tx1 has 60 nt.
            where = position + (130 if row.name == "tx4" else 100)
            where += 140 if row.name == "tx1" and position >= 60 else 0
            highest[where] = max(row.probability, highest.get(where, 0))
    found = {}
    for line in body(scanned.directory / "profile.plus.bedgraph"):
        _chrom, start, end, value = line.split("\t")
        found |= dict.fromkeys(range(int(start), int(end)), float(value))
    assert found == pytest.approx(highest)


def test_genes_are_found_by_identifier_symbol_transcript_and_in_a_file(
    sequence_run, directory, tmp_path
):
    run = load_run(sequence_run)
    listed = tmp_path / "genes.txt"
    listed.write_text("# mine\nG1.7\nCCC\ntx3long\nCCC\nXYZ\n")
    inputs = {"genome": directory / "genome.fa", "gtf": directory / "annotation.gtf"}
    found = run.scan(genes=listed, **inputs, **TILING)
    assert list(dict.fromkeys(found.windows["name"])) == ["tx1", "tx3", "tx3long"]
    assert found.skipped[["name", "reason"]].to_numpy().tolist() == [
        ["XYZ", "gene is not in the annotation"]
    ]
    found = run.scan(genes=["BBB"], **inputs, **TILING)
    assert set(found.windows["name"]) == {"tx2"}
    with pytest.raises(UserError, match=r"1 gene is not in the annotation.*'XYZ'"):
        run.scan(genes=["XYZ"], **inputs, **TILING)


def test_regions_are_scanned_whole_and_the_others_listed(
    sequence_run, directory, tmp_path
):
    found = load_run(sequence_run).scan(
        genome=directory / "genome.fa", regions=directory / "regions.bed", **TILING
    )
    lengths = found.windows.groupby("name", sort=False)["end"].max().to_dict()
    assert lengths == {"one": 100, "one@chr1:150-260(+)": 110, "2:0-90(-)": 90}
    assert dict(zip(found.skipped["name"], found.skipped["reason"], strict=True)) == {
        "both": "no strand",
        "end": "past the end of the chromosome",
        "empty": "zero length",
    }
    genomic = pd.read_table(
        found.directory / "sites.genome.bed", header=None, comment="#", skiprows=4
    )
    (row, *_) = genomic[genomic[0] == "chr2"].itertuples(index=False)
    site = found.sites[found.sites["name"] == row[3]].iloc[0]
    assert (row[1], row[2]) == (90 - site["end"], 90 - site["start"])


def cells(line):
    """The cells of a line; numbers nearly, as batches of other sizes sum otherwise."""
    return [
        pytest.approx(float(cell), abs=1e-5) if re.fullmatch(r"0\.\d+", cell) else cell
        for cell in line.split("\t")
    ]


def test_an_interrupted_scan_of_a_genome_resumes_to_the_same_rows(
    sequence_run, scanned, directory, tmp_path, monkeypatch
):
    monkeypatch.setattr("deeprke_tf.scanning.scorer.WINDOWS_AT_ONCE", 10)
    stored = []
    add = ScoreStore.add

    def interrupted(store, origin, rnas):
        if stored:
            raise KeyboardInterrupt
        stored.append(rnas)
        add(store, origin, rnas)

    argv = ["--model", sequence_run, "--genome", directory / "genome.fa"]
    argv += ["--gtf", directory / "annotation.gtf", "--out", tmp_path / "scan"]
    argv += [f"--{name}={value}" for name, value in TILING.items()]
    monkeypatch.setattr(ScoreStore, "add", interrupted)
    assert scan.main([*map(str, argv)]) != 0 and stored
    monkeypatch.setattr(ScoreStore, "add", add)
    assert scan.main([*map(str, argv)]) == 0
    for name in ("sites.genome.bed", "profile.plus.bedgraph", files.WINDOWS):
        resumed = [line.split("\t") for line in body(tmp_path / "scan" / name)]
        for row, line in zip(resumed, body(scanned.directory / name), strict=True):
            numbers = re.compile(r"0\.\d+")
            row = [float(c) if numbers.fullmatch(c) else c for c in row]
            assert row == cells(line)
    manifest = json.loads((tmp_path / "scan" / "scan.json").read_text())
    assert manifest["scored_now"]["scanned"]["nt"] < manifest["counts"]["nt"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "Give the RNAs as --fasta, or --genome: one of the two"),
        (["--fasta", "x.fa", "--genome", "{genome}"], "one of the two"),
        (["--genome", "{genome}"], "give the transcripts to scan as --gtf or --bed12"),
        (["--fasta", "x.fa", "--genes", "A"], "--genes goes with --genome"),
        (
            ["--genome", "{genome}", "--genes", "A", "--regions", "x.bed"],
            "Give --genes or --regions, not both",
        ),
        (["--genome", "x.fa", "--regions", "{regions}"], "There is no genome x.fa"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(
    sequence_run, directory, flags, words, tmp_path, capsys
):
    names = {"genome": directory / "genome.fa", "regions": directory / "regions.bed"}
    argv = ["--model", str(sequence_run), "--out", str(tmp_path / "scan")]
    assert scan.main([*argv, *(flag.format(**names) for flag in flags)]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "scan").exists()
