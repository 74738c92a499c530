"""The command that lists models, shows their cards and adds others."""

import json
import subprocess
import sys

import pytest

from deeprke_tf import cli
from deeprke_tf.runs import cards, catalog

BINS = [{"mean_probability": 0.3, "fraction_bound": 0.25, "n_sites": 1200}]
MEASURES = {
    "split": "test",
    "n_sites": 1200,
    "n_positive": 300,
    "auroc": 0.91,
    "auroc_ci": [0.89, 0.93],
    "auprc": 0.8,
    "auprc_ci": None,
    "calibration": {"after": {"ece": 0.05, "bins": BINS}},
}
TRAIN = {"n_sites": 5000, "n_positive": 1000, "longest_site": 101}


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """One packaged model of two RBPs, and no model of the user."""
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalog, "PACKAGED", tmp_path / "packaged")
    rbps = [
        {"name": name, "directory": f"rbps/{name}", "n_sites": 2500, "n_positive": 500}
        for name in ("QKI", "PUM2")
    ]
    joint = write_run(tmp_path / "packaged/rbp31", {}, rbps=rbps, longest_site=101)
    for facts, auroc in zip(rbps, (0.91, 0.81), strict=True):
        write_run(joint / facts["directory"], {**MEASURES, "auroc": auroc})


def write_run(directory, measures, **manifest):
    directory.mkdir(parents=True)
    manifest = {"data": {"splits": {"train": TRAIN}}, **manifest}
    for name, contents in (("manifest", manifest), ("metrics", measures)):
        (directory / f"{name}.json").write_text(json.dumps(contents))
    (directory / "config.json").write_text("{}")
    return directory


def printed(capsys, *arguments, status=0):
    assert cli.main(["models", *map(str, arguments)]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_models_are_listed_with_source_size_and_mean_auroc(arguments, capsys):
    header, row = printed(capsys, *arguments).splitlines()
    assert header.split() == ["name", "RBPs", "source", "size", "mean", "AUROC"]
    assert row.split()[:3] == ["rbp31", "2", "packaged"]
    assert row.endswith("0.860 (test)")


def test_the_card_has_each_output_with_intervals_and_what_it_is_not_for(capsys):
    card = printed(capsys, "show", "rbp31")
    assert "License of the data: not stated" in card
    assert "0.910 (0.890 to 0.930)  0.800  0.050 (0.0" in card
    assert card.index("QKI") < card.index("PUM2") < card.index("mean ")
    assert "1,000 of its 5,000 sites" in " ".join(card.split())
    assert "- Not for clinical use." in card


def test_the_card_of_one_rbp_has_its_measures_alone(capsys):
    card = printed(capsys, "show", "rbp31/PUM2")
    assert card.startswith("rbp31/PUM2: packaged model, 1 RBP, ")
    assert "PUM2 " in card and "QKI" not in card and "mean " not in card
    error = printed(capsys, "show", "rbp31/PUM", status=1)
    assert "has no RBP 'PUM'; did you mean 'PUM2'?" in error


def test_texts_of_the_card_replace_those_of_the_manifest(capsys):
    texts = {"data_license": "CC0", "not_for": ["Not for plants."], "about": "31 RBPs."}
    (catalog.PACKAGED / "rbp31/card.json").write_text(json.dumps(texts))
    card = printed(capsys, "show", "rbp31")
    assert "License of the data: CC0" in card and "31 RBPs." in card
    assert "- Not for plants." in card and "clinical" not in card


def test_the_license_of_an_export_is_that_of_the_card():
    directory = catalog.PACKAGED / "rbp31"
    assert cards.license_of(directory) == "not stated"
    (directory / "card.json").write_text('{"license": "CC-BY-4.0"}')
    assert cards.license_of(directory) == "CC-BY-4.0"
    of_rbp = directory / "rbps/QKI/manifest.json"
    facts = json.loads(of_rbp.read_text())
    facts["network"] = {"file": "../../model.keras", "output": 0}
    of_rbp.write_text(json.dumps(facts))
    assert cards.license_of(of_rbp.parent) == "CC-BY-4.0"


def test_the_card_of_a_damaged_model_says_so(capsys):
    catalog.write_digests(catalog.PACKAGED / "rbp31")
    (catalog.PACKAGED / "rbp31/config.json").write_text("{ }")
    card = printed(capsys, "show", "rbp31")
    assert "DAMAGED: config.json is not the file that was added." in card


@pytest.mark.parametrize(
    ("measures", "manifest"),
    [
        ({"split": "test", "calibration": 3}, {}),
        ({"split": "test", "auroc": "high"}, {}),
        ({"split": "test", "n_sites": [], "auroc": 0.5}, {"rbps": 3}),
        ([], {}),
        ({}, {"rbps": [{"directory": "."}]}),
    ],
)
def test_a_model_that_cannot_be_read_does_not_hide_the_others(
    measures, manifest, capsys, tmp_path
):
    write_run(tmp_path / "user/odd", measures, **manifest)
    listed = printed(capsys).splitlines()
    assert "odd is damaged: " in listed[1]
    assert listed[2].startswith("rbp31")
    assert "odd is damaged: " in printed(capsys, "show", "odd", status=1)


def test_the_card_with_a_count_that_is_none_is_told_in_one_line(capsys, tmp_path):
    write_run(tmp_path / "user/odd", {"split": "test", "n_sites": "many"})
    assert "odd is damaged: " in printed(capsys, "show", "odd", status=1)


def test_a_model_is_added_exported_removed_and_imported(capsys, tmp_path):
    run, file = write_run(tmp_path / "run", {"validation": MEASURES}), tmp_path / "x"
    measures = {**MEASURES, "split": "validation"}
    (run / "metrics.json").write_text(json.dumps(measures))
    added = f"added MYRBP: {tmp_path / 'user/MYRBP'}\n"
    assert printed(capsys, "add", run, "--name", "MYRBP") == added
    assert "Validation sites have chosen" in printed(capsys, "show", "MYRBP")
    assert printed(capsys, "export", "MYRBP", file) == f"wrote {file}\n"
    assert "removed" in printed(capsys, "remove", "MYRBP")
    assert printed(capsys, "import", file) == added
    assert "MYRBP  1     user" in printed(capsys)


def test_errors_name_the_flags(capsys, tmp_path):
    error = printed(capsys, "add", tmp_path, "--name", "a/b", status=1)
    assert "deeprke models: error: --name must be letters, digits" in error
    assert "did you mean 'rbp31'?" in printed(capsys, "show", "rbp3", status=1)


def test_without_models_the_list_says_how_to_add_one(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "PACKAGED", tmp_path / "none")
    assert "`deeprke models add RUN --name NAME` adds one" in printed(capsys)


def test_neither_tensorflow_nor_pandas_is_loaded():
    program = (
        "import sys; from deeprke_tf import cli; cli.main(['models']);"
        "sys.exit(any(name in sys.modules for name in ('tensorflow', 'pandas')))"
    )
    assert not subprocess.run([sys.executable, "-c", program]).returncode
