"""Training that starts from the network of another run."""

import keras
import numpy as np
import pytest

import deeprke_tf as dk
from deeprke_tf import train
from deeprke_tf.errors import UserError
from deeprke_tf.runs.run import Run
from deeprke_tf.training.fine_tuning import FineTuningAdam
from tests.support.interruptions import interrupt_after_first_epoch
from tests.support.small_runs import make_data, make_sites, write_table

pytest_plugins = ["tests.support.run_fixtures"]

FEW = {"batch_size": 30, "learning_rate": 0.01, "warmup_epochs": 0}


@pytest.fixture(scope="module")
def new_data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("new")
    sites = write_table(directory / "sites.tsv", make_sites(60, seed=5))
    flags = ["--sites", sites, "--no-structure", "--validation-fraction", "0.3"]
    return make_data(directory / "data", *flags)


def body_of(run):
    return {
        weight.path: weight.numpy()
        for weight in run.model.weights
        if weight.path.split("/")[0] not in ("log_odds", "kmer_counts")
    }


@pytest.mark.parametrize("source", [".", "rbps/A"])
def test_the_body_stays_while_the_new_output_learns(
    source, joint_run, new_data, tmp_path
):
    settings = FEW | {"epochs": 2, "frozen_epochs": 2}
    run = dk.fit(new_data, tmp_path / "run", init_from=joint_run / source, **settings)
    before = body_of(Run.load(joint_run / "rbps" / "A"))
    after = body_of(run)
    assert before.keys() == after.keys()
    for path, weight in before.items():
        np.testing.assert_array_equal(after[path], weight)
    outputs = [
        Run.load(joint_run / "rbps" / name).model.get_layer("log_odds").get_weights()
        for name in "AB"
    ]
    new = run.model.get_layer("log_odds").get_weights()
    assert all(not np.array_equal(new[0], old[0]) for old in outputs)
    assert run.manifest["init_from"] == joint_run.name
    assert run.config.train.body_rate == 0.1


def test_the_body_learns_at_a_lower_rate_after_its_frozen_steps():
    model = keras.Sequential(
        [
            keras.layers.Dense(1, use_bias=False, name="dense"),
            keras.layers.Dense(1, use_bias=False, name="log_odds"),
        ]
    )
    model.build((None, 1))
    optimizer = FineTuningAdam(0.1, frozen_steps=2, body_rate=0.25)
    optimizer.build(model.trainable_variables)
    gradient = np.ones([1, 1], np.float32)
    moved = []
    for _step in range(3):
        before = [weight.numpy().item() for weight in model.trainable_variables]
        optimizer.apply([gradient, gradient], model.trainable_variables)
        after = [weight.numpy().item() for weight in model.trainable_variables]
        moved.append(np.subtract(before, after))
    np.testing.assert_allclose([body for body, _ in moved], [0, 0, 0.025], rtol=1e-4)
    np.testing.assert_allclose([head for _, head in moved], [0.1] * 3, rtol=1e-4)


def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    joint_run, new_data, tmp_path, monkeypatch
):
    def flags(out):
        given = ["--data", new_data, "--init-from", joint_run, "--out", tmp_path / out]
        given += ["--epochs", 3, "--frozen-epochs", 1, "--batch-size", 30]
        return list(map(str, given))

    assert train.main(flags("whole")) == 0
    with monkeypatch.context() as patch:
        interrupt_after_first_epoch(patch)
        assert train.main(flags("resumed")) == 130
    assert train.main(flags("resumed")) == 0
    histories = [
        (tmp_path / out / "history.csv").read_text() for out in ("whole", "resumed")
    ]
    assert histories[0] == histories[1]


def test_what_cannot_be_started_from_is_refused(
    joint_run, ensemble, run, new_data, tmp_path
):
    def fit(**given):
        dk.fit(new_data, tmp_path / "run", **given)

    with pytest.raises(UserError, match="is an ensemble; `init_from` takes a member"):
        fit(init_from=ensemble)
    with pytest.raises(UserError, match="give neither `vectors_from` nor `ensemble`"):
        fit(init_from=joint_run, ensemble=2)
    with pytest.raises(UserError, match="has another shape than the one to train"):
        fit(init_from=joint_run, dense_units=9, epochs=1)
    with pytest.raises(UserError, match="holds no structures"):
        fit(init_from=run)
