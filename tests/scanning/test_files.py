import csv

import numpy as np
import pytest

from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.evaluation.calling import Calling
from deeprke_tf.genome.annotation import read_annotation
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.runs import bed
from deeprke_tf.scanning import files, genome_tracks, tracks
from deeprke_tf.scanning.fdr import Windows, call_at_fdr
from deeprke_tf.scanning.files import ScanWriter
from deeprke_tf.scanning.sources import windows_of
from deeprke_tf.scanning.store import ScoredRna, ScoreStore
from deeprke_tf.scanning.windows import Tiling

BED12 = """\
chr2\t1000\t1030\ttx2\t0\t-\t1000\t1030\t0\t2\t10,10\t0,20
chr1\t500\t525\ttx1\t0\t+\t500\t525\t0\t1\t25\t0
chr1\t0\t99\tlong\t0\t+\t0\t99\t0\t1\t99\t0
"""


def scored(name, row, length, probabilities, reasons=None):
    values = np.array(probabilities, np.float32)
    sds = np.where(np.isnan(values), np.nan, values / 8).astype(np.float32)
    return ScoredRna(name, row, length, values, reasons or {}, sds)


HEAD = (
    "# deeprke scan, model QKI, windows of 10 nt every 5 nt, each scored alone\n"
    "# threshold 0.5 (by hand)\n"
    "# calibration isotonic; prior 0.5 (that of the validation sites)\n"
)
# Calibrated probabilities are half the raw ones.
HALVED = Calibration("isotonic", prior=0.5, knots=((0.1, 0.05), (0.9, 0.45)))
# Windows of 10 nt every 5 nt.
RNAS = [
    scored("tx2", 1, 20, [0.25, 0.75, 0.5]),
    SkippedSite("short", 2, "shorter than k", "AC"),
    scored("tx1", 3, 25, [0.9, np.nan, 0.1, 0.8], {1: "nothing but N"}),
    scored("tiny", 4, 4, [0.1]),
    scored("long", 5, 12, [0.5, 0.5]),
]


def make_writer(out, store, calling, with_sd=False):
    return ScanWriter(
        *(out, store, Tiling(10, 5), calling, HALVED, None),
        model="QKI",
        with_sd=with_sd,
    )


@pytest.fixture
def store(tmp_path):
    with ScoreStore(tmp_path / "scores.sqlite") as store:
        store.begin("scanned", {})
        store.add("scanned", RNAS)
        yield store


@pytest.fixture
def writer(tmp_path, store):
    calling = Calling(0.5, "by hand")
    return make_writer(tmp_path, store, calling)


def data_lines(path):
    lines = path.read_text().splitlines()
    return [line for line in lines if not line.startswith(("#", "track"))]


def test_called_sites_are_a_sorted_bed_file(writer, tmp_path):
    assert writer.write_sites() == {"sites": 4, "rnas_with_sites": 3}
    assert (tmp_path / "sites.bed").read_text() == (
        f"{HEAD}"
        "# chrom start end name score strand probability summit q_value n_windows"
        " calibrated_probability\n"
        'track name="QKI sites" description="QKI sites, threshold 0.5 (by hand)"'
        ' color="0,114,178" useScore="1"\n'
        "long\t0\t12\tlong_site1\t500\t+\t0.500000\t5\t.\t2\t0.25\n"
        "tx1\t0\t10\ttx1_site1\t900\t+\t0.900000\t5\t.\t1\t0.45\n"
        "tx1\t15\t25\ttx1_site2\t800\t+\t0.800000\t20\t.\t1\t0.4\n"
        "tx2\t5\t20\ttx2_site1\t750\t+\t0.750000\t10\t.\t2\t0.375\n"
    )


def test_windows_are_listed_in_file_order_with_the_reason_they_lack_one(
    writer, tmp_path
):
    assert writer.write_windows() == {
        **{"rnas": 4, "nt": 61, "windows": 10, "without_probability": 1}
    }
    with open(tmp_path / "windows.tsv", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = [tuple(row.values()) for row in csv.DictReader(lines, delimiter="\t")]
    assert rows == [
        ("tx2", "0", "10", "0.250000", "0.125", "", ""),
        ("tx2", "5", "15", "0.750000", "0.375", "", ""),
        ("tx2", "10", "20", "0.500000", "0.25", "", ""),
        ("tx1", "0", "10", "0.900000", "0.45", "", ""),
        ("tx1", "5", "15", "", "", "", "nothing but N"),
        ("tx1", "10", "20", "0.100000", "0.05", "", ""),
        ("tx1", "15", "25", "0.800000", "0.4", "", ""),
        ("tiny", "0", "4", "0.100000", "0.05", "", ""),
        ("long", "0", "10", "0.500000", "0.25", "", ""),
        ("long", "2", "12", "0.500000", "0.25", "", ""),
    ]


def test_windows_of_an_ensemble_end_with_its_standard_deviation(store, tmp_path):
    writer = make_writer(tmp_path, store, Calling(0.5, "by hand"), with_sd=True)
    writer.write_windows()
    writer.write_sites()
    (header, *windows) = data_lines(tmp_path / "windows.tsv")
    assert header.endswith("\tskipped\tprobability_sd")
    assert [row.split("\t")[-1] for row in windows[3:6]] == ["0.112500", "", "0.012500"]
    # Genome browsers would read 12 columns as BED12.
    assert {row.count("\t") for row in data_lines(tmp_path / "sites.bed")} == {10}


def test_skipped_rnas_are_listed(writer, tmp_path):
    assert writer.write_skipped() == 1
    assert (tmp_path / "skipped.tsv").read_text() == (
        f"{HEAD}row\tname\treason\tdetail\n2\tshort\tshorter than k\tAC\n"
    )


def test_a_site_has_the_q_value_of_its_best_window(store, tmp_path):
    scanned = windows_of(store, "scanned", Tiling(10, 5))
    calling = call_at_fdr(scanned, Windows(np.linspace(0, 0.7, 999)), fdr=0.2)
    writer = make_writer(tmp_path, store, calling)
    writer.write_sites()
    rows = [line.split("\t") for line in data_lines(tmp_path / "sites.bed")]
    assert [(row[3], row[8]) for row in rows] == [
        *(("tx1_site1", "0.003"), ("tx1_site2", "0.003"), ("tx2_site1", "0.003")),
    ]


def test_the_profile_is_sorted_and_the_same_in_both_formats(writer, tmp_path):
    pybigwig = pytest.importorskip("pyBigWig")
    assert writer.write_profile() == ["profile.bedgraph", "profile.bw"]
    rows = [line.split("\t") for line in data_lines(tmp_path / "profile.bedgraph")]
    assert rows == sorted(rows, key=bed.in_order)
    assert [row for row in rows if row[0] == "tx1"] == [
        ["tx1", "0", "10", "0.900000"],
        ["tx1", "10", "15", "0.100000"],
        ["tx1", "15", "25", "0.800000"],
    ]
    with pybigwig.open(str(tmp_path / "profile.bw")) as bigwig:
        assert bigwig.chroms() == {"long": 12, "tiny": 4, "tx1": 25, "tx2": 20}
        for name in bigwig.chroms():
            found = [(str(a), str(b), f"{v:.6f}") for a, b, v in bigwig.intervals(name)]
            assert found == [tuple(row[1:]) for row in rows if row[0] == name]


def test_without_pybigwig_the_bedgraph_is_written_alone(writer, tmp_path, monkeypatch):
    monkeypatch.setattr(tracks, "bigwig_is_available", lambda: False)
    assert writer.write_profile() == ["profile.bedgraph"]
    assert not (tmp_path / "profile.bw").exists()


def test_sites_on_the_genome_have_a_block_for_each_exon(writer, tmp_path):
    (tmp_path / "genes.bed").write_text(BED12)
    annotation = read_annotation(tmp_path / "genes.bed", form="bed12")
    find = genome_tracks.finder(annotation)
    counts, unmapped = genome_tracks.write_sites(writer, find)
    assert counts == {"mapped_sites": 3}
    assert writer.write_unmapped(unmapped) == {"unmapped_sites": 1, "unmapped_rnas": 2}
    assert data_lines(tmp_path / genome_tracks.SITES) == [
        "chr1\t500\t510\ttx1_site1\t900\t+\t505\t506\t0\t1\t10\t0",
        "chr1\t515\t525\ttx1_site2\t800\t+\t520\t521\t0\t1\t10\t0",
        # 5 to 20 of 20 nt, read from the other strand: 0 to 15.
        "chr2\t1000\t1025\ttx2_site1\t750\t-\t1009\t1010\t0\t2\t10,5\t0,20",
    ]
    assert (tmp_path / files.UNMAPPED).read_text() == (
        f"{HEAD}name\treason\tn_sites\n"
        "tiny\tnot in the annotation\t0\n"
        "long\t12 nt in FASTA, 99 nt in the annotation\t1\n"
    )


def test_a_scan_without_any_rna_writes_files_without_rows(tmp_path):
    (tmp_path / "empty").mkdir()
    with ScoreStore(tmp_path / "empty/scores.sqlite") as store:
        calling = Calling(np.inf, "no window")
        writer = make_writer(tmp_path / "empty", store, calling)
        assert writer.write_windows()["windows"] == 0
        assert writer.write_sites() == {"sites": 0, "rnas_with_sites": 0}
        assert writer.write_profile() == ["profile.bedgraph"]
    assert data_lines(tmp_path / "empty/profile.bedgraph") == []
