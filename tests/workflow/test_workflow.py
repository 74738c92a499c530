"""`deeprke run`: from peaks to a measured model, step by step, once."""

import json
import shutil

import pytest

import deeprke_tf as dk
from deeprke_tf import run as run_command
from deeprke_tf.genome.simulation import simulate_genome

pytest_plugins = ["tests.support.run_fixtures"]

STEPS = ("sites", "audit", "dataset", "model", "evaluation")


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("genome"), n_genes=30)


@pytest.fixture(scope="module")
def flags(simulated, sequence_run):
    given = {
        "--peaks": simulated.peaks,
        "--genome": simulated.fasta,
        "--gtf": simulated.gtf,
        "--window": 41,
        "--config": sequence_run / "config.json",
        "--epochs": 1,
    }
    return [*(str(text) for flag in given.items() for text in flag), "--no-explain"]


@pytest.fixture(scope="module")
def finished(flags, tmp_path_factory):
    out = tmp_path_factory.mktemp("workflow") / "RBP"
    assert run_command.main([*flags, "--out", str(out)]) == 0
    return out


def changed(directory):
    """When each file of a directory was written."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime_ns for path in paths}


def test_every_step_leaves_its_files_and_the_summary_says_what_came_out(finished):
    assert {path.name for path in finished.iterdir()} == {
        *(*STEPS, "summary.txt", "report.html", "workflow.json"),
    }
    said = (finished / "summary.txt").read_text()
    assert "150 peaks gave 150 bound sites, to which 150 background sites" in " ".join(
        said.split()
    )
    measured = json.loads((finished / "evaluation" / "metrics.json").read_text())
    assert f"AUROC {measured['auroc']:.3f}" in said
    # Of its own directory: what training measured is kept.
    trained = json.loads((finished / "model" / "metrics.json").read_text())
    assert (measured["split"], trained["split"]) == ("test", "validation")
    page = (finished / "report.html").read_text()
    assert f"{finished.name} – DeepRKE model report" in page
    assert f"AUROC {measured['auroc']:.3f}" in page
    dataset = json.loads((finished / "dataset" / "dataset.json").read_text())
    n_sites = {name: split["n_sites"] for name, split in dataset["splits"].items()}
    assert 30 < n_sites["test"] < 90 and 15 < n_sites["validation"] < 60
    # The model does not read structure: nothing is folded.
    assert dataset["structure"] is False
    audit = json.loads((finished / "audit" / "audit.json").read_text())
    assert audit["n_folded"] == 0


def test_a_second_call_does_nothing_again(finished, flags, capsys):
    steps = [finished / step for step in STEPS]
    before = [changed(step) for step in steps]
    assert run_command.main([*flags, "--out", str(finished)]) == 0
    assert [changed(step) for step in steps] == before
    shown = capsys.readouterr().out
    assert shown.count("done before") == len(STEPS)
    assert (finished / "summary.txt").read_text() in shown


def test_steps_that_are_missing_are_done_from_the_kept_ones(finished, flags, tmp_path):
    copy = shutil.copytree(finished, tmp_path / "RBP")
    shutil.rmtree(copy / "evaluation")
    (copy / "audit" / "audit.json").unlink()
    assert run_command.main([*flags, "--out", str(copy)]) == 0
    for name in ("audit/audit.json", "evaluation/predictions.tsv", "summary.txt"):
        assert (copy / name).read_bytes() == (finished / name).read_bytes()


def test_a_damaged_file_of_a_step_is_one_line(finished, flags, tmp_path, capsys):
    copy = shutil.copytree(finished, tmp_path / "RBP")
    (copy / "audit" / "audit.json").write_text("{}")
    assert run_command.main([*flags, "--out", str(copy)]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert f"error: {copy} has a damaged file" in line
    assert "delete the directory of its step, and give the same command again." in line


def test_a_later_call_explains_the_model_and_the_report_shows_it(
    finished, flags, tmp_path
):
    assert "No explanation was given" in (finished / "report.html").read_text()
    copy = shutil.copytree(finished, tmp_path / "RBP")
    asked = [flag for flag in flags if flag != "--no-explain"]
    assert run_command.main([*asked, "--out", str(copy)]) == 0
    explained = json.loads((copy / "explain" / "explain.json").read_text())
    manifest = json.loads((copy / "model" / "manifest.json").read_text())
    assert explained["model_sha256"] == manifest["model_sha256"]
    page = (copy / "report.html").read_text()
    assert f"All {explained['sites']['read']} sites were explained" in page


def test_known_motifs_that_cannot_be_read_are_refused_before_work(
    flags, tmp_path, capsys
):
    known = tmp_path / "known.meme"
    known.write_text("no motif\n")
    out = tmp_path / "RBP"
    assert run_command.main([*flags, "--known", str(known), "--out", str(out)]) == 1
    assert "has no motif" in capsys.readouterr().err
    assert not out.exists()


def test_other_settings_or_inputs_are_refused(finished, flags, simulated, capsys):
    given = [*flags, "--out", str(finished)]
    assert run_command.main([*given, "--window", "51"]) == 1
    error = capsys.readouterr().err
    assert "was made with other settings or inputs" in error
    assert "(extraction.windows.window: 41, now 51)" in error
    with simulated.peaks.open("a") as file:
        file.write("chr1\t10\t50\tone_more\t1\t+\n")
    assert run_command.main(given) == 1
    assert "inputs.0.sha256" in capsys.readouterr().err


def test_a_directory_of_others_is_refused(flags, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert run_command.main([*flags, "--out", str(tmp_path)]) == 1
    assert "holds mine.txt, but no workflow.json" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_setting_that_does_not_exist_is_named(simulated, tmp_path):
    with pytest.raises(dk.UserError, match="`windows_length` is no argument"):
        dk.run_workflow(
            *(simulated.peaks,),
            genome=simulated.fasta,
            out=tmp_path / "RBP",
            windows_length=51,
        )


def test_an_unknown_preset_is_refused_before_work(simulated, tmp_path):
    with pytest.raises(dk.UserError, match="'deeprk'"):
        dk.run_workflow(
            *(simulated.peaks,),
            genome=simulated.fasta,
            out=tmp_path / "RBP",
            preset="deeprk",
        )
    assert not (tmp_path / "RBP").exists()
