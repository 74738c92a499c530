"""Joint training: one network for several RBPs."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from deeprke_tf import train
from deeprke_tf.config import JointConfig
from deeprke_tf.errors import UserError
from deeprke_tf.runs.joint_network import JointNetwork
from deeprke_tf.runs.run import Run
from deeprke_tf.training import joint
from deeprke_tf.training.settings import run_config
from deeprke_tf.training.task import JointCrossentropy
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_runs import JOINT, make_data, make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]


def test_the_loss_counts_the_rbps_that_a_site_has_a_label_for():
    probabilities = np.array([[0.2, 0.7], [0.4, 0.9]], np.float32)
    targets = np.array([[1, 0], [0, 1]], np.float32)
    weights = np.array([[1, 0], [2, 0.5]], np.float32)
    loss = JointCrossentropy()(np.stack([targets, weights], -1), probabilities)
    expected = (-np.log(0.2) - 2 * np.log(0.6) - 0.5 * np.log(0.9)) / 2
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_loss_of_one_rbp_is_that_of_a_run_of_its_own():
    rng = np.random.default_rng(1)
    probabilities = rng.random([9, 1]).astype(np.float32)
    targets = rng.integers(0, 2, [9, 1]).astype(np.float32)
    joint_labels = np.stack([targets, np.ones_like(targets)], -1)
    alone = keras.losses.BinaryCrossentropy()(targets, probabilities)
    assert float(JointCrossentropy()(joint_labels, probabilities)) == pytest.approx(
        float(alone), rel=1e-6
    )


def test_a_joint_run_has_a_run_for_each_rbp(joint_run, joint_data):
    manifest = json.loads((joint_run / "manifest.json").read_text())
    assert [row["name"] for row in manifest["rbps"]] == ["A", "B"]
    history = pd.read_csv(joint_run / "history.csv")
    each = history[["val_auroc_A", "val_auroc_B"]]
    np.testing.assert_allclose(each.mean(axis=1), history["val_auroc"])
    for name in "AB":
        run = Run.load(joint_run / "rbps" / name)
        measured = json.loads((joint_run / "rbps" / name / "metrics.json").read_text())
        best = history[f"val_auroc_{name}"][run.manifest["best_epoch"] - 1]
        assert measured["auroc"] == pytest.approx(best, abs=1e-6)
        assert run.manifest["data"]["directory"] == name
        assert 0 <= run.threshold <= 1


def test_the_network_of_an_rbp_gives_its_output_of_the_joint_network(joint_run):
    ids = np.random.default_rng(2).integers(2, 66, [5, 30])
    network = JointNetwork.load(joint_run)
    together = network.model({"sequence_kmers": ids}, training=False).numpy()
    assert together.shape == (5, 2) and np.ptp(together) > 0
    for output, name in enumerate("AB"):
        model = Run.load(joint_run / "rbps" / name).model
        alone = model({"sequence_kmers": ids}, training=False).numpy()
        np.testing.assert_allclose(alone[:, 0], together[:, output], atol=1e-6)


def test_an_interrupted_joint_run_is_resumed_by_its_settings_alone(
    joint_run, joint_data, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "run"
    # The sites of C overlap with none: that it is held out changes nothing else.
    held_out = make_data(
        *(tmp_path / "C", "--no-structure", "--validation-fraction", "0.2", "--sites"),
        write_table(tmp_path / "C.tsv", make_sites(60, seed=5)),
    )
    data = [str(joint_data / "A"), str(held_out), str(joint_data / "B")]
    flags = ["--data", *data, *JOINT, "--hold-out", "C", "--out", str(out)]
    with monkeypatch.context() as patch:
        interrupt_after_first_epoch(patch)
        assert train.main(flags) == 130
    assert (out / "state" / "sites" / "dataset.json").exists()
    capsys.readouterr()
    assert train.main([*flags, "--balance", "1"]) == 1
    assert "is an unfinished run of other data" in capsys.readouterr().err
    assert train.main([*flags, "--seed", "9"]) == 1
    assert "config.json --joint resumes it" in " ".join(capsys.readouterr().err.split())
    assert train.main(flags) == 0
    assert (out / "history.csv").read_text() == (joint_run / "history.csv").read_text()
    assert not (out / "state").exists()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["joint"]["hold_out"] == ["C"]
    assert [row["name"] for row in manifest["rbps"]] == ["A", "B"]


def test_two_datasets_are_needed_beside_those_held_out(joint_data):
    with pytest.raises(UserError, match="`data` names 2, and 1 of them are held out"):
        joint.checked(
            *([joint_data / "A", joint_data / "B"], run_config("deeprke-no-structure")),
            *(JointConfig(hold_out=("B",)), None),
        )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["A"], "at least two datasets; `data` names 1"),
        (["A", "copy/A"], "have one name"),
        (["A", "C"], "was preprocessed with k 4"),
    ],
)
def test_datasets_that_cannot_be_trained_together_are_refused(
    names, message, joint_data, tmp_path
):
    shutil.copytree(joint_data / "A", tmp_path / "A")
    shutil.copytree(joint_data / "A", tmp_path / "copy" / "A")
    sites = write_table(tmp_path / "sites.tsv", make_sites(90, seed=1))
    make_data(tmp_path / "C", "--sites", sites, "--k", "4", "--no-structure")
    with pytest.raises(UserError, match=message):
        joint.train_joint(
            [tmp_path / name for name in names],
            tmp_path / "run",
            run_config("deeprke-no-structure"),
        )
    assert not (tmp_path / "run").exists()


def test_a_replicate_that_is_no_dataset_is_told(joint_data, tmp_path, caplog):
    table = tmp_path / "replicates.tsv"
    table.write_text("A\tRBP\nA-2\tRBP\n")
    data = [joint_data / "A", joint_data / "B"]
    joint.checked(data, run_config("deeprke-no-structure"), JointConfig(), table)
    assert "`replicates` names no dataset of `data`: ['A-2']" in caplog.text
