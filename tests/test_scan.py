import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from deeprke_tf import load_run, predict, scan
from deeprke_tf.evaluation import calling
from deeprke_tf.runs import layout
from deeprke_tf.scanning import files, scorer
from deeprke_tf.scanning.settings import ScanSettings
from deeprke_tf.scanning.store import ScoreStore
from deeprke_tf.system import directories

pytest_plugins = ["tests.support.run_fixtures"]

TILING = ("--window", "30", "--stride", "7")


def random_rna(length, seed):
    return "".join(random.Random(seed).choices("ACGU", k=length))


RNAS = {
    "tx1": random_rna(200, 1),
    "short": "AC",
    "tx2": "NNNN" + random_rna(80, 2) + "N" * 70 + random_rna(60, 3) + "NN",
    "tx3": random_rna(12, 4),
    "only_n": "N" * 40,
    "tx4": random_rna(90, 5),
}


@pytest.fixture(scope="module")
def rnas(tmp_path_factory):
    path = tmp_path_factory.mktemp("rnas") / "rnas.fa"
    path.write_text("".join(f">{name} of a test\n{r}\n" for name, r in RNAS.items()))
    return path


def run_scan(run, rnas, out, *flags):
    given = ["--model", str(run), "--fasta", str(rnas), "--out", str(out)]
    workers = ["--workers", "1"]
    return scan.main([*given, *TILING, *workers, *map(str, flags)])


@pytest.fixture(scope="module")
def scanned(run, rnas, tmp_path_factory):
    """A finished scan; only to be read."""
    out = tmp_path_factory.mktemp("scans") / "scan"
    assert run_scan(run, rnas, out) == 0
    return out


def test_rnas_of_standard_input_are_scanned(run, rnas, scanned, tmp_path, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(rnas.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run_scan(run, "-", tmp_path / "scan") == 0
    assert contents(tmp_path / "scan") == contents(scanned)


def table(path):
    with open(path, newline="") as file:
        rows = (line for line in file if not line.startswith("#"))
        return list(csv.DictReader(rows, delimiter="\t"))


def contents(directory):
    """The files of a scan; its manifest holds times, its scores are SQLite's pages."""
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and path.name not in (files.MANIFEST, "scores.sqlite")
    }


def test_a_window_has_the_probability_that_predict_gives_it_alone(
    run, scanned, tmp_path
):
    windows = table(scanned / "windows.tsv")
    sites = tmp_path / "windows.fa"
    with open(sites, "w") as file:
        for window in windows:
            start, end = int(window["start"]), int(window["end"])
            file.write(
                f">{window['name']}:{start}\n{RNAS[window['name']][start:end]}\n"
            )
    flags = ["--model", str(run), "--sites", str(sites), "--batch-size", "3"]
    assert predict.main([*flags, "--out", str(tmp_path / "alone.tsv")]) == 0
    alone = table(tmp_path / "alone.tsv")
    assert len(windows) == len(alone) == 25 + 1 + 29 + 1 + 10 - 1
    for window, site in zip(windows, alone, strict=True):
        if not site["probability"]:
            assert window["skipped"] and window["probability"] == ""
            continue
        assert float(window["probability"]) == pytest.approx(
            float(site["probability"]), abs=2e-6
        )


def test_an_ensemble_scans_with_its_mean(ensemble, tmp_path):
    rna = tmp_path / "rna.fa"
    rna.write_text(f">tx3\n{RNAS['tx3']}\n")
    assert run_scan(ensemble, rna, tmp_path / "scan", "--recall", "1") == 0
    (window,) = table(tmp_path / "scan" / "windows.tsv")
    flags = ["--model", str(ensemble), "--sites", str(rna), "--workers", "1"]
    out = tmp_path / "alone.tsv"
    assert predict.main([*flags, "--recall", "1", "--out", str(out)]) == 0
    (site,) = table(out)
    for name in ("probability", "calibrated_probability", "probability_sd"):
        assert float(window[name]) == pytest.approx(float(site[name]), abs=2e-6)
    threshold = json.loads((tmp_path / "scan" / "scan.json").read_text())["threshold"]
    text = calling.as_text(threshold)
    assert f"# threshold {text} (recall 1 on validation" in out.read_text()


def test_python_scans_into_tables_and_tracks(ensemble, rnas, tmp_path):
    found = load_run(ensemble).scan(rnas, window=30, stride=7, threshold=0.3)
    assert found.threshold == 0.3
    windows = found.windows
    assert len(windows) == 65
    assert list(windows.columns)[-2:] == ["skipped", "probability_sd"]
    assert windows["probability"].isna().sum() == (windows["skipped"] != "").sum() > 0
    sites = found.sites
    assert len(sites) == found.manifest["counts"]["sites"] > 0
    assert list(sites.columns)[-2:] == ["calibrated_probability", "probability_sd"]
    assert (sites["probability"] >= 0.3).all() and sites["q_value"].isna().all()
    best = windows.loc[windows.groupby("name")["probability"].idxmax()]
    best = best.set_index("name")
    for rna, rows in sites.groupby("chrom"):
        for column in ("probability", "probability_sd"):
            found_best = rows.loc[rows["probability"].idxmax(), column]
            assert found_best == pytest.approx(best[column][rna], abs=1e-6)
    bed = found.to_bed(tmp_path / "sites.bed").read_text()
    assert bed.count("_site") == len(sites)
    text = found.to_bedgraph(tmp_path / "profile.bedgraph").read_text()
    assert 'type="bedGraph"' in text
    assert f"{len(sites)} sites on" in repr(found)


def test_a_finished_scan_is_called_anew_without_reading_the_rnas(
    run, rnas, scanned, tmp_path, monkeypatch
):
    out = shutil.copytree(scanned, tmp_path / "scan")
    monkeypatch.setattr("deeprke_tf.scanning.rnas.read_rnas", None)
    settings = {"window": 30, "stride": 7, "out": out}
    none = load_run(run).scan(rnas, **settings, threshold=1)
    assert len(none.sites) == 0 and none.sites.columns[0] == "chrom"
    assert len(load_run(run).scan(rnas, **settings, threshold=0).sites) > 0


def test_names_that_readers_of_tracks_skip_are_changed(sequence_run, tmp_path, capsys):
    names = ["#hash", "track1", "browser", "tx"]
    fasta = tmp_path / "names.fa"
    fasta.write_text("".join(f">{name}\n{RNAS['tx4']}\n" for name in names))
    out = tmp_path / "scan"
    flags = ("--threshold", "0", "--plot", "#hash")
    assert run_scan(sequence_run, fasta, out, *flags) == 0
    assert "in front: _#hash, _track1, _browser" in capsys.readouterr().err
    sites = pd.read_csv(out / "sites.bed", sep="\t", header=None, skiprows=5)
    assert sites[0].tolist() == ["_#hash", "_browser", "_track1", "tx"]
    assert len(list((out / "plots").iterdir())) == 2


def test_rnas_unlike_the_training_sites_are_noted(sequence_run, tmp_path, capsys):
    fasta = tmp_path / "rnas.fa"
    fasta.write_text(">protein\nMEEPQSDPSV\n")
    assert run_scan(sequence_run, fasta, tmp_path / "none", "--threshold", "1") == 0
    assert "note: no RNA was scanned: all 1 were skipped" in capsys.readouterr().err
    fasta.write_text(">short\nACGUAC\n")
    flags = ("--threshold", "1", "--window", "50", "--stride", "9")
    assert run_scan(sequence_run, fasta, tmp_path / "short", *flags) == 0
    error = capsys.readouterr().err
    assert "note: windows of 50 nt are longer than those that the model was" in error
    assert "note: scanned 1 RNA much shorter than the sites that the model was" in error
    (tmp_path / "genes.gtf").write_text(
        'chr1\tx\texon\t1\t6\t.\t+\t.\ttranscript_id "other";\n'
    )
    flags = (*flags, "--gtf", tmp_path / "genes.gtf")
    assert run_scan(sequence_run, fasta, tmp_path / "short", *flags) == 0
    assert "genes.gtf has none of the 1 RNAs, such as short" in capsys.readouterr().err
    assert "not in the annotation" in (tmp_path / "short" / "unmapped.tsv").read_text()


def test_windows_lie_where_the_letters_of_the_record_are(scanned):
    places = {}
    for window in table(scanned / "windows.tsv"):
        place = int(window["start"]), int(window["end"]), window["skipped"]
        places.setdefault(window["name"], []).append(place)
    assert places["tx3"] == [(0, 12, "")]
    assert places["tx4"][-2:] == [(56, 86, ""), (60, 90, "")]
    # N from 84 to 154; of the last window, the two letters behind are no k-mer.
    unknown = {start: reason for start, _, reason in places["tx2"] if reason}
    assert unknown == {
        **dict.fromkeys(range(84, 120, 7), "nothing but N"),
        **{126: "shorter than k"},
    }


def test_rnas_that_cannot_be_scanned_are_listed(scanned):
    assert [(row["row"], row["name"]) for row in table(scanned / "skipped.tsv")] == [
        *(("2", "short"), ("5", "only_n")),
    ]


def test_strict_refuses_a_finished_scan_with_skipped_rnas_too(
    run, rnas, scanned, tmp_path, capsys
):
    out = shutil.copytree(scanned, tmp_path / "scan")
    assert run_scan(run, rnas, out, "--strict") == 1
    assert "RNA 2, 'short', cannot be scanned" in capsys.readouterr().err
    assert contents(out) == contents(scanned)


def test_the_manifest_has_threshold_and_model(run, scanned):
    manifest = json.loads((scanned / "scan.json").read_text())
    of_model = json.loads((run / "manifest.json").read_text())
    assert manifest["threshold"] == of_model["threshold"]
    assert manifest["threshold_chosen"].startswith("of the model")
    assert manifest["model_sha256"] == of_model["model_sha256"]
    assert manifest["counts"]["nt"] == 200 + 216 + 12 + 90
    assert all((scanned / name).exists() for name in manifest["files"])


def test_an_interrupted_scan_resumes_to_the_same_bytes(
    run, rnas, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(scorer, "WINDOWS_AT_ONCE", 8)
    assert run_scan(run, rnas, tmp_path / "whole") == 0
    add, added = ScoreStore.add, []

    def add_two(store, origin, batch):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append([rna.row for rna in batch])
        add(store, origin, batch)

    with monkeypatch.context() as patch:
        patch.setattr(ScoreStore, "add", add_two)
        assert run_scan(run, rnas, tmp_path / "part") == 130
    assert added == [[1], [2, 3]]
    assert not (tmp_path / "part/scan.json").exists()
    assert run_scan(run, rnas, tmp_path / "part") == 0
    assert "resuming after RNA 3 of" in capsys.readouterr().err
    manifest = json.loads((tmp_path / "part/scan.json").read_text())
    assert manifest["scored_now"]["scanned"]["nt"] == 12 + 90
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_another_threshold_needs_no_new_scoring(run, rnas, tmp_path, monkeypatch):
    out = tmp_path / "scan"
    assert run_scan(run, rnas, out, "--threshold", "1") == 0
    assert "\ntx" not in (out / "sites.bed").read_text()
    (out / "tx.bed").write_text("chr1\t7\t207\ttx1\t0\t-\t7\t207\t0\t1\t200\t0\n")
    monkeypatch.setattr(scorer.WindowScorer, "score", None)
    monkeypatch.setattr(scorer.WindowScorer, "shared", None)
    again = ("--threshold", "0", "--bed12", out / "tx.bed", "--plot", "tx1")
    assert run_scan(run, rnas, out, *again) == 0
    (mapped,) = [
        line.split("\t")
        for line in (out / "sites.genome.bed").read_text().splitlines()
        if line.startswith("chr1")
    ]
    assert mapped[:4] == ["chr1", "7", "207", "tx1_site1"]
    assert len(list((out / "plots").iterdir())) == 2
    assert run_scan(run, rnas, out) == 0
    left = {path.name for path in out.iterdir()}
    assert not {"sites.genome.bed", "unmapped.tsv", "plots"} & left


def test_an_fdr_gives_each_window_a_q_value_and_the_seed_fixes_it(run, rnas, tmp_path):
    outs = [tmp_path / name for name in ("first", "again")]
    for out in outs:
        assert run_scan(run, rnas, out, "--fdr", "0.5", "--seed", "3") == 0
    assert contents(outs[0]) == contents(outs[1])
    windows = [row for row in table(outs[0] / "windows.tsv") if not row["skipped"]]
    assert all(0 < float(row["q_value"]) <= 1 for row in windows)
    manifest = json.loads((outs[0] / "scan.json").read_text())
    speed = manifest["scored_now"]
    # 66 windows, so that the RNAs are shuffled 31 times to make 2,000.
    assert speed["background"]["nt"] == 31 * speed["scanned"]["nt"]
    # Shuffling destroys decoys: validation has them, 36 sites of which 12 are bound.
    chosen = manifest["threshold_chosen"]
    labels, _probabilities = layout.read_validation(run)
    n_background = int((labels == 0).sum())
    assert f"like the {n_background} background sites of validation" in chosen


def test_rnas_are_shuffled_as_often_as_asked_for(run, rnas, tmp_path, monkeypatch):
    monkeypatch.setattr(scorer, "WINDOWS_AT_ONCE", 8)
    out = tmp_path / "scan"
    assert run_scan(run, rnas, out, "--fdr", "0.5", "--shuffles", "2") == 0
    with ScoreStore(out / "scores.sqlite") as store:
        background = list(store.scored("background"))
        assert [rna.name for rna in background] == [
            *("tx1", "tx1", "tx2", "tx2", "tx3", "tx3", "tx4", "tx4"),
        ]
        first, second = background[:2]
        assert first.probabilities.tolist() != second.probabilities.tolist()
        assert len(list(store.skipped("background"))) == 2


def test_a_target_precision_is_a_target_fdr():
    assert ScanSettings(precision=0.75).target_fdr == 0.25


def test_a_recall_is_that_on_the_validation_sites_of_the_model(run, rnas, tmp_path):
    out = tmp_path / "scan"
    assert run_scan(run, rnas, out, "--recall", "0.75") == 0
    manifest = json.loads((out / "scan.json").read_text())
    labels, probabilities = layout.read_validation(run)
    bound = probabilities[labels == 1]
    called = bound >= manifest["threshold"]
    assert np.mean(called) >= 0.75 > np.mean(bound > bound[called].min())
    assert manifest["threshold_chosen"].startswith("recall 0.75 on validation sites: ")


def test_every_table_and_track_says_how_it_was_called(run, rnas, tmp_path):
    out = tmp_path / "scan"
    assert run_scan(run, rnas, out, "--threshold", "0.25", "--no-calibration") == 0
    prior = layout.read_validation(run)[0].mean()
    for name in ("sites.bed", "profile.bedgraph", "windows.tsv", "skipped.tsv"):
        assert (out / name).read_text().splitlines()[:3] == [
            f"# deeprke scan, model {run.name}, windows of 30 nt every 7 nt, "
            "each scored alone",
            "# threshold 0.25 (given as --threshold)",
            f"# calibration left out; prior {prior:.4f} (that of the validation sites)",
        ]


def test_a_background_can_be_given(run, rnas, tmp_path):
    background = tmp_path / "background.fa"
    background.write_text(f">b\n{random_rna(600, 9)}\n")
    flags = ("--fdr", "0.1", "--background", background)
    assert run_scan(run, rnas, tmp_path / "scan", *flags) == 0
    manifest = json.loads((tmp_path / "scan/scan.json").read_text())
    assert manifest["scored_now"]["background"]["nt"] == 600
    assert "validation" not in manifest["threshold_chosen"]


def test_skipped_background_rnas_are_noted_and_names_do_not_matter(
    run, tmp_path, capsys
):
    rna, background = tmp_path / "rna.fa", tmp_path / "background.fa"
    rna.write_text(f">tx3\n{RNAS['tx3']}\n")
    letters = [random_rna(30, seed) for seed in range(3)]
    records = [*letters, "AC", "ACGEEU", "AC"]
    background.write_text("".join(f">intergenic {r}\n{r}\n" for r in records))
    flags = ("--fdr", "0.1", "--background", background)
    assert run_scan(run, rna, tmp_path / "scan", *flags) == 0
    with ScoreStore(tmp_path / "scan" / "scores.sqlite") as store:
        assert len(store.lengths("background")) == 3
    error = capsys.readouterr().err
    assert f"note: 3 of 6 RNAs of {background} were skipped: shorter than k" in error
    assert "(2), letters that are not nucleotides" in error


def test_two_scans_do_not_write_into_one_directory(run, rnas, tmp_path, capsys):
    with directories.only_process(tmp_path / "scan"):
        assert run_scan(run, rnas, tmp_path / "scan", "--overwrite") == 1
    assert "Another process is scanning into" in capsys.readouterr().err
    assert not (tmp_path / "scan").exists()


def test_a_run_without_validation_sites_is_refused_before_the_work(
    run, rnas, tmp_path, capsys
):
    copied = shutil.copytree(run, tmp_path / "run")
    (copied / layout.VALIDATION).unlink()
    assert run_scan(copied, rnas, tmp_path / "scan", "--fdr", "0.1") == 1
    assert "validation.csv" in capsys.readouterr().err
    assert not (tmp_path / "scan").exists()


def test_the_threshold_of_the_model_is_noted(run, rnas, tmp_path, capsys):
    out = tmp_path / "scan"
    assert run_scan(run, rnas, out) == 0
    note = "note: the threshold of the model suits the fraction of bound sites in"
    assert note in capsys.readouterr().err
    assert run_scan(run, rnas, out, "--threshold", "0.5") == 0
    assert "note" not in capsys.readouterr().err


def test_a_smaller_prior_lowers_the_calibrated_probability_alone(
    run, rnas, scanned, tmp_path
):
    out = tmp_path / "scan"
    shutil.copytree(scanned, out)
    assert run_scan(run, rnas, out, "--prior", "0.001") == 0
    pairs = zip(table(scanned / "windows.tsv"), table(out / "windows.tsv"), strict=True)
    for before, after in pairs:
        assert before["probability"] == after["probability"]
        if not before["skipped"]:
            calibrated = [float(w["calibrated_probability"]) for w in (before, after)]
            assert calibrated[1] < calibrated[0]


def test_another_scan_in_out_is_refused_and_kept(run, rnas, scanned, capsys):
    assert run_scan(run, rnas, scanned, "--stride", "9") == 1
    error = capsys.readouterr().err
    assert "holds a scan with another stride; name another --out" in error
    assert len(table(scanned / "windows.tsv")) == 65
    assert (scanned / "scan.json").exists()


def test_a_directory_of_other_files_is_refused_and_kept(run, rnas, tmp_path, capsys):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "mine.png").write_text("mine")
    assert run_scan(run, rnas, tmp_path) == 1
    assert f"--out {tmp_path} is not empty and holds no scan" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plots"]
    assert (tmp_path / "plots" / "mine.png").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--threshold", "0.5", "--fdr", "0.1"],
            "Give one of --threshold, --fdr, not several",
        ),
        (["--threshold", "1.5"], r"--threshold must be in [0, 1], got 1.5"),
        (
            ["--precision", "0.9", "--recall", "0.8"],
            "one of --precision, --recall, not",
        ),
        (["--fdr", "5"], "write 0.05 for 5 %"),
        (["--shuffles", "0"], "--shuffles must be at least 1, got 0"),
        (["--fdr", "0.1", "--background", "-"], "to a file for --background"),
        (["--recall", "80"], "--recall must be between 0 and 1, got 80.0"),
        (["--background", "b.fa"], "--background is for --fdr"),
        (["--gtf", "a", "--bed12", "b"], "--gtf or --bed12, not both"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--window", "2"], "--window must be at least k, 3 nt here, got 2"),
        (["--stride", "31"], "stride must be between 1 and the window of 30 nt"),
        (["--plot", "only_n"], "--plot only_n: "),
        (["--prior", "2"], "prior, the fraction of bound sites, must be between 1e-12"),
        (["--gtf", "none.gtf"], "Cannot read none.gtf"),
        (["--strict"], "RNA 2, 'short', cannot be scanned (shorter than k), and --st"),
        (["--fdr", "0.1", "--background", "no.fa"], "Cannot read no.fa"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_written(
    run, rnas, tmp_path, capsys, flags, message
):
    assert run_scan(run, rnas, tmp_path / "scan", *flags) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "scan").exists()


def test_a_pipe_is_refused_at_once(run, tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert run_scan(run, pipe, tmp_path / "scan") == 1
    assert "for --fasta: it is read more than once" in capsys.readouterr().err


def test_an_rna_is_scored_alike_alone_and_among_others(run, tmp_path):
    files = {"alone.fa": ["tx1"], "among.fa": ["tx4", "tx3", "tx1", "tx2"]}
    rows = []
    for name, names in files.items():
        path = tmp_path / name
        path.write_text("".join(f">{n}\n{RNAS[n]}\n" for n in names))
        assert run_scan(run, path, tmp_path / path.stem) == 0
        windows = table(tmp_path / path.stem / "windows.tsv")
        rows.append([float(r["probability"]) for r in windows if r["name"] == "tx1"])
    assert rows[0] == pytest.approx(rows[1], abs=2e-6)


def test_a_model_without_structure_scans_without_tensorflow(
    sequence_run, rnas, tmp_path
):
    """However much there is to scan."""
    argv = ["--model", str(sequence_run), "--fasta", str(rnas), *TILING]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *argv, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert ended.stdout.endswith("\n{}\n"), ended.stderr
    assert run_scan(sequence_run, rnas, tmp_path / "few") == 0
    found, few = (
        pd.read_csv(tmp_path / out / "windows.tsv", sep="\t", comment="#")
        for out in ("out", "few")
    )
    pd.testing.assert_frame_equal(found, few, atol=2e-6)


SCRIPT = """
import sys
from deeprke_tf import scan
from deeprke_tf.scanning import job
job.FEW_NT = 0
scan.main(sys.argv[1:])
loaded = {"tensorflow", "keras", "jax"} & set(sys.modules)
print(loaded or "{}")
"""


def test_wrong_workers_are_refused_before_anything_is_deleted(
    sequence_run, rnas, tmp_path, capsys
):
    out = tmp_path / "scan"
    assert run_scan(sequence_run, rnas, out) == 0
    kept = contents(out)
    flags = ("--overwrite", "--workers", "0")
    assert run_scan(sequence_run, rnas, out, *flags) == 1
    assert "--workers must be at least 1, got 0" in capsys.readouterr().err
    assert contents(out) == kept


def test_a_damaged_onnx_file_is_told_before_the_work(
    sequence_run, rnas, tmp_path, capsys
):
    damaged = shutil.copytree(sequence_run, tmp_path / "damaged")
    with open(damaged / "model.onnx", "ab") as file:
        file.write(b"?")
    assert run_scan(damaged, rnas, tmp_path / "scan") == 1
    assert "model.onnx is not the file that training wrote" in capsys.readouterr().err


def test_a_model_without_structure_folds_nothing(
    sequence_run, rnas, tmp_path, monkeypatch
):
    monkeypatch.setattr("deeprke_tf.rna.folding.FoldingPool.structures", None)
    out = tmp_path / "scan"
    assert run_scan(sequence_run, rnas, out, "--threshold", "0", "--plot", "tx2") == 0
    assert len(list((out / "plots").iterdir())) == 2
