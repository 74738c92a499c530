import csv
import gzip
import json
import random
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from deeprke_tf import load_run, predict
from deeprke_tf.evaluation import calling
from deeprke_tf.rna.structure import fold
from deeprke_tf.runs import layout, scorer
from deeprke_tf.runs.run import Run
from tests.support.small_runs import make_sites, run_command, write_table

pytest_plugins = ["tests.support.run_fixtures"]

HAIRPIN = "GGGGCAAAAGCCCC"


def predicted(model, sites, out, *flags):
    """The rows that `deeprke predict` writes, by its main."""
    argv = ["--model", str(model), "--sites", str(sites), "--out", str(out), *flags]
    assert predict.main(argv) == 0
    return rows_of(out.read_text())


def rows_of(text):
    lines = text.splitlines(keepends=True)
    table = [line for line in lines if not line.startswith("#")]
    return list(csv.DictReader(table, dialect="excel-tab"))


@pytest.fixture
def no_folding(monkeypatch):
    """Makes folding an error."""

    def refuse(*_arguments):
        raise AssertionError("Nothing is to be folded.")

    monkeypatch.setattr("deeprke_tf.rna.folding.fold", refuse)


def test_the_table_is_in_input_order_with_reasons_for_skipped_sites(
    sequence_run, tmp_path, no_folding
):
    fasta = tmp_path / "sites.fa"
    fasta.write_text(
        ">good\nACGUACGUACGU\n>short\nAC\n>foreign\nACGZACGT\n"
        f">dna; class:1\nacgtacgtacgt\n>long\n{'A' * 60}\n>good\nUUUUUUUU\n"
    )
    rows = predicted(sequence_run, fasta, tmp_path / "out.tsv", "--max-length", "50")
    assert [row["name"] for row in rows] == [
        *("good", "short", "foreign", "dna", "long", "good")
    ]
    assert [row["skipped"].partition(":")[0] for row in rows] == [
        *("", "shorter than k", "letters that are not nucleotides"),
        *("", "longer than the maximum length", ""),
    ]
    skipped = [row for row in rows if row["skipped"]]
    for name in ("probability", "calibrated_probability", "bound"):
        assert {row[name] for row in skipped} == {""}
    # DNA or RNA, labelled or not, one sequence has one probability.
    assert rows[0]["probability"] == rows[3]["probability"] != ""


def test_sites_unlike_the_training_sites_are_noted(
    sequence_run, tmp_path, no_folding, capsys
):
    longest = layout.read_manifest(sequence_run)["longest_site"]
    fasta = tmp_path / "sites.fa"
    fasta.write_text(f">as long\n{'A' * longest}\n")
    predicted(sequence_run, fasta, tmp_path / "out.tsv")
    assert "note: " not in capsys.readouterr().err
    long, much = "A" * (longest + 1), "A" * (longest + 2)
    fasta.write_text(f">longer\n{long}\n>short\nACGUACGU\n>too long\n{much}\n")
    flags = ("--max-length", str(longest + 1))
    predicted(sequence_run, fasta, tmp_path / "out.tsv", *flags)
    error = capsys.readouterr().err
    trained = f"those that the model was trained on, {longest} nt at most"
    assert f"note: scored 1 site longer than {trained}" in error
    assert f"note: scored 1 site much shorter than {trained}" in error
    assert "note: skipped 1 site longer than max_length" in error
    fasta.write_text(">protein\nMEEPQSDPSV\n")
    predicted(sequence_run, fasta, tmp_path / "out.tsv")
    assert "note: no site has a probability: all 1 were skipped" in (
        capsys.readouterr().err
    )


def test_a_site_is_bound_from_the_threshold_of_the_run_on(
    run, sites_files, tmp_path, no_folding
):
    rows = predicted(run, sites_files / "test.tsv", tmp_path / "out.tsv")
    threshold = json.loads((run / "manifest.json").read_text())["threshold"]
    assert {row["bound"] for row in rows} == {"0", "1"}
    for row in rows:
        assert row["bound"] == str(int(float(row["probability"]) >= threshold))


def test_evaluate_gives_the_same_probabilities(
    run, data, sites_files, tmp_path, no_folding
):
    rows = predicted(run, sites_files / "test.tsv", tmp_path / "out.tsv")
    labels = [site[2] for site in make_sites(40, seed=2)]
    found = sorted(
        (label, float(row["probability"]))
        for label, row in zip(labels, rows, strict=True)
    )
    sites = load_run(run).evaluate(data, n_bootstrap=1).sites
    expected = sorted(zip(sites["label"], sites["probability"], strict=True))
    assert [label for label, _ in found] == [label for label, _ in expected]
    assert [p for _, p in found] == pytest.approx([p for _, p in expected], abs=1e-6)


def test_given_structures_are_used(run, tmp_path, no_folding):
    table = tmp_path / "sites.tsv"
    stems = ["((((......))))", ".(((......))).", "((((......))))"]
    rows = [(f"s{i}", HAIRPIN, 0, stem) for i, stem in enumerate(stems)]
    write_table(table, rows)
    first, second, third = (
        float(row["probability"]) for row in predicted(run, table, tmp_path / "out.tsv")
    )
    assert first == third != second


def test_labels_are_ignored(sequence_run, tmp_path):
    texts = {"right": "1", "wrong": "yes", "none": ""}
    tables = []
    for name, label in texts.items():
        path = tmp_path / f"{name}.tsv"
        path.write_text(f"name\tsequence\tlabel\nsite\t{HAIRPIN}\t{label}\n")
        tables.append(predicted(sequence_run, path, tmp_path / "out.tsv"))
    assert tables[0] == tables[1] == tables[2]


@pytest.mark.parametrize(
    "text",
    [f">site\n{HAIRPIN}\n", f"sequence,name\n{HAIRPIN},site\n"],
    ids=["FASTA", "table"],
)
def test_every_format_gives_the_same_row(sequence_run, text, tmp_path):
    path = tmp_path / "sites"
    path.write_bytes(gzip.compress(text.encode()))
    (row,) = predicted(sequence_run, path, tmp_path / "out.tsv")
    assert row["name"] == "site"
    model = Run.load(sequence_run)
    ids = model.encoding.encode_sequence(HAIRPIN)
    score = scorer.scorer(model.model)({"sequence_kmers": ids[None]})
    assert float(row["probability"]) == pytest.approx(score[0], abs=1e-6)


def test_a_name_with_quotes_and_commas_is_read_back_whole(sequence_run, tmp_path):
    name = '# chr1, "the #2" 5\'-UTR; µ'
    path = tmp_path / "sites.fa"
    path.write_text(f">{name}\n{HAIRPIN}\n", encoding="utf-8")
    (row,) = predicted(sequence_run, path, tmp_path / "out.tsv")
    assert row["name"] == name
    table = pd.read_csv(tmp_path / "out.tsv", sep="\t", comment="#")
    assert table["name"].tolist() == [name]


def test_thousands_of_sites_stream_in_order(sequence_run, tmp_path):
    rng = random.Random(0)
    sequences = ["".join(rng.choices("ACGU", k=rng.randint(5, 30))) for _ in range(7)]
    sequences[3] = "AC"  # is skipped
    fasta = tmp_path / "many.fa"
    # 2,048 rows are read at once.
    cycle = [sequences[i % 7] for i in range(4_100)]
    fasta.write_text("".join(f">s{i}\n{s}\n" for i, s in enumerate(cycle)))
    rows = predicted(sequence_run, fasta, tmp_path / "out.tsv")
    assert [row["name"] for row in rows] == [f"s{i}" for i in range(4_100)]
    of_sequence = {}
    for row, sequence in zip(rows, cycle, strict=True):
        of_sequence.setdefault(sequence, []).append(row["probability"])
    assert set(of_sequence.pop("AC")) == {""}
    for probabilities in of_sequence.values():
        values = list(map(float, probabilities))
        assert max(values) - min(values) < 2e-6
    assert len({values[0] for values in of_sequence.values()}) > 1


def test_few_sites_are_scored_without_tensorflow(run, sites_files, tmp_path):
    """Loading it takes ten times as long as all the rest."""
    out = tmp_path / "out.tsv"
    argv = ["--model", str(run), "--sites", str(sites_files / "test.tsv")]
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, *argv, "--out", str(out)],
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "{}\n", ended.stderr
    expected = load_run(run).predict(sites_files / "test.tsv")["probability"]
    found = [float(row["probability"]) for row in rows_of(out.read_text())]
    np.testing.assert_allclose(found, expected, atol=1e-5)


SCRIPT = """
import sys
from deeprke_tf import predict
predict.main(sys.argv[1:])
loaded = {"tensorflow", "keras", "jax"} & set(sys.modules)
print(loaded or "{}")
"""


@pytest.mark.slow
def test_standard_input_goes_to_standard_output_with_nothing_but_the_table(
    run, tmp_path
):
    done = run_command(
        "predict",
        *("--model", run, "--sites", "-", "--workers", 1),
        input=f">site\n{HAIRPIN}\n>short\nAC\n",
    )
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line[:2] for line in lines[:3]] == ["# "] * 3
    assert lines[3] == "name\tprobability\tcalibrated_probability\tbound\tskipped"
    # TensorFlow logs nothing.
    lines = [line for line in done.stderr.replace("\r", "\n").split("\n") if line]
    lines = [line for line in lines if not line.startswith("predicting: ")]
    assert lines[0].startswith("read -: FASTA, 2 sites, 1 skipped")
    assert lines[1:] == ["wrote standard output"]
    folded, skipped = rows_of(done.stdout)
    assert skipped["skipped"].startswith("shorter than k")
    # Without a structure the MFE structure is taken.
    table = tmp_path / "sites.tsv"
    write_table(table, [("site", HAIRPIN, 0, fold(HAIRPIN)[0])])
    (given,) = predicted(run, table, tmp_path / "out.tsv")
    assert folded["probability"] == given["probability"]


# === Thresholds, calibration and several runs ===


def comments_of(path):
    return [line for line in path.read_text().splitlines() if line.startswith("#")]


@pytest.mark.parametrize(
    ("flags", "target"),
    [
        (["--recall", "0.5"], ("recall", 0.5)),
        (["--recall", "0.9", "--prior", "0.02"], ("recall", 0.9)),
        (["--precision", "0.34"], ("precision", 0.34)),
        (["--fdr", "0.6"], ("fdr", 0.6)),
    ],
)
def test_a_target_chooses_the_threshold_on_the_validation_sites(
    flags, target, run, sites_files, tmp_path, no_folding
):
    out = tmp_path / "out.tsv"
    rows = predicted(run, sites_files / "test.tsv", out, *flags)
    prior = 0.02 if "--prior" in flags else None
    expected = calling.call_on_validation(*layout.read_validation(run), target, prior)
    assert comments_of(out)[1] == f"# threshold {expected}"
    for row in rows:
        bound = float(row["probability"]) >= expected.threshold
        assert row["bound"] == str(int(bound))


def test_the_header_names_model_threshold_and_calibration(run, sites_files, tmp_path):
    out = tmp_path / "out.tsv"
    predicted(run, sites_files / "test.tsv", out)
    manifest = json.loads((run / "manifest.json").read_text())
    calibration = manifest["calibration"]
    assert comments_of(out) == [
        "# deeprke predict, model run",
        f"# threshold {calling.as_text(manifest['threshold'])} (of the model, largest "
        "MCC on its validation sites)",
        f"# calibration {calibration['method']}; prior {calibration['prior']:.4g} "
        "(that of the validation sites)",
    ]
    predicted(run, sites_files / "test.tsv", out, "--threshold", "0.5", "--prior", ".1")
    assert comments_of(out)[1:] == [
        "# threshold 0.5 (given as --threshold)",
        f"# calibration {calibration['method']}; prior 0.1 (given as --prior)",
    ]


def test_the_calibration_of_the_run_is_applied_unless_left_out(
    run, sites_files, tmp_path, no_folding
):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["calibration"] = {
        **{"method": "temperature", "prior": 0.3, "slope": 0.5, "intercept": -1.0},
    }
    (copy / "manifest.json").write_text(json.dumps(manifest))
    calibration = Run.load(copy).calibration
    out, sites = tmp_path / "out.tsv", sites_files / "test.tsv"

    def columns(*flags):
        rows = predicted(copy, sites, out, *flags)
        names = "probability", "calibrated_probability"
        return ([float(row[name]) for row in rows] for name in names)

    for prior in (None, 0.01):
        flags = [] if prior is None else ["--prior", str(prior)]
        raw, calibrated = columns(*flags)
        assert calibrated == pytest.approx(calibration(raw, prior), abs=2e-6)
    bare, equal = columns("--no-calibration")
    assert bare == equal == raw
    assert comments_of(out)[2].startswith("# calibration left out; prior 0.3 ")


def test_several_runs_are_averaged(
    run, sequence_run, sites_files, tmp_path, no_folding
):
    sites = sites_files / "test.tsv"
    alone = [predicted(r, sites, tmp_path / "one.tsv") for r in (run, sequence_run)]
    assert "probability_sd" not in alone[0][0]
    out = tmp_path / "both.tsv"
    flags = ["--model", str(run), str(sequence_run), "--sites", str(sites)]
    assert predict.main([*flags, "--out", str(out)]) == 0
    rows = rows_of(out.read_text())
    assert list(rows[0])[-1] == "probability_sd"
    for row, *pair in zip(rows, *alone, strict=True):
        values = [float(one["probability"]) for one in pair]
        assert float(row["probability"]) == pytest.approx(np.mean(values), abs=2e-6)
        sd = np.std(values, ddof=1)
        assert float(row["probability_sd"]) == pytest.approx(sd, abs=2e-6)
    assert {row["bound"] for row in rows} == {"0", "1"}
    first, second, _third = comments_of(out)
    assert "mean of 2 models: run, sequence_run; probability_sd is the sample" in first
    assert second.endswith("(largest MCC on validation sites)")


def test_an_ensemble_is_the_same_as_its_members(
    ensemble, run, sites_files, tmp_path, no_folding
):
    members = [ensemble / "seed-7", ensemble / "seed-8"]
    tables = {}
    for name, models in {
        "whole": [ensemble],
        "members": members,
        "more": [ensemble, run],
        "all": [*members, run],
    }.items():
        out = tmp_path / f"{name}.tsv"
        flags = ["--sites", str(sites_files / "test.tsv"), "--out", str(out)]
        assert predict.main(["--model", *map(str, models), *flags]) == 0
        tables[name] = rows_of(out.read_text())
    assert tables["whole"] == tables["members"]
    assert tables["more"] == tables["all"] != tables["whole"]
    assert list(tables["whole"][0])[-1] == "probability_sd"
    first, second, _third = comments_of(tmp_path / "whole.tsv")
    assert "mean of 2 models: ensemble/seed-7, ensemble/seed-8; probability" in first
    assert second.endswith("(of the model, largest MCC on its validation sites)")


def test_a_file_that_breaks_off_leaves_no_table(sequence_run, tmp_path, capsys):
    text = "".join(f">s{i}\n{HAIRPIN}\n" for i in range(5_000))
    path = tmp_path / "sites.fa.gz"
    path.write_bytes(gzip.compress(text.encode())[:-40])
    out = tmp_path / "out.tsv"
    flags = ["--model", str(sequence_run), "--sites", str(path), "--out", str(out)]
    assert predict.main(flags) == 1
    assert "the compressed data are cut off or damaged" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sites.fa.gz"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sites", "{tmp}/empty.fa"], "empty.fa is empty; expected FASTA or a table"),
        (["--sites", "{tmp}/none.fa"], "none.fa: No such file or directory."),
        (["--model", "{tmp}"], "is not a run of `deeprke train`"),
        (["--out", "{tmp}"], "is a directory; name a file."),
        (["--out", "{tmp}/sites.fa"], "is the file of --sites; name another."),
        (["--out", "{tmp}/sites.fa/out"], "sites.fa is a file; name a directory."),
        (["--max-length", "0"], "--max-length must be at least 1, got 0."),
        (["--fdr", "0.1", "--recall", "0.9"], "Give one of --fdr, --recall, not sever"),
        (["--threshold", "0", "--precision", "1"], "Give one of --threshold, --precis"),
        (["--fdr", "5"], "--fdr must be in [0, 1], got 5.0; write 0.05 for 5 %."),
        (["--prior", "20"], "must be between 1e-12 and 1, got 20.0; write 0.2 for"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0."),
        (["--strict", "--max-length", "5"], "'site', has no probability (longer than"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line_and_leave_nothing(
    flags, message, sequence_run, tmp_path, capsys
):
    (tmp_path / "empty.fa").touch()
    fasta = tmp_path / "sites.fa"
    fasta.write_text(f">site\n{HAIRPIN}\n")
    out = tmp_path / "out.tsv"
    base = ["--model", str(sequence_run), "--sites", str(fasta), "--out", str(out)]
    assert predict.main([*base, *(flag.format(tmp=tmp_path) for flag in flags)]) == 1
    error = capsys.readouterr().err
    assert "deeprke predict: error: " in error
    assert message in error
    assert "Traceback" not in error
    assert {path.name for path in tmp_path.iterdir()} == {"empty.fa", "sites.fa"}
    assert fasta.read_text() == f">site\n{HAIRPIN}\n"
