import dataclasses

import pytest

from deeprke_tf import presets
from deeprke_tf.errors import UserError
from deeprke_tf.training.settings import run_config

pytest_plugins = ["tests.support.run_fixtures"]


def test_single_settings_replace_settings_of_the_preset():
    given = {"filters": (8, 6), "kernel_sizes": [4, 3], "vector_size": 7, "seed": 3}
    settings = run_config("paper", given=given)
    expected = presets.preset("paper")
    assert settings.model == dataclasses.replace(
        expected.model, filters=(8, 6), kernel_sizes=(4, 3)
    )
    assert settings.vectors == dataclasses.replace(expected.vectors, vector_size=7)
    assert settings.train == dataclasses.replace(expected.train, seed=3)


def test_a_config_file_or_object_takes_the_place_of_the_preset(sequence_run):
    settings = run_config(base=sequence_run / "config.json")
    assert settings.model.lstm_units == 0
    assert run_config(None, settings, {"lstm_units": 4}).model.lstm_units == 4


@pytest.mark.parametrize(
    ("given", "epochs", "min_steps"),
    [
        ({}, 8, 1600),
        ({"epochs": 2}, 2, 0),
        ({"epochs": 2, "min_steps": 50}, 2, 50),
    ],
)
def test_given_epochs_are_not_raised(given, epochs, min_steps):
    training = run_config("deeprke", given=given).train
    assert (training.epochs, training.min_steps) == (epochs, min_steps)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 2}, "No setting 'epoch'; did you mean `epochs`"),
        ({"zzz": 2}, r"No setting 'zzz'; known: \['network', 'structure'"),
        ({"epochs": "2"}, "epochs must be int, got '2'"),
        ({"dropout": 2}, "dropout must be from 0 to"),
    ],
)
def test_wrong_settings_are_refused(given, message):
    with pytest.raises(UserError, match=message):
        run_config(given=given)
