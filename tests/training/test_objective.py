"""Learning rate, early stopping, class weights; the state of a training."""

import json
import zipfile

import keras
import numpy as np
import pandas as pd
import pytest

from deeprke_tf import presets
from deeprke_tf.config import RunConfig, TrainConfig
from deeprke_tf.data import description
from deeprke_tf.networks.fourier_conv import FourierConv1D
from deeprke_tf.training import epochs, objective
from deeprke_tf.training.checkpoint import TrainingState
from deeprke_tf.training.task import SingleTask

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.mark.parametrize(
    ("settings", "fractions"),
    [
        ({"warmup_epochs": 0}, [1, 1, 1, 1, 1]),
        ({"warmup_epochs": 2}, [0, 0.5, 1, 1, 1]),
        ({"warmup_epochs": 0, "schedule": "cosine"}, [1, 0.855, 0.505, 0.155, 0.01]),
        ({"warmup_epochs": 2, "schedule": "cosine"}, [0, 0.5, 1, 0.505, 0.01]),
        ({"warmup_epochs": 4, "schedule": "cosine"}, [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_the_learning_rate_follows_warm_up_and_decay(data, settings, fractions):
    info = description.read(data)
    vectors = {"sequence": np.zeros([66, 5], np.float32)}
    settings = TrainConfig(epochs=4, batch_size=20, learning_rate=0.1, **settings)
    run_config = RunConfig(presets.preset("deepbind").model, train=settings)
    model = epochs.compiled_model(SingleTask(info, run_config), run_config, vectors)
    n_steps = -(-info.split("train").n_sites // 20)
    rates = []
    for epoch in range(5):
        model.optimizer.iterations.assign(epoch * n_steps)
        rates.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(rates, 0.1 * np.array(fractions), atol=1e-4)


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
    state.history = [{"val_auroc": auroc, "val_loss": 0.6} for auroc in aurocs]
    settings = TrainConfig(epochs=6, patience=2, min_epochs=4)
    assert state.is_finished(settings) == is_finished
    if best_epoch:
        assert state.best_epoch == best_epoch


@pytest.mark.parametrize(
    ("body_rate", "n_epochs", "best_epoch"),
    [
        (0.1, 4, 4),  # of those after the frozen ones
        (0.1, 2, 1),  # there are no others yet
        (0, 4, 1),  # the body stays as it is: all epochs are alike
    ],
)
def test_an_epoch_that_trains_the_output_alone_is_not_the_best(
    body_rate, n_epochs, best_epoch, tmp_path
):
    settings = TrainConfig(
        frozen_epochs=2, body_rate=body_rate, patience=3, min_epochs=1
    )
    choice = objective.epoch_choice(settings, n_of_smaller_class=1_000)
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv", choice)
    rows = [{"val_auroc": a, "val_loss": 0.6} for a in (0.9, 0.8, 0.6, 0.7)]
    state.history = rows[:n_epochs]
    assert state.best_epoch == best_epoch
    assert state.is_finished(settings) == (best_epoch <= n_epochs - 3)


@pytest.mark.parametrize(("n_sites", "best_epoch"), [(9, 1), (10, 2)])
def test_of_few_sites_of_a_class_the_loss_chooses(n_sites, best_epoch, tmp_path):
    settings = TrainConfig(patience=1, min_epochs=1)
    choice = objective.epoch_choice(settings, n_sites)
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv", choice)
    state.history = [
        {"val_auroc": 0.8, "val_loss": 0.4},
        {"val_auroc": 0.9, "val_loss": 0.5},
    ]
    assert state.best_epoch == best_epoch
    assert state.is_finished(settings) == (best_epoch == 1)


def test_a_state_that_names_layers_of_earlier_versions_is_loaded(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input([8, 1]), keras.layers.MaxPooling1D(2)])
    model.compile("sgd", "mse")
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    row = {"epoch": 1, "loss": 0.6, "val_auroc": 0.6, "val_loss": 0.6}
    state.end_epoch(row, model)
    # As version 0.1.0 wrote it, without digests.
    (tmp_path / "state" / "progress.json").write_text(json.dumps([row]))
    (path,) = (tmp_path / "state").glob("*.keras")
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(contents["config.json"])
    layer = config["config"]["layers"][1]
    layer["module"] = "deeprke_tf.networks.vmap_layers"
    layer["class_name"] = "HalvingMaxPooling1D"
    layer["registered_name"] = "deeprke_tf>HalvingMaxPooling1D"
    contents["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    for name in ("Conv1D", "HalvingMaxPooling1D"):  # of other tests
        monkeypatch.delitem(
            keras.saving.get_custom_objects(), f"deeprke_tf>{name}", raising=False
        )
    again = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    assert again.load_model().layers[0].pool_size == (2,)


def test_the_best_weights_may_be_of_layers_of_earlier_versions(tmp_path):
    def network(layer):
        return keras.Sequential([keras.Input([8, 2]), layer])

    old = network(keras.layers.Conv1D(3, 4, padding="same", name="conv"))
    old.compile("sgd", "mse")
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    row = {"epoch": 1, "loss": 0.6, "val_auroc": 0.6, "val_loss": 0.6}
    state.end_epoch(row, old)
    new = network(FourierConv1D(3, 4, name="conv"))
    state.load_best_weights(new)
    for weights, expected in zip(new.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_the_state_keeps_the_best_and_the_last_epoch(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    state = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    for epoch, auroc in enumerate([0.6, 0.9, 0.7, 0.8], start=1):
        model.set_weights([np.array([[epoch]])])
        row = {"epoch": epoch, "loss": 0.6, "val_auroc": auroc, "val_loss": 0.6}
        state.end_epoch(row, model)
    again = TrainingState(tmp_path / "state", tmp_path / "history.csv")
    assert again.n_epochs == 4
    assert again.load_model().get_weights()[0].item() == 4
    again.load_best_weights(model)
    assert model.get_weights()[0].item() == 2
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
    ("class_weights", "expected"),
    [("none", (1, 1)), ("balanced", (0.75, 1.5))],
)
def test_balanced_class_weights_give_both_classes_half_of_the_loss(
    class_weights, expected
):
    settings = TrainConfig(class_weights=class_weights)
    weights = objective.class_weights(settings, n_sites=30, n_positive=10)
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n_sites", "n_passes", "epochs"),
    [(100, 64, 32), (1_000, 7, 30), (6_399, 2, 16), (6_400, 1, 32), (50_000, 1, 8)],
)
def test_few_sites_have_few_epochs_of_several_passes(n_sites, n_passes, epochs):
    asked = TrainConfig(epochs=8, min_steps=1_600, batch_size=128)
    settings = objective.for_sites(asked, n_sites)
    assert objective.passes_per_epoch(settings, n_sites) == n_passes
    assert settings.epochs == epochs
    assert epochs * objective.steps_per_epoch(settings, n_sites) >= 1_600
    assert objective.for_sites(settings, n_sites) == settings
