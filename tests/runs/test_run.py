import importlib.machinery
import json
import shutil
import sys
import zipfile

import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.runs import layout
from deeprke_tf.runs.run import Run
from deeprke_tf.system import files, processes

pytest_plugins = ["tests.support.run_fixtures"]


def test_a_run_has_its_settings_encoding_and_threshold(run):
    loaded = Run.load(run)
    manifest = json.loads((run / "manifest.json").read_text())
    assert loaded.config.model.filters == (8, 6)
    assert loaded.encoding.k == 3
    assert loaded.threshold == manifest["threshold"]
    assert loaded.manifest == manifest
    assert [tensor.name for tensor in loaded.model.inputs] == [
        "sequence_kmers",
        "structure_kmers",
    ]


def test_the_model_has_the_vectors_of_the_run(run):
    model = Run.load(run).model
    for view in ("sequence", "structure"):
        (in_model,) = model.get_layer(f"{view}_cnn_conv_1").vectors.get_weights()
        assert np.array_equal(in_model, np.load(run / f"{view}_vectors.npy"))


def without(name):
    return lambda run: (run / name).unlink()


def with_text(name, text):
    return lambda run: (run / name).write_text(text)


def without_key(key):
    def change(run):
        manifest = json.loads((run / "manifest.json").read_text())
        del manifest[key]
        (run / "manifest.json").write_text(json.dumps(manifest))

    return change


def with_fact(**changes):
    def change(run):
        manifest = json.loads((run / "manifest.json").read_text()) | changes
        (run / "manifest.json").write_text(json.dumps(manifest))

    return change


def with_fewer_layers(run):
    path = run / "model.keras"
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    network = json.loads(parts["config.json"])
    network["config"]["layers"] = network["config"]["layers"][:2]
    parts["config.json"] = json.dumps(network).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in parts.items():
            file.writestr(name, content)
    with_fact(model_sha256=files.sha256(path))(run)


def cut_off_model(run):
    model = run / "model.keras"
    model.write_bytes(model.read_bytes()[:-100])


def changed_model(run):
    model = bytearray((run / "model.keras").read_bytes())
    model[len(model) // 2] ^= 1
    (run / "model.keras").write_bytes(model)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shutil.rmtree, "is not a run of `deeprke train`: it has no manifest.json"),
        (without("manifest.json"), "unfinished run; give the same `deeprke train`"),
        (without("config.json"), "config.json: No such file or directory."),
        (without("model.keras"), "The run .* is damaged: .*No such file"),
        (cut_off_model, "is damaged: model.keras is not the file that training wrote"),
        (changed_model, "is damaged: model.keras is not the file that training wrote"),
        (with_text("model.keras", "model"), "is damaged: model.keras is not the file"),
        (with_text("config.json", "{"), "config.json is not JSON"),
        (with_text("config.json", '{"modle": {}}'), r"unknown .*settings \['modle'\]"),
        (with_text("manifest.json", "{"), "manifest.json is not JSON"),
        (with_text("manifest.json", "[]"), "is damaged: "),
        (without_key("encoding"), "is damaged: manifest.json lacks 'encoding'"),
        (without_key("threshold"), "is damaged: manifest.json lacks 'threshold'"),
        (with_fact(threshold=float("nan")), "is damaged: threshold nan is not from 0"),
        (with_fact(threshold=7), "is damaged: threshold 7.0 is not from 0 to 1"),
        (
            with_fact(members=[{"directory": ".", "model_sha256": ""}]),
            "is damaged: manifest.json names it as a member of itself",
        ),
        (
            with_fact(encoding={"sequence_alphabet": "AAAA"}),
            "The alphabet 'AAAA' repeats a letter",
        ),
        (with_fact(encoding={"k": 4}), "manifest.json and sequence_vectors.npy differ"),
        (with_text("model.onnx", "model"), "is damaged: model.onnx is not the file"),
        (
            with_text("config.json", '{"model": {"structure": false}}'),
            "is damaged: config.json and model.keras differ in the views",
        ),
        (
            with_fewer_layers,
            "is damaged: (Internal error: could not find layer|Assertion)",
        ),
    ],
)
def test_a_damaged_run_is_an_error_of_one_line(damage, message, run, tmp_path):
    copied = shutil.copytree(run, tmp_path / "run")
    damage(copied)
    with pytest.raises(UserError, match=message) as error:
        loaded = Run.load(copied)
        assert loaded.onnx_scorer
        assert loaded.model
    assert "\n" not in str(error.value)


def test_a_model_that_could_run_code_is_refused(run, tmp_path):
    import keras

    copied = shutil.copytree(run, tmp_path / "run")
    layer = keras.layers.Lambda(lambda x: x)
    keras.Sequential([keras.Input([1]), layer]).save(copied / "model.keras")
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["model_sha256"] = files.sha256(copied / "model.keras")
    (copied / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"is damaged: .*Lambda"):
        _model = Run.load(copied).model


@pytest.mark.parametrize(
    ("program", "module", "command"),
    [
        ("/home/me/.venv/bin/deeprke", None, "deeprke"),
        (
            "/home/me/deeprke_tf/train.py",
            "deeprke_tf.train",
            "python -m deeprke_tf.train",
        ),
        ("/home/me/jobs/__main__.py", "jobs.__main__", "python -m jobs"),
    ],
)
def test_the_kept_command_can_be_given_again(program, module, command, monkeypatch):
    spec = module and importlib.machinery.ModuleSpec(module, None)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", spec)
    monkeypatch.setattr(sys, "argv", [program, "train", "--out", "my runs/QKI"])
    assert processes.command_line() == f"{command} train --out 'my runs/QKI'"


def test_the_validation_sites_read_back_as_they_were_written(tmp_path):
    labels = np.array([1, 0, 0])
    probabilities = np.array([0.1, 1 / 3, 1e-30], np.float32)
    layout.write_validation(tmp_path, labels, probabilities)
    read_labels, read_probabilities = layout.read_validation(tmp_path)
    np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(read_probabilities, probabilities)


@pytest.mark.parametrize(
    "contents",
    [
        "label,probability\n8,0.5\n",
        "label,probability\n1,8.4\n",
        None,
        "",
        "label,p\n1,0.5\n",
        "label,probability\nx,1",
    ],
)
def test_damaged_validation_sites_are_an_error_that_names_the_file(tmp_path, contents):
    if contents is not None:
        (tmp_path / "validation.csv").write_text(contents)
    with pytest.raises(UserError, match=r"Cannot read .*validation\.csv"):
        layout.read_validation(tmp_path)
