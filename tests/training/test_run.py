"""A training run: its files, determinism, resuming, refusals."""

import json
import os
import signal

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from deeprke_tf import train
from deeprke_tf.data import batches as dataset
from deeprke_tf.data import description
from deeprke_tf.runs import scorer
from deeprke_tf.runs.run import Run
from deeprke_tf.system import files
from deeprke_tf.training.checkpoint import TrainingState
from tests.support import fresh_processes
from tests.support.small_runs import QUICK, RUN, SEQUENCE_RUN

pytest_plugins = ["tests.support.run_fixtures"]


def weights(run):
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def history(run):
    return (run / "history.csv").read_text()


def same_weights(one, other):
    return all(map(np.array_equal, weights(one), weights(other)))


def losses(run):
    return pd.read_csv(run / "history.csv")["loss"].tolist()


def test_a_finished_run_holds_its_files_and_no_others(run):
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "sequence_vectors.npy",
        "structure_vectors.npy",
        "kmer_weights.npy",
        "history.csv",
        "model.keras",
        "model.onnx",
        "metrics.json",
        "validation.csv",
        "figures",
        "logs",
        "manifest.json",
    }
    assert {path.name for path in (run / "figures").iterdir()} == {
        "learning_curves.png",
        "roc_validation.png",
        "precision_recall_validation.png",
    }


def test_the_manifest_records_inputs_versions_seed_and_command(run, data, sites_files):
    manifest = json.loads((run / "manifest.json").read_text())
    inputs = {given["file"]: given["sha256"] for given in manifest["data"]["inputs"]}
    assert inputs["train.tsv"] == files.sha256(sites_files / "train.tsv")
    digest = files.sha256(data / "dataset.json")
    assert manifest["data"]["dataset_sha256"] == digest
    assert manifest["model_sha256"] == files.sha256(run / "model.keras")
    assert manifest["onnx_sha256"] == files.sha256(run / "model.onnx")
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["seed"] == 1
    assert manifest["n_epochs"] == 3
    assert manifest["command"]
    assert manifest["vectors"]["from"] is None
    assert manifest["vectors"]["sha256"] == {
        name: files.sha256(run / f"{file}.npy")
        for name, file in (
            ("sequence", "sequence_vectors"),
            ("structure", "structure_vectors"),
            ("kmer_weights", "kmer_weights"),
        )
    }
    assert str(sites_files) not in (run / "manifest.json").read_text()


def test_tensorboard_reads_the_history_from_the_logs(run):
    log = EventAccumulator(str(run / "logs"))
    log.Reload()
    for name, column in pd.read_csv(run / "history.csv", index_col="epoch").items():
        events = log.Tensors(name)
        assert [event.step for event in events] == column.index.tolist()
        values = [tf.make_ndarray(event.tensor_proto) for event in events]
        assert values == pytest.approx(column.tolist(), rel=1e-6)


def test_the_model_of_the_best_validation_epoch_is_kept(run, data):
    rows = pd.read_csv(run / "history.csv")
    kept = Run.load(run)
    batches = dataset.read_split(
        description.read(data), "validation", kept.config.model.views, 7
    )
    labels, probabilities = scorer.score_labelled(scorer.scorer(kept.model), batches)
    auroc = roc_auc_score(labels, probabilities)
    assert auroc == pytest.approx(rows["val_auroc"].max(), abs=1e-12)
    assert json.loads((run / "metrics.json").read_text())["auroc"] == pytest.approx(
        auroc
    )
    # Here the AUROC of every epoch is 1; of equals the one of the lowest loss is kept.
    tied = rows[rows["val_auroc"] == rows["val_auroc"].max()]
    assert kept.manifest["best_epoch"] == tied["val_loss"].idxmin() + 1


def test_the_kept_model_has_the_kmer_weights_of_the_run(run):
    counts = Run.load(run).model.get_layer("kmer_counts")
    (table,) = counts.get_weights()
    np.testing.assert_array_equal(table, np.load(run / "kmer_weights.npy"))
    assert counts.share == 0.3 and table.any()


def test_another_seed_gives_another_run(ensemble):
    # That the same seed gives the same run, resumed runs show.
    one, other = (ensemble / f"seed-{seed}" for seed in (7, 8))
    assert history(other) != history(one)
    assert not same_weights(other, one)


def train_until_killed(flags):
    """Trains; is killed when the third epoch was trained and is not kept yet."""
    end_epoch = TrainingState.end_epoch

    def die(state, row, model):
        if row["epoch"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        end_epoch(state, row, model)

    TrainingState.end_epoch = die
    return train.main(flags)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_killed_run_resumes_and_ends_as_an_uninterrupted_one(
    run, data, tmp_path, capsys
):
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *RUN]
    killed = fresh_processes.start(train_until_killed, flags, out=tmp_path / "out")
    killed.join(600)
    assert killed.exitcode == -signal.SIGKILL, (tmp_path / "out").read_text()
    assert not (tmp_path / "run" / "manifest.json").exists()
    # As if it had been killed between the state and the table.
    (tmp_path / "run" / "history.csv").unlink()
    assert train.main(flags) == 0
    assert "resuming after epoch 2" in capsys.readouterr().out
    assert history(tmp_path / "run") == history(run)
    assert same_weights(tmp_path / "run", run)
    assert not (tmp_path / "run" / "state").exists()


def test_balanced_class_weights_change_training(sequence_run, data, tmp_path):
    out = tmp_path / "run"
    flags = ["--data", str(data), "--out", str(out), *SEQUENCE_RUN]
    assert train.main([*flags, "--class-weights", "balanced", "--epochs", "1"]) == 0
    assert losses(out)[0] > losses(sequence_run)[0] + 0.03
    assert not same_weights(out, sequence_run)


def test_a_nan_loss_ends_the_run(data, tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--data", str(data), "--out", str(out), *QUICK]
    assert train.main([*flags, "--learning-rate", "1e38"]) == 1
    error = capsys.readouterr().err
    assert "In epoch 1 the" in error
    assert "training diverged. Start again with --overwrite and a lower" in error
    assert not (out / "manifest.json").exists()
