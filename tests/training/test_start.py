"""Finished, unfinished and damaged runs, and datasets that cannot be used."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from deeprke_tf import train
from deeprke_tf.config import ModelConfig, RunConfig, load
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.training import epochs
from deeprke_tf.training import vectors as run_vectors
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_runs import QUICK, SEQUENCE_RUN, make_data

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture(scope="module")
def interrupted(data, tmp_path_factory):
    """A run that was interrupted after its first epoch; only to be copied."""
    out = tmp_path_factory.mktemp("interrupted") / "run"
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after_first_epoch(patch)
        flags = ["--data", str(data), "--out", str(out), *QUICK]
        assert train.main([*flags, "--epochs", "4"]) == 130
    return out


@pytest.fixture
def unfinished(interrupted, tmp_path):
    """A copy of the interrupted run."""
    return shutil.copytree(interrupted, tmp_path / "unfinished")


def test_a_finished_run_is_kept_unless_overwritten(
    sequence_run, data, tmp_path, capsys
):
    flags = ["--data", str(data), "--out", str(sequence_run)]
    assert train.main([*flags, *SEQUENCE_RUN]) == 1
    assert "is a finished run; name another --out, or give --overwrite." in (
        capsys.readouterr().err
    )


def test_an_unfinished_run_is_not_mixed_with_another(
    unfinished, data, sites_files, tmp_path, capsys
):
    base = ["--out", str(unfinished), *QUICK]
    config_file = unfinished / "config.json"
    flags = ("--sites", sites_files / "test.tsv", "--validation-fraction", "0.3")
    other = make_data(tmp_path / "other", *flags)
    many = ["--epochs", "4", "--filters", "4", "4", "--seed", "2", "--patience", "7"]
    many += ["--batch-size", "9"]
    for flags, what in [
        (["--data", str(data), "--epochs", "6"], "settings (--epochs 4, now 6)"),
        (["--data", str(data), "--epochs", "4", "--seed", "2"], "settings (--seed 1, "),
        (["--data", str(other), "--epochs", "4"], "data"),
        (["--data", str(other), "--epochs", "6"], "settings"),
        (["--data", str(data), *many], "settings (--filters 8 6, now 4 4; "),
    ]:
        capsys.readouterr()
        assert train.main([*base, *flags]) == 1
        error = capsys.readouterr().err
        assert f"is an unfinished run of other {what}" in error
        assert "; name another --out, or give --overwrite" in error
        resumes = f"--data {data} --out {unfinished} --config {config_file} resumes"
        same_data = what.startswith("settings") and str(other) not in flags
        assert (resumes in error) == same_data
    (unfinished / "state" / "progress.json").write_text("damaged")
    flags = ["--data", str(data), "--epochs", "1", "--overwrite"]
    assert train.main([*base, *flags]) == 0
    assert len(pd.read_csv(unfinished / "history.csv")) == 1


def test_an_unfinished_start_from_another_run_is_not_mixed_with_one_from_scratch(
    unfinished, data, capsys
):
    started = unfinished / "state" / "started.json"
    contents = json.loads(started.read_text())
    started.write_text(json.dumps({**contents, "init_from": "runs/other"}))
    flags = ["--data", str(data), "--out", str(unfinished), *QUICK, "--epochs", "4"]
    assert train.main(flags) == 1
    error = "is an unfinished run of other --init-from; name another --out"
    assert error in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("state/progress.json", b'[{"epoch"', "is not JSON"),
        ("state/progress.json", b"[1]", "holds no history of a training"),
        ("state/progress.json", b'[{"a": 1}]', "holds no history of a training"),
        ("state/progress.json", b'[{"epoch": 2, "loss": 1}]', "holds no history of a"),
        ("state/epoch-0001.keras", None, "is missing"),
        ("state/epoch-0001.keras", b"PK", "is not the file that training wrote"),
        ("state/started.json", b"[]", "does not say how the run was started"),
        ("state", None, "is missing"),
        ("config.json", b"{", "is not JSON"),
        ("sequence_vectors.npy", b"\x93NUMPY", "is not the file that training wrote"),
    ],
)
def test_damage_to_an_unfinished_run_is_named_with_the_way_out(
    name, damage, message, unfinished, data, capsys
):
    path = unfinished / name
    if damage is not None:
        path.write_bytes(damage)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    flags = ["--data", str(data), "--out", str(unfinished), *QUICK, "--epochs", "4"]
    capsys.readouterr()
    assert train.main(flags) == 1
    (error,) = capsys.readouterr().err.splitlines()
    assert f"{path}" in error and message in error
    assert f"The unfinished run {unfinished} is damaged; give --overwrite" in error


def test_a_run_that_was_killed_before_it_wrote_its_settings_starts(
    data, tmp_path, monkeypatch
):
    def interrupt(*_arguments, **_settings):
        raise KeyboardInterrupt

    (tmp_path / "run" / "state").mkdir(parents=True)
    (tmp_path / "run" / ".config.partial.json").write_text("{")
    monkeypatch.setattr(epochs, "fit", interrupt)
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *QUICK]
    assert train.main(flags) == 130
    assert load(RunConfig, tmp_path / "run" / "config.json").train.epochs == 1


def test_data_without_a_validation_split_are_refused(sites_files, tmp_path, capsys):
    data = make_data(tmp_path / "data", "--test-sites", sites_files / "test.tsv")
    flags = ["--data", str(data), "--out", str(tmp_path / "run")]
    assert train.main(flags) == 1
    assert "has no 'train' split; it has: test." in capsys.readouterr().err


def test_a_split_of_one_class_is_refused(data, tmp_path, capsys):
    # `deeprke preprocess` makes no such split; by hand one can.
    contents = json.loads((data / "dataset.json").read_text())
    contents["splits"]["train"]["n_positive"] = 0
    n_sites = contents["splits"]["train"]["n_sites"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(contents))
    flags = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    assert train.main(flags) == 1
    assert f"has 0 bound and {n_sites} background sites; training needs both." in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda shard: shard.write_bytes(shard.read_bytes()[:-20]), "is damaged"),
        (lambda shard: shard.unlink(), "is missing; run `deeprke preprocess` again"),
    ],
    ids=["cut off", "missing"],
)
def test_a_damaged_shard_is_named(damage, message, sites_files, tmp_path, capsys):
    flags = ("--sites", sites_files / "test.tsv", "--validation-fraction", "0.3")
    data = make_data(tmp_path / "data", *flags)
    (shard,) = data.glob("validation-*.tfrecord.gz")
    damage(shard)
    assert train.main(["--data", str(data), "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert f"The shard {shard} {message}" in error


def test_kmer_weights_that_are_damaged_or_of_another_k_are_named(tmp_path, data):
    info = description.read(data)
    settings = RunConfig(ModelConfig(structure=False, one_hot=True, kmer_weight=0.1))
    run_vectors.make_vectors(info, tmp_path, settings, {})
    path = tmp_path / "kmer_weights.npy"
    whole = path.read_bytes()
    for contents in (whole[:-5], b"", b"PK\x03\x04" + whole):
        path.write_bytes(contents)
        with pytest.raises(UserError, match="Cannot read the k-mer weights"):
            run_vectors.make_vectors(info, tmp_path, settings, {})
    np.save(path, np.load(io.BytesIO(whole))[:-1])
    with pytest.raises(UserError, match="does not hold the weights of k=3\\."):
        run_vectors.make_vectors(info, tmp_path, settings, {})
