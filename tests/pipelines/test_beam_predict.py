"""`deeprke predict` by Apache Beam, against its own tables without a runner."""

import csv
import itertools
import json
import os
import shutil

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

import pyarrow.parquet

from deeprke_tf import export, load_run, predict
from pipelines.beam import folding
from pipelines.beam import predict as beam_predict
from pipelines.beam.job import BeamJob
from tests.support.small_runs import make_sites

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture
def served(exported_run):
    """A model that reads both views, exported."""
    return exported_run


@pytest.fixture(scope="module")
def served_sequence(sequence_run, tmp_path_factory):
    """A model that reads the sequence alone, exported."""
    directory = tmp_path_factory.mktemp("serving") / "PUM2"
    assert export.main(["--model", str(sequence_run), "--out", str(directory)]) == 0
    return directory


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """60 sites, the first 40 with structures, and two that are none."""
    path = tmp_path_factory.mktemp("sites") / "new.tsv"
    rows = [("name", "sequence", "structure"), ("none", "NNN", "")]
    for i, (name, sequence, _label, dot_bracket) in enumerate(make_sites(60, seed=8)):
        rows.append((f"{name}#{i}", sequence, dot_bracket if i < 40 else ""))
    rows.append(("foreign", "ACGZ", ""))
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return path


def run_beam(*arguments):
    flags = [*map(str, arguments), "--runner", "DirectRunner"]
    assert predict.main(flags) == 0


def error_of(capsys, *arguments):
    flags = [*map(str, arguments), "--runner", "DirectRunner"]
    assert predict.main(flags) == 1
    (line,) = (
        line for line in capsys.readouterr().err.splitlines() if "error:" in line
    )
    return line


def rows_of(path):
    lines = [line for line in path.open() if not line.startswith("#")]
    return list(csv.DictReader(lines, dialect="excel-tab"))


def predicted(run, sites, directory, *flags):
    out = directory / "predicted.tsv"
    given = ["--model", str(run), "--sites", str(sites), "--out", str(out)]
    assert predict.main([*given, *flags]) == 0
    return rows_of(out)


def assert_same_rows(rows, expected):
    assert len(rows) == len(expected)
    for row, wanted in zip(rows, expected, strict=True):
        for column in ("name", "bound", "skipped"):
            assert row[column] == wanted[column]
        for column in ("probability", "calibrated_probability"):
            if wanted[column]:
                assert float(row[column]) == pytest.approx(
                    float(wanted[column]), abs=1e-5
                )
            else:
                assert row[column] == ""


def test_shards_are_the_table_of_predict_in_the_order_of_the_input(
    run, served, sites, tmp_path
):
    out = tmp_path / "scores"
    contents = beam_predict.predict(
        *([str(served)], str(sites), str(out), BeamJob("DirectRunner", [])),
        sites_per_shard=25,
        sites_per_piece=7,
    )
    names = [f"QKI-0000{i}-of-00003.tsv" for i in range(3)]
    assert sorted(os.listdir(out)) == [*names, "scores.json"]
    shards = [rows_of(out / name) for name in names]
    assert [len(rows) for rows in shards] == [25, 25, 12]
    assert_same_rows(list(itertools.chain(*shards)), predicted(run, sites, tmp_path))
    assert contents == json.loads((out / "scores.json").read_text())
    assert contents["inputs"][0]["n_sites"] == 62
    (model,) = contents["models"]
    assert model["skipped"] == {
        "nothing but N": 1,
        "letters that are not nucleotides": 1,
    }
    first = (out / names[0]).read_text().splitlines()[0]
    assert first == "# deeprke predict, model QKI, version 1"


def test_a_run_needs_no_export_and_takes_a_threshold_and_a_prior(
    ensemble, sites, tmp_path
):
    out = tmp_path / "scores"
    calling = ["--threshold", "0.4", "--prior", "0.2"]
    flags = ["--model", ensemble, "--sites", sites, *calling]
    run_beam(*flags, "--out", out)
    (table,) = out.glob("*.tsv")
    assert predict.main([*map(str, flags), "--out", str(tmp_path / "local.tsv")]) == 0
    assert_same_rows(rows_of(table), rows_of(tmp_path / "local.tsv"))
    assert rows_of(table)[5]["probability_sd"]
    lines = (tmp_path / "local.tsv").read_text().splitlines()
    assert table.read_text().splitlines()[:4] == lines[:4]


def test_parquet_holds_the_same_and_a_model_without_structure_folds_nothing(
    sequence_run, served_sequence, sites, tmp_path, capsys
):
    out = tmp_path / "scores"
    flags = ["--model", served_sequence / "1", "--sites", sites, "--out", out]
    run_beam(*flags, "--format", "parquet")
    assert "sequences_folded" not in capsys.readouterr().err
    table = pyarrow.parquet.read_table(out / "PUM2-00000-of-00001.parquet")
    expected = predicted(sequence_run, sites, tmp_path)
    assert table.num_rows == len(expected)
    for row, wanted in zip(table.to_pylist(), expected, strict=True):
        assert (row["name"], row["skipped"]) == (wanted["name"], wanted["skipped"])
        if wanted["probability"]:
            assert row["probability"] == pytest.approx(
                float(wanted["probability"]), abs=1e-5
            )
            assert row["bound"] == bool(int(wanted["bound"]))
        else:
            assert row["probability"] is None and row["bound"] is None


def test_an_ensemble_has_its_standard_deviation(
    ensemble, exported_ensemble, sites, tmp_path
):
    out = tmp_path / "scores"
    flags = ["--model", exported_ensemble, "--sites", sites, "--out", out]
    run_beam(*flags, "--format", "parquet")
    table = pyarrow.parquet.read_table(out / "QKI-00000-of-00001.parquet")
    for row, wanted in zip(
        table.to_pylist(), predicted(ensemble, sites, tmp_path), strict=True
    ):
        for column in ("probability", "calibrated_probability", "probability_sd"):
            expected = float(wanted[column]) if wanted[column] else None
            assert row[column] == pytest.approx(expected, abs=1e-5)


def renamed(served, directory):
    """The same model under another name."""
    copied = shutil.copytree(served, directory)
    card = copied / "1" / "model_card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"name": copied.name}))
    return copied


def test_several_models_fold_once_and_an_rna_that_does_not_fold_is_listed(
    served, sites, tmp_path, monkeypatch, capsys
):
    other = renamed(served, tmp_path / "other")
    refused = None
    fold = folding.fold

    def failing(sequence, settings):
        nonlocal refused
        refused = refused or sequence
        if sequence == refused:
            raise RuntimeError("too large")
        return fold(sequence, settings)

    monkeypatch.setattr(folding, "fold", failing)
    out, cache = tmp_path / "scores", tmp_path / "folds.sqlite"
    flags = ["--model", served, other, "--sites", sites, "--out", out]
    run_beam(*flags, "--fold-cache", cache)
    for name in ("QKI", "other"):
        rows = rows_of(out / f"{name}-00000-of-00001.tsv")
        rows_refused = [row for row in rows if "could not be folded" in row["skipped"]]
        assert [row["skipped"] for row in rows_refused] == [
            "could not be folded: RuntimeError: too large"
        ]
        assert len([row for row in rows if row["probability"]]) == 59
    assert "counted sequences_folded: 19" in capsys.readouterr().err


@pytest.fixture(scope="module")
def served_joint(joint_run, tmp_path_factory):
    """A joint model, exported."""
    return load_run(joint_run).export(tmp_path_factory.mktemp("joint") / "AB").parent


def test_a_joint_model_has_the_tables_of_predict(
    joint_run, served_joint, sites, tmp_path
):
    both = ["--model", joint_run, served_joint, "--sites", sites]
    run_beam(*both, "--rbp", "B", "A", "--out", tmp_path / "long")
    expected = predicted(joint_run, sites, tmp_path, "--rbp", "B", "A")
    for name in ("joint_run", "AB"):
        rows = rows_of(tmp_path / "long" / f"{name}-00000-of-00001.tsv")
        assert [list(row) for row in rows] == [list(row) for row in expected]
        for row, wanted in zip(rows, expected, strict=True):
            for column, text in wanted.items():
                if column in ("name", "rbp", "bound", "skipped") or not text:
                    assert row[column] == text
                else:
                    assert float(row[column]) == pytest.approx(float(text), abs=1e-5)
    contents = json.loads((tmp_path / "long" / "scores.json").read_text())
    for model in contents["models"]:
        assert list(model["thresholds"]) == ["B", "A"]
        assert model["shards"][0]["n_sites"] == 62


def test_a_joint_model_has_wide_tables(joint_run, served_joint, sites, tmp_path):
    flags = ["--model", joint_run, served_joint, "--sites", sites, "--wide"]
    run_beam(*flags, "--rbp", "B", "--out", tmp_path / "one")
    for name in ("joint_run", "AB"):
        (row, *_) = rows_of(tmp_path / "one" / f"{name}-00000-of-00001.tsv")
        assert list(row) == ["name", "B", "skipped"]
    run_beam(*flags, "--format", "parquet", "--out", tmp_path / "wide")
    expected = predicted(joint_run, sites, tmp_path, "--wide")
    for name in ("joint_run", "AB"):
        path = tmp_path / "wide" / f"{name}-00000-of-00001.parquet"
        table = pyarrow.parquet.read_table(path)
        assert table.column_names == ["name", "A", "B", "skipped"]
        for rbp in "AB":
            wanted = [float(row[rbp]) if row[rbp] else None for row in expected]
            assert table[rbp].to_pylist() == pytest.approx(wanted, abs=1e-5)


def test_rbps_that_a_model_lacks_are_named(
    served, served_joint, joint_run, sites, tmp_path, capsys
):
    flags = ["--sites", sites, "--out", tmp_path / "out"]
    for model in (joint_run, served_joint):
        error = error_of(capsys, "--model", model, *flags, "--rbp", "A", "C")
        assert "has no RBP 'C'; it has" in error
    error = error_of(capsys, "--model", served, *flags, "--rbp", "A")
    assert "it is no joint model" in error
    error = error_of(capsys, "--model", served, *flags, "--wide")
    assert "--wide is for joint models, and QKI is none" in error


def test_sites_that_end_early_leave_nothing(served_sequence, tmp_path, capsys):
    fasta = tmp_path / "cut.fa"
    fasta.write_text(">a\nACGUACGU\n>b\nACG\n@broken\n".replace("@", "\xff"), "latin-1")
    flags = ["--model", served_sequence, "--sites", fasta, "--out", tmp_path / "out"]
    assert "cannot be read from line 5 on" in error_of(capsys, *flags)
    assert os.listdir(tmp_path) == ["cut.fa"]


def test_models_that_do_not_go_together_are_refused(
    served, served_sequence, sites, tmp_path, capsys
):
    flags = ["--sites", sites, "--out", tmp_path / "out"]
    error = error_of(capsys, "--model", served, served_sequence, *flags)
    assert "PUM2 and QKI differ in k, fold settings or views" in error
    error = error_of(capsys, "--model", served, served / "1", *flags)
    assert "Two models are called QKI" in error
    error = error_of(capsys, "--model", tmp_path, *flags)
    assert "is neither a run of `deeprke train` nor a model of" in error


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("saved_model.pb", None),
        ("saved_model.pb", b"cut off"),
        ("variables/variables.index", None),
        ("variables/variables.data-00000-of-00001", b"flipped"),
        ("model_card.json", b"[]"),
        ("model_card.json", b"{"),
    ],
)
def test_a_damaged_export_is_named_in_one_line(
    name, contents, served_sequence, sites, tmp_path, capsys
):
    damaged = shutil.copytree(served_sequence, tmp_path / "PUM2") / "1" / name
    damaged.unlink()
    if contents is not None:
        damaged.write_bytes(contents)
    flags = ["--model", tmp_path / "PUM2", "--sites", sites, "--out", tmp_path / "out"]
    what = "cannot be read" if name == "model_card.json" else "is missing or damaged"
    assert f"{damaged} {what}" in error_of(capsys, *flags)
    assert not (tmp_path / "out").exists()


def test_strict_refuses_a_site_that_would_be_skipped(
    served_sequence, sites, tmp_path, capsys
):
    flags = ["--model", served_sequence, "--sites", sites, "--out", tmp_path / "out"]
    error = error_of(capsys, *flags, "--strict")
    assert f"Site 1 of {sites.name}, 'none', has no probability (" in error
    assert "and --strict is set" in error
    assert not (tmp_path / "out").exists()


def test_only_scores_are_replaced(served_sequence, sites, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    flags = ["--model", served_sequence, "--sites", sites, "--out", out]
    assert "is not empty" in error_of(capsys, *flags)
    error = error_of(capsys, *flags, "--overwrite")
    assert "holds other files but no set of scores (scores.json)" in error


def test_flags_that_do_not_go_with_the_runner_are_refused(
    served, sites, tmp_path, capsys
):
    flags = ["--model", served, "--sites", sites]
    assert "needs --model, and --out to name a directory" in error_of(capsys, *flags)
    error = error_of(capsys, *flags, "--out", tmp_path / "out", "--fdr", "0.1")
    assert "is an exported model" in error and "give --threshold, or the run" in error
    assert predict.main([*map(str, flags), "--format", "parquet"]) == 1
    assert "go with a --runner of Apache Beam only" in capsys.readouterr().err
