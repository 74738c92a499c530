"""The export command: what a version of a served model holds, and what it gives."""

import contextlib
import functools
import io
import json
import threading

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

import deeprke_tf as dk
from deeprke_tf import export
from deeprke_tf.data import records
from deeprke_tf.errors import UserError
from deeprke_tf.runs import scorer
from deeprke_tf.runs.run import Run
from deeprke_tf.serving.export import export_run
from tests.support.full_disk import full_disk

pytest_plugins = ["tests.support.run_fixtures"]

N_KMERS = [1, 7, 8, 9, 40]  # of the sites below


@pytest.fixture(scope="module")
def served(exported_run):
    """The first version of the exported run."""
    return exported_run / "1"


@pytest.fixture(scope="module")
def sites():
    """The ids of both views of sites of mixed length."""
    rng = np.random.default_rng(4)
    return [
        {
            "sequence_kmers": rng.integers(1, 66, n_kmers),
            "structure_kmers": rng.integers(1, 218, n_kmers),
        }
        for n_kmers in N_KMERS
    ]


@pytest.fixture(scope="module")
def expected(run, sites):
    """The probabilities of the Python model, each site on its own."""
    score = scorer.scorer(Run.load(run).model)
    return [
        score({name: ids[np.newaxis] for name, ids in site.items()})[0]
        for site in sites
    ]


def padded(sites, name):
    longest = max(N_KMERS)
    return [
        [*site[name].tolist(), *[0] * (longest - len(site[name]))] for site in sites
    ]


load = functools.cache(tf.saved_model.load)


def scores(served, signature, **inputs):
    probability = load(str(served)).signatures[signature](**inputs)["probability"]
    assert probability.dtype == tf.float32
    assert probability.shape == (len(N_KMERS), 1)
    return probability.numpy()[:, 0]


def test_records_score_as_in_python(served, sites, expected):
    serialized = [records.serialize("site", *site.values(), 1) for site in sites]
    assert scores(served, "records", records=tf.constant(serialized)) == pytest.approx(
        expected, abs=1e-5
    )


@pytest.fixture(scope="module")
def served_twice(sequence_run, tmp_path_factory):
    """Where two versions were exported beside an older one and a foreign directory."""
    directory = tmp_path_factory.mktemp("serving")
    (directory / "assets").mkdir(parents=True)
    (directory / "9").mkdir()
    (directory / "9" / "saved_model.pb").touch()
    for version in ("10", "11"):
        flags = ["--model", str(sequence_run), "--out", str(directory)]
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert export.main(flags) == 0
        assert f"wrote {directory / version}\n" in printed.getvalue()
    return directory


def test_each_export_takes_the_next_version(served_twice):
    directories = {path.name for path in served_twice.iterdir() if path.is_dir()}
    assert directories == {"assets", "9", "10", "11"}
    assert not list(served_twice.glob("*.partial"))


def test_a_version_has_the_model_its_card_and_its_warm_up(served):
    beside = {path.name for path in served.parent.iterdir()}
    assert beside == {"1", "models.config", "batching.config"}
    found = {path.name for path in served.iterdir()}
    assert found >= {"saved_model.pb", "variables", "MODEL_CARD.md", "model_card.json"}
    assert (served / "assets.extra/tf_serving_warmup_requests").stat().st_size > 0
    assert "License: not stated" in (served / "MODEL_CARD.md").read_text()


def test_an_ensemble_is_one_model_with_the_outputs_of_predict(
    ensemble, exported_ensemble, sites
):
    directory = exported_ensemble
    python = Run.load(ensemble).scorer(batch_size=2)(sites)
    assert python.probability_sd.max() > 1e-4
    serialized = [records.serialize("site", *site.values(), 1) for site in sites]
    inputs = {
        "ids": {
            name: tf.constant(padded(sites, name), tf.int64)
            for name in Run.load(ensemble).config.model.views
        },
        "records": {"records": tf.constant(serialized)},
    }
    signatures = load(str(directory / "1")).signatures
    for signature, given in inputs.items():
        outputs = signatures[signature](**given)
        assert set(outputs) == set(python._fields)
        for name, expected in python._asdict().items():
            assert outputs[name].dtype == tf.float32
            found = outputs[name].numpy()[:, 0]
            assert found == pytest.approx(expected, abs=1e-5)
    card = json.loads((directory / "1" / "model_card.json").read_text())
    manifest = json.loads((ensemble / "manifest.json").read_text())
    for name in ("members", "threshold", "calibration"):
        assert card[name] == manifest[name]
    text = " ".join((directory / "1" / "MODEL_CARD.md").read_text().split())
    for member in manifest["members"]:
        assert f"| {member['directory']} | {member['seed']} | " in text
    assert "the mean of 2 trainings that differ in their seed" in text


def test_an_onnx_file_gives_the_probabilities_and_says_what_else_is_needed(
    run, tmp_path, sites, expected, capsys
):
    path = tmp_path / "onnx" / "QKI.onnx"
    flags = ["--model", str(run), "--format", "onnx", "--out", str(path)]
    assert export.main(flags) == 0
    assert capsys.readouterr().out == f"wrote {path}\n"
    session = onnxruntime.InferenceSession(path)
    inputs = {
        name: np.array(padded(sites, name), np.int64)
        for name in ("sequence_kmers", "structure_kmers")
    }
    (probabilities,) = session.run(["probability"], inputs)
    np.testing.assert_allclose(probabilities[:, 0], expected, atol=1e-5)
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["sequence_alphabet"] == "ACGU"
    assert json.loads(metadata["k"]) == 3
    assert json.loads(metadata["thresholds"]) == [Run.load(run).threshold]
    written = dk.load_run(run).export(tmp_path / "again.onnx", format="onnx")
    assert written.read_bytes() == path.read_bytes()


def test_an_export_that_fails_leaves_nothing_half_done(run, tmp_path, monkeypatch):
    def fail(_model, _encoding, path, *_rest):
        (path / "variables").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr("deeprke_tf.serving.signatures.save", fail)
    flags = ["--model", str(run), "--out", str(tmp_path / "serving")]
    assert export.main(flags) == 130
    assert list((tmp_path / "serving").iterdir()) == []


def test_exports_at_once_get_a_version_each(run, sequence_run, tmp_path, monkeypatch):
    loaded, other = Run.load(run), Run.load(sequence_run)
    second = threading.Thread(
        target=export_run, args=(other, tmp_path / "served", "CC0-1.0")
    )

    def save(model, _encoding, path, *_rest):
        path.mkdir()
        if model is loaded.model:
            second.start()
            second.join(timeout=0.3)  # long enough to get in the way
        return {}

    monkeypatch.setattr("deeprke_tf.serving.signatures.save", save)
    export_run(loaded, tmp_path / "served", "CC0-1.0")
    second.join()
    cards = [tmp_path / f"served/{version}/model_card.json" for version in (1, 2)]
    exported = [json.loads(card.read_text())["model"]["structure"] for card in cards]
    assert exported == [True, False]
    assert {path.name for path in (tmp_path / "served").iterdir()} == {
        *("1", "2", "models.config", "batching.config")
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out", "{tmp}/notes.txt"], "notes.txt is a file; name a directory."),
        (["--out", "{tmp}/notes.txt/QKI"], "Not a directory."),
        (["--model", "{tmp}/none"], "none is not a run of `deeprke train`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line(flags, message, run, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    base = ["--model", str(run), "--out", str(tmp_path / "serving")]
    assert export.main([*base, *(flag.format(tmp=tmp_path) for flag in flags)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke export: error: ")
    assert message in error
    assert error.count("\n") == 1


def test_a_full_disk_is_named_and_leaves_no_version(sequence_run, tmp_path):
    out = tmp_path / "served"
    words = rf"^Cannot write {out / '1'}: .*File too large"
    with full_disk(100_000), pytest.raises(UserError, match=words) as error:
        export_run(Run.load(sequence_run), out)
    assert "{{" not in str(error.value) and "[Op" not in str(error.value)
    assert list(out.iterdir()) == []


def test_a_directory_of_other_files_is_refused_and_kept(run, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"such as notes\.txt, and no served model"):
        export_run(Run.load(run), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_killed_export_left_and_notes_beside_versions_are_not_in_the_way(
    run, tmp_path, monkeypatch
):
    def save(_model, _encoding, path, *_rest):
        path.mkdir()
        (path / "saved_model.pb").touch()
        return {}

    monkeypatch.setattr("deeprke_tf.serving.signatures.save", save)
    (tmp_path / "1.partial").mkdir()
    loaded = Run.load(run)
    assert export_run(loaded, tmp_path)[0] == tmp_path / "1"
    (tmp_path / "notes.txt").write_text("mine")
    assert export_run(loaded, tmp_path)[0] == tmp_path / "2"
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "1.partial").exists()
