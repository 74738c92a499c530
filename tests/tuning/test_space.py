import dataclasses
import json

import keras_tuner
import pytest

from deeprke_tf.config import RunConfig
from deeprke_tf.errors import UserError
from deeprke_tf.presets import PRESETS, preset
from deeprke_tf.tuning import space as tune_space
from deeprke_tf.tuning.space import DEFAULT_SPACE, Choices, Range

START = RunConfig()


def space_of(path, text, start=START, given_vectors=False):
    path.write_text(text)
    return tune_space.space_around(start, path, given_vectors)


def changed(start, part, **values):
    settings = dataclasses.replace(getattr(start, part), **values)
    return dataclasses.replace(start, **{part: settings})


def default_names(start=START):
    return list(tune_space.space_around(start, None, False))


# === From values to settings ===


@pytest.mark.parametrize(
    "name", ["deeprke", "paper", "no-structure", "one-hot", "cnn-only"]
)
def test_the_defaults_of_the_space_are_the_preset(name):
    space = tune_space.space_around(preset(name), None, False)
    hyperparameters = keras_tuner.HyperParameters()
    assert tune_space.sample(hyperparameters, space, preset(name)) == preset(name)
    assert {hp.name for hp in hyperparameters.space} == set(space)


def test_sampled_values_are_the_settings_of_the_trial():
    space = {
        "filters": Choices(((128, 64, 32), (8, 8, 8))),
        "batch_norm": Choices((False, True)),
        "vector_size": Range(50, 200),
        "learning_rate": Range(1e-4, 1e-2, sampling="log"),
    }
    hyperparameters = keras_tuner.HyperParameters()
    tune_space.sample(hyperparameters, space, START)
    by_name = {hp.name: hp for hp in hyperparameters.space}
    hyperparameters.values = {
        "filters": "[8, 8, 8]",
        "batch_norm": "true",
        "vector_size": by_name["vector_size"].prob_to_value(0.999),
        "learning_rate": by_name["learning_rate"].prob_to_value(0.5),
    }
    sampled = tune_space.sample(hyperparameters, space, START)
    assert sampled.model == dataclasses.replace(
        START.model, filters=(8, 8, 8), batch_norm=True
    )
    assert sampled.vectors == dataclasses.replace(START.vectors, vector_size=200)
    assert sampled.train.learning_rate == pytest.approx(1e-3)
    assert sampled.train == dataclasses.replace(
        START.train, learning_rate=sampled.train.learning_rate
    )


# === The default space ===


def test_the_default_choices_are_widened_to_where_the_search_starts():
    start = changed(START, "model", lstm_units=48)
    units = tune_space.space_around(start, None, False)["lstm_units"].values
    assert set(units) == {*DEFAULT_SPACE["lstm_units"].values, 48}


def test_the_widths_vary_around_the_starting_widths():
    space = tune_space.space_around(preset("deeprke"), None, False)
    assert space["filters"] == Choices(((128,), (256,), (512,)))
    assert space["union_kernel_sizes"] == Choices(((8, 8), (16, 16)))
    narrow = changed(START, "model", filters=(1, 1, 1))
    widths = tune_space.space_around(narrow, None, False)["filters"]
    assert widths == Choices(((1, 1, 1), (2, 2, 2)))
    assert not {"union_filters", "structure_filters"} & set(
        tune_space.space_around(START, None, False)
    )


@pytest.mark.parametrize("name", PRESETS)
def test_the_default_space_of_a_preset_holds_only_what_can_be_trained(name):
    start = preset(name)
    for setting, domain in tune_space.space_around(start, None, False).items():
        is_range = isinstance(domain, Range)
        for value in (domain.min, domain.max) if is_range else domain.values:
            tune_space.with_values(start, {setting: value})


@pytest.mark.parametrize(("value", "ends"), [(0.1, (1e-4, 0.1)), (1e-6, (1e-6, 5e-3))])
def test_the_default_range_is_widened_to_where_the_search_starts(value, ends):
    start = changed(START, "train", learning_rate=value)
    domain = tune_space.space_around(start, None, False)["learning_rate"]
    assert (domain.min, domain.max) == ends


@pytest.mark.parametrize(
    ("start", "given_vectors"), [(START, True), (preset("one-hot"), False)]
)
def test_vectors_do_not_vary_where_none_are_trained(start, given_vectors, tmp_path):
    assert "vector_size" not in tune_space.space_around(start, None, given_vectors)
    with pytest.raises(UserError, match="no setting 'window' to search; there are: "):
        space_of(tmp_path / "s.toml", "window = [12]", start, given_vectors)


@pytest.mark.parametrize("name", ["deepbind", "ideeps"])
def test_what_a_network_does_not_read_does_not_vary(name, tmp_path):
    start = preset(name)
    space = tune_space.space_around(start, None, False)
    assert {"filters", "kernel_sizes", "dropout", "learning_rate"} <= set(space)
    assert not {"spatial_dropout", "position_size", "batch_norm"} & set(space)
    assert ("lstm_units" in space) == (name == "ideeps")
    with pytest.raises(UserError, match="no setting 'batch_norm' to search; "):
        space_of(tmp_path / "s.toml", "batch_norm = [false, true]", start)


# === The user's file ===


def test_a_file_narrows_widens_and_fixes(tmp_path):
    space = space_of(
        tmp_path / "space.toml",
        """
        filters = [[128, 64, 32], [16, 8, 4]]
        class_weights = ["none", "balanced"]   # not in the default space
        warmup_epochs = {min = 0, max = 4}
        learning_rate = {min = 1e-4, max = 1, sampling = "log", step = 10}
        batch_size = "fixed"
        """,
    )
    assert space["filters"] == Choices(((128, 64, 32), (16, 8, 4)))
    assert space["class_weights"] == Choices(("none", "balanced"))
    assert space["warmup_epochs"] == Range(0, 4)
    assert space["learning_rate"] == Range(1e-4, 1.0, 10, "log")
    assert set(space) == {*default_names(), "class_weights", "warmup_epochs"} - {
        "batch_size"
    }
    # KerasTuner takes it.
    tune_space.sample(keras_tuner.HyperParameters(), space, START)


def test_json_says_the_same_as_toml(tmp_path):
    entries = {"dropout": {"min": 0, "max": 0.5}, "lstm_units": [32, 64]}
    as_json = space_of(tmp_path / "space.json", json.dumps(entries))
    as_toml = space_of(
        tmp_path / "space.toml", "dropout = {min = 0, max = 0.5}\nlstm_units = [32, 64]"
    )
    assert as_json == as_toml
    assert as_json["dropout"] == Range(0.0, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lstm_unit = [32]", "no setting 'lstm_unit' to search; there are: structure"),
        ("seed = [1, 2]", "no setting 'seed' to search"),
        ("epochs = [1, 30]", "no setting 'epochs' to search"),
        ("dropout = [0.2, 1.5]", "dropout must be from 0 to 0.99, got 1.5"),
        ("lstm_units = [32, '64']", "lstm_units must be int, got '64'"),
        ("lstm_units = [32, 64.5]", "lstm_units must be int, got 64.5"),
        ("filters = [[128, 64]]", "give as many of both"),
        (
            "lstm_units = [64]",
            r"starts at 32, which \[64\] does not include; .*`lstm_units`",
        ),
        ("lstm_units = []", r"starts at 32, which \[\] does not include"),
        ("lstm_units = [32, 32]", "names a value twice"),
        ("lstm_units = 32", "expected a list of values, a range such as .* got 32"),
        (
            "lstm_units = {min = 40, max = 50}",
            "starts at 32, which .* does not include",
        ),
        ("lstm_units = {min = 32, max = 32}", "min must be below max, got 32 and 32"),
        ("lstm_units = {min = 1}", "a range has min and max, and may have"),
        ("lstm_units = {min=1, max=40, stp=1}", "a range has min and max"),
        ("lstm_units = {min=1, max=40, step=0.5}", "step must be int, got 0.5"),
        ("dropout = {min=0, max=0.5, sampling='log'}", "must begin above 0, not at 0"),
        (
            "dropout = {min=0, max=0.5, sampling='lg'}",
            'must be "linear" or "log", got \'lg',
        ),
        ("batch_norm = {min=0, max=1}", "not a number; give a list"),
        ("lstm_units = [32", "is neither TOML nor JSON"),
        (
            "\n".join(f"{name} = 'fixed'" for name in default_names()),
            "leaves nothing to search",
        ),
    ],
    ids=lambda text: text[:24],
)
def test_a_file_that_makes_no_sense_is_refused(text, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        space_of(tmp_path / "space.toml", text)
    assert str(tmp_path / "space.toml") in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read the space .*none.toml"):
        tune_space.space_around(START, tmp_path / "none.toml", False)
