"""Models by name: where they are looked for, and what a wrong name is told."""

import json
import os
import shutil
from pathlib import Path

import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.runs import catalog


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty directory of the user's models, one of packaged ones, and a third."""
    monkeypatch.setenv("DEEPRKE_MODELS", str(tmp_path / "user"))
    monkeypatch.setattr(catalog, "PACKAGED", tmp_path / "packaged")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def make_model(place, name, rbps=()):
    directory = place / name
    directory.mkdir(parents=True)
    facts = [{"name": rbp, "directory": f"rbps/{rbp}"} for rbp in rbps]
    for each in facts:
        (directory / each["directory"]).mkdir(parents=True)
    manifest = {"rbps": facts} if rbps else {}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "model.keras").write_bytes(b"weights")
    catalog.write_digests(directory)
    return directory


@pytest.fixture
def rbp31(tmp_path):
    return make_model(tmp_path / "packaged", "rbp31", ["QKI", "PUM2"])


def refused(text):
    with pytest.raises(UserError) as error:
        catalog.resolve(text)
    return str(error.value)


def test_a_name_is_a_packaged_model_and_a_slash_one_of_its_rbps(rbp31):
    assert catalog.resolve("rbp31") == rbp31
    assert catalog.resolve(Path("rbp31/PUM2")) == rbp31 / "rbps/PUM2"


def test_a_run_comes_before_the_user_s_model_and_that_before_a_packaged_one(
    tmp_path, rbp31
):
    mine = make_model(tmp_path / "user", "rbp31")
    assert catalog.resolve("rbp31") == mine
    Path("rbp31").mkdir()  # no run, perhaps a panel
    assert catalog.resolve("rbp31") == mine
    Path("rbp31/config.json").touch()
    assert catalog.resolve("rbp31") == Path("rbp31")


def test_an_rbp_of_a_joint_run_is_named_behind_it(rbp31):
    shutil.copytree(rbp31, "runs/joint")
    assert catalog.resolve("runs/joint/QKI") == Path("runs/joint/rbps/QKI")
    assert "runs/joint has no RBP 'QK1'; did you mean 'QKI'?" in refused(
        "runs/joint/QK1"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rpb31", "did you mean 'rbp31'? `deeprke models` lists the models."),
        ("runs/none", "runs/none is not a run of `deeprke train`, and there is no"),
        ("rbp31/QK1", "The model rbp31 has no RBP 'QK1'; did you mean 'QKI'?"),
        ("rbp31/../x", "The model rbp31 has no RBP '../x'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_near_ones(text, told, rbp31):
    assert told in refused(text)


def test_a_model_of_one_rbp_has_no_others(tmp_path):
    make_model(tmp_path / "user", "QKI-K562")
    assert "give 'QKI-K562' without '/QKI'" in refused("QKI-K562/QKI")


@pytest.mark.parametrize(
    "harm", ["change", "remove", "add", "climb", "empty list", "no list"]
)
def test_a_file_that_is_not_the_one_that_was_packaged_is_refused(harm, rbp31):
    if harm == "change":
        (rbp31 / "model.keras").write_bytes(b"other weights")
        told = "model.keras is not the file that was added; install deeprke_tf again"
    elif harm == "remove":
        (rbp31 / "model.keras").unlink()
        told = "The model rbp31 is damaged: model.keras is missing"
    elif harm == "add":
        (rbp31 / "other.keras").touch()
        told = "other.keras has no digest in SHA256SUMS"
    elif harm == "empty list":
        (rbp31 / "SHA256SUMS").write_text("")
        told = "has no digest in SHA256SUMS"
    elif harm == "no list":
        (rbp31 / "SHA256SUMS").unlink()
        told = "SHA256SUMS is missing; install deeprke_tf again"
    else:
        (rbp31 / "SHA256SUMS").write_text("0  ../../etc/passwd\n")
        told = "SHA256SUMS cannot be read"
    assert told in refused("rbp31/QKI")


def test_a_file_of_a_file_manager_is_no_damage(rbp31):
    (rbp31 / ".DS_Store").touch()
    assert catalog.resolve("rbp31") == rbp31


def test_digests_are_in_the_format_of_sha256sum(rbp31):
    if os.system("sha256sum --version > /dev/null 2>&1"):
        pytest.skip("needs sha256sum")
    assert os.system(f"cd {rbp31} && sha256sum --quiet -c SHA256SUMS") == 0


def test_models_of_both_places_are_listed_by_name_without_other_directories(
    tmp_path, rbp31
):
    make_model(tmp_path / "user", "QKI")
    make_model(tmp_path / "user", ".hidden")
    (tmp_path / "user/empty").mkdir()
    listed = [(entry.name, entry.source) for entry in catalog.entries()]
    assert listed == [("QKI", "user"), ("rbp31", "packaged")]


def test_a_name_that_a_directory_could_not_bear_is_refused():
    for name in ("../QKI", "", ".hidden", "QKI/K562", "a" * 101):
        with pytest.raises(UserError, match="`name` must be letters, digits"):
            catalog.require_name(name)


def test_a_directory_of_the_catalog_has_a_name_for_files(rbp31, tmp_path):
    assert catalog.name_in_catalog(rbp31) == "rbp31"
    assert catalog.name_in_catalog(rbp31 / "rbps/QKI") == "rbp31-QKI"
    assert catalog.name_in_catalog(tmp_path) is None


def test_a_user_without_a_home_directory_is_told_which_variable_to_set(monkeypatch):
    monkeypatch.delenv("DEEPRKE_MODELS")
    monkeypatch.setattr(catalog.platformdirs, "user_data_dir", lambda name: "~/none")
    assert "set DEEPRKE_MODELS to a directory" in refused("rbp31")
