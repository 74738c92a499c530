import dataclasses
import io
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

from deeprke_tf import presets, train
from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig, load
from deeprke_tf.data import batches as dataset
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.networks import kmer_counts
from deeprke_tf.runs import run as runs
from deeprke_tf.runs import scorer
from deeprke_tf.system import files
from deeprke_tf.training import epochs, objective
from deeprke_tf.training import run as train_run
from deeprke_tf.training import vectors as run_vectors
from deeprke_tf.training.checkpoint import TrainingState
from tests.support import fresh_processes
from tests.support.small_models import CONFIGS, tiny_model, write_dataset
from tests.support.small_runs import ONE_EPOCH, QUICK, RUN, SEQUENCE_RUN, make_data

pytest_plugins = ["tests.support.run_fixtures"]


def weights(run):
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def history(run):
    return (run / "history.csv").read_text()


def same_weights(one, other):
    return all(map(np.array_equal, weights(one), weights(other)))


def losses(run):
    return pd.read_csv(run / "history.csv")["loss"].tolist()


# === What a run leaves ===


def test_a_finished_run_holds_its_files_and_no_others(run):
    assert {path.name for path in run.iterdir()} == {
        "config.json",
        "sequence_vectors.npy",
        "structure_vectors.npy",
        "kmer_weights.npy",
        "history.csv",
        "model.keras",
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


def test_the_manifest_tells_inputs_versions_seed_and_command(run, data, sites_files):
    manifest = json.loads((run / "manifest.json").read_text())
    inputs = {given["file"]: given["sha256"] for given in manifest["data"]["inputs"]}
    assert inputs["train.tsv"] == files.sha256(sites_files / "train.tsv")
    digest = files.sha256(data / "dataset.json")
    assert manifest["data"]["dataset_sha256"] == digest
    assert manifest["model_sha256"] == files.sha256(run / "model.keras")
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


def test_the_kept_model_is_that_of_the_best_validation_epoch(run, data):
    rows = pd.read_csv(run / "history.csv")
    kept = runs.load(run)
    batches = dataset.read_split(
        description.read(data), "validation", kept.config.model.views, 7
    )
    labels, probabilities = scorer.score_labelled(scorer.scorer(kept.model), batches)
    auroc = roc_auc_score(labels, probabilities)
    assert auroc == pytest.approx(rows["val_auroc"].max(), abs=1e-12)
    assert json.loads((run / "metrics.json").read_text())["auroc"] == pytest.approx(
        auroc
    )
    assert kept.manifest["best_epoch"] == rows["val_auroc"].idxmax() + 1


# === Determinism ===


def test_another_seed_gives_another_run(ensemble):
    # That one seed gives one run, the runs that go on below show.
    one, other = (ensemble / f"seed-{seed}" for seed in (7, 8))
    assert history(other) != history(one)
    assert not same_weights(other, one)


def test_the_kept_model_has_the_kmer_weights_of_the_run(run):
    counts = runs.load(run).model.get_layer("kmer_counts")
    (table,) = counts.get_weights()
    np.testing.assert_array_equal(table, np.load(run / "kmer_weights.npy"))
    assert counts.share == 0.3 and table.any()


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
    with pytest.raises(UserError, match="does not hold the weights of k=3; delete it"):
        run_vectors.make_vectors(info, tmp_path, settings, {})


def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(
    sequence_run, data, tmp_path, monkeypatch, capsys
):
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *SEQUENCE_RUN]

    def interrupt(*_row):
        raise KeyboardInterrupt

    # Half-way through the warm-up.
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "_epoch_line", interrupt)
        assert train.main(flags) == 130
    assert "train: interrupted." in capsys.readouterr().err
    # As if it had been killed between the state and the table.
    (tmp_path / "run" / "history.csv").unlink()
    assert train.main(flags) == 0
    assert "going on after epoch 1" in capsys.readouterr().out
    assert history(tmp_path / "run") == history(sequence_run)
    assert same_weights(tmp_path / "run", sequence_run)
    assert not (tmp_path / "run" / "state").exists()


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
def test_a_killed_run_ends_as_one_that_was_not(run, data, tmp_path):
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *RUN]
    killed = fresh_processes.start(train_until_killed, flags, out=tmp_path / "out")
    killed.join(600)
    assert killed.exitcode == -signal.SIGKILL, (tmp_path / "out").read_text()
    assert not (tmp_path / "run" / "manifest.json").exists()
    resumed = fresh_processes.start(train.main, flags, out=tmp_path / "resumed")
    fresh_processes.finish(resumed, tmp_path / "resumed")
    assert "going on after epoch 2" in (tmp_path / "resumed").read_text()
    assert history(tmp_path / "run") == history(run)
    assert same_weights(tmp_path / "run", run)


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        ({"warmup_epochs": 0}, [1, 1, 1, 1, 1]),
        ({"warmup_epochs": 2}, [0, 0.5, 1, 1, 1]),
        ({"warmup_epochs": 0, "schedule": "cosine"}, [1, 0.855, 0.505, 0.155, 0.01]),
        ({"warmup_epochs": 2, "schedule": "cosine"}, [0, 0.5, 1, 0.505, 0.01]),
        ({"warmup_epochs": 4, "schedule": "cosine"}, [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_the_step_size_rises_and_falls_as_asked_for(data, settings, shares):
    info = description.read(data)
    vectors = {"sequence": np.zeros([66, 5], np.float32)}
    settings = TrainConfig(epochs=4, batch_size=20, learning_rate=0.1, **settings)
    run_config = RunConfig(presets.preset("deepbind").model, train=settings)
    model = epochs.compiled_model(info, run_config, vectors)
    n_steps = -(-info.split("train").n_sites // 20)
    sizes = []
    for epoch in range(5):
        model.optimizer.iterations.assign(epoch * n_steps)
        sizes.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(sizes, 0.1 * np.array(shares), atol=1e-4)


# === When training stops, and what it keeps ===


@pytest.mark.parametrize(
    ("aurocs", "is_finished", "best_epoch"),
    [
        ([], False, None),
        ([0.5], False, 1),
        ([0.5, 0.6, 0.7], False, 3),
        ([0.7, 0.6], False, 1),
        ([0.7, 0.6, 0.6], False, 1),  # no better for 2 epochs, but only 3 done
        ([0.7, 0.6, 0.6, 0.6], True, 1),
        ([0.5, 0.7, 0.6, 0.6], True, 2),
        ([0.5, 0.6, 0.7, 0.6], False, 3),
        ([0.5, 0.7, 0.7, 0.7], True, 2),  # of equals the first
        ([0.5, 0.6, 0.7, 0.8, 0.9, 0.91], True, 6),  # all epochs are done
    ],
)
def test_training_stops_after_patience_but_not_before_min_epochs(
    aurocs, is_finished, best_epoch, tmp_path
):
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    state.history = [{"val_auroc": auroc} for auroc in aurocs]
    settings = TrainConfig(epochs=6, patience=2, min_epochs=4)
    assert state.is_finished(settings) == is_finished
    if best_epoch:
        assert state.best_epoch == best_epoch


def test_the_state_keeps_the_best_and_the_last_epoch(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    for epoch, auroc in enumerate([0.6, 0.9, 0.7, 0.8], start=1):
        model.set_weights([np.array([[epoch]])])
        state.end_epoch({"epoch": epoch, "val_auroc": auroc}, model)
    again = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    assert again.n_epochs == 4
    assert again.load_model().get_weights()[0].item() == 4
    assert again.load_best_model().get_weights()[0].item() == 2
    assert {path.name for path in (tmp_path / "state").iterdir()} == {
        "progress.json",
        "epoch-0002.keras",
        "epoch-0004.keras",
    }
    assert pd.read_csv(tmp_path / "history.csv")["val_auroc"].tolist() == [
        0.6,
        0.9,
        0.7,
        0.8,
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_each_epoch_has_an_order_of_its_own(seed):
    seeds = {objective.epoch_seed(seed, epoch) for epoch in range(1, 31)}
    assert len(seeds) == 30
    assert seeds.isdisjoint({objective.epoch_seed(3, epoch) for epoch in range(1, 31)})


@pytest.mark.parametrize(
    ("auroc_ci", "last", "batch_norm", "found", "advice"),
    [
        ((0.45, 0.55), 0.5, False, "not clearly better than chance", "--batch-norm"),
        ((0.45, 0.55), 0.5, True, "not clearly better than chance", "more sites"),
        ((0.59, 0.7), 0.5163, False, "back to chance, AUROC 0.5163", "--batch-norm"),
        ((0.59, 0.7), 0.5163, True, "back to chance, AUROC 0.5163", "more sites"),
    ],
)
def test_a_network_at_chance_is_told_with_what_to_do(
    auroc_ci, last, batch_norm, found, advice
):
    history = [{"val_auroc": 0.65}, {"val_auroc": last}]
    config = ModelConfig(batch_norm=batch_norm)
    said = train_run.chance_warning(auroc_ci, history, config)
    assert found in said and advice in said
    assert ("--batch-norm" in said) != batch_norm


def test_a_network_that_learned_is_told_nothing():
    history = [{"val_auroc": 0.5}, {"val_auroc": 0.63}]
    assert train_run.chance_warning((0.59, 0.7), history, ModelConfig()) == ""


def test_kmer_counts_do_not_hide_a_network_at_chance(tmp_path):
    rng = np.random.default_rng(0)
    # The weights know sites that begin with the first k-mer.
    sites = [([2 + (i % 2), *rng.integers(2, 66, 9)], i % 2) for i in range(60)]
    info = write_dataset(tmp_path, {"validation": sites})
    config = dataclasses.replace(
        CONFIGS["no-structure"], kmer_weight=0.9, batch_norm=True
    )
    network = tiny_model(config)
    for weight in network.trainable_variables:
        weight.assign(0 * weight)
    weights = np.zeros(kmer_counts.n_weights(3), np.float32)
    weights[1 + 1] = 1.0  # that of the second
    network.get_layer("kmer_counts").set_weights([weights])
    said = train_run.network_alone_warning(network, info, RunConfig(config))
    assert said.startswith("without its k-mer counts, on validation the model is not")
    batches = dataset.read_split(info, "validation", config.views, 20)
    scored = scorer.score_labelled(scorer.scorer(network), batches)
    assert roc_auc_score(*scored) > 0.8


# === Settings ===


@pytest.mark.parametrize(
    ("class_weights", "expected"),
    [("none", (1, 1)), ("balanced", (0.75, 1.5))],
)
def test_balanced_class_weights_give_both_classes_half_of_the_loss(
    class_weights, expected
):
    settings = TrainConfig(class_weights=class_weights)
    weights = objective.class_weights(settings, n_sites=30, n_positive=10)
    assert weights == pytest.approx(expected)


def test_balanced_class_weights_change_training(sequence_run, data, tmp_path):
    out = tmp_path / "run"
    flags = ["--data", str(data), "--out", str(out), *SEQUENCE_RUN]
    assert train.main([*flags, "--class-weights", "balanced", "--epochs", "1"]) == 0
    assert losses(out)[0] > losses(sequence_run)[0] + 0.03
    assert not same_weights(out, sequence_run)


def test_a_loss_that_is_no_number_ends_the_run(data, tmp_path, capsys):
    out = tmp_path / "run"
    flags = ["--data", str(data), "--out", str(out), *QUICK]
    assert train.main([*flags, "--learning-rate", "1e38"]) == 1
    error = capsys.readouterr().err
    assert "In epoch 1 the" in error
    assert "training diverged. Start again with --overwrite and a lower" in error
    assert not (out / "manifest.json").exists()


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--preset", "paper"], {}),
        (["--preset", "no-structure"], {"structure": False}),
        (["--preset", "one-hot"], {"structure": False, "one_hot": True}),
        (["--preset", "cnn-only"], {"lstm_units": 0}),
        (["--preset", "cnn-only", "--lstm-units", "5"], {"lstm_units": 5}),
        (["--preset=no-structure", "--structure"], {}),
        (["--preset", "paper", "--no-structure"], {"structure": False}),
        (["--preset", "paper", "--epochs", "3"], {"epochs": 3}),
    ],
)
def test_flags_override_the_preset(argv, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main(argv) == 0
    settings = vars(asked[0].model) | vars(asked[0].train)
    defaults = vars(RunConfig().model) | vars(RunConfig().train)
    assert settings == defaults | expected


def test_without_a_preset_the_settings_are_those_of_deeprke(monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main([]) == 0
    assert asked[0].run_config == presets.preset("deeprke")


def test_flags_override_a_config_file(run, monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main(["--config", str(run / "config.json"), "--epochs", "7"]) == 0
    assert asked[0].model.filters == (8, 6)
    assert asked[0].vectors.vector_size == 5
    assert asked[0].train.batch_size == 15
    assert asked[0].train.epochs == 7


@pytest.mark.parametrize(
    "flag",
    [
        "--no-structure",
        "--one-hot",
        "--mixed-precision",
        "--filters",
        "--vector-size",
        "--vectors-from",
        "--class-weights",
        "--overwrite",
    ],
)
def test_the_help_shows_flags_of_all_settings(flag, capsys):
    with pytest.raises(SystemExit, match="0"):
        train.main(["--help"])
    assert flag in capsys.readouterr().out


# === What is refused ===


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "papre"], "No preset 'papre'; there are: deeprke, deeprke-no-"),
        (["--config", "{tmp}/none.json"], "none.json: No such file or directory."),
        (["--data", "{tmp}"], "has no dataset.json; make it with `deeprke preprocess`"),
        (["--out", "{tmp}/notes.txt"], "notes.txt is a file; name a directory."),
        (["--out", "{tmp}/notes.txt/run"], "notes.txt is a file; name a directory."),
        (["--shard", "1/2"], "--shard shares out several datasets, but --data names"),
        (["--out", "{tmp}"], "is not empty and not a run; name another."),
        (["--out", "{tmp}", "--overwrite"], "is not empty and not a run; name another"),
        (["--devices", "0"], "devices must be at least 1, got 0."),
        (["--vectors-from", "{tmp}/none"], "Cannot read the vectors"),
        (["--vectors-from", "{tmp}", "--preset", "one-hot"], "--one-hot, not both"),
        (["--dropout", "1.5"], "dropout must be from 0 to 0.99, got 1.5."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_flags_end_with_one_line_and_leave_nothing(
    flags, message, data, tmp_path, capsys
):
    (tmp_path / "notes.txt").write_text("mine")
    given = [flag.format(tmp=tmp_path) for flag in flags]
    base = ["--data", str(data), "--out", str(tmp_path / "new")]
    assert train.main([*base, *ONE_EPOCH, *given]) == 1
    error = capsys.readouterr().err
    assert error.startswith("deeprke train: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_finished_run_is_kept_unless_overwritten(
    sequence_run, data, tmp_path, capsys
):
    flags = ["--data", str(data), "--out", str(sequence_run)]
    assert train.main([*flags, *SEQUENCE_RUN]) == 1
    assert "is a finished run; name another --out, or add --overwrite." in (
        capsys.readouterr().err
    )


@pytest.fixture
def unfinished(data, tmp_path, monkeypatch):
    """A run that was interrupted after its first epoch."""

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    out = tmp_path / "unfinished"
    with monkeypatch.context() as patch:
        patch.setattr(epochs, "_epoch_line", interrupt)
        flags = ["--data", str(data), "--out", str(out), *QUICK]
        assert train.main([*flags, "--epochs", "4"]) == 130
    return out


def test_an_unfinished_run_is_not_mixed_with_another(
    unfinished, data, sites_files, tmp_path, capsys
):
    base = ["--out", str(unfinished), *QUICK]
    config_file = unfinished / "config.json"
    other = make_data(tmp_path / "other", "--sites", sites_files / "test.tsv")
    for flags, what in [
        (["--data", str(data), "--epochs", "6"], "settings"),
        (["--data", str(data), "--epochs", "4", "--seed", "2"], "settings"),
        (["--data", str(other), "--epochs", "4"], "data"),
        (["--data", str(other), "--epochs", "6"], "settings"),
    ]:
        capsys.readouterr()
        assert train.main([*base, *flags]) == 1
        error = capsys.readouterr().err
        assert f"is an unfinished run of other {what}; name another" in error
        goes_on = f"--data {data} --out {unfinished} --config {config_file} goes on"
        same_data = what == "settings" and str(other) not in flags
        assert (goes_on in error) == same_data
    flags = ["--data", str(data), "--epochs", "1", "--overwrite"]
    assert train.main([*base, *flags]) == 0
    assert len(losses(unfinished)) == 1


def test_a_run_that_was_killed_before_it_wrote_its_settings_starts(
    data, tmp_path, monkeypatch
):
    def interrupt(*_arguments):
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
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset.json").write_text(json.dumps(contents))
    flags = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    assert train.main(flags) == 1
    assert "has 0 bound and 144 background sites; training needs both." in (
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
    data = make_data(tmp_path / "data", "--sites", sites_files / "test.tsv")
    (shard,) = data.glob("validation-*.tfrecord.gz")
    damage(shard)
    assert train.main(["--data", str(data), "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err
    assert f"The shard {shard} {message}" in error
