import dataclasses
import json
import math
import re

import pytest

from deeprke_tf import config
from deeprke_tf.config import (
    FoldSettings,
    ModelConfig,
    RunConfig,
    TrainConfig,
    VectorConfig,
)
from deeprke_tf.errors import UserError
from deeprke_tf.presets import PRESETS, preset


def written(tmp_path, settings):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings))
    return path


@pytest.mark.parametrize(
    "run_config",
    [
        *PRESETS.values(),
        RunConfig(
            ModelConfig(filters=(7,), kernel_sizes=(2,), dropout=0.0),
            VectorConfig(vector_size=3),
            TrainConfig(class_weights="balanced", mixed_precision=True, seed=0),
        ),
    ],
)
def test_a_config_reads_back_as_it_was_saved(tmp_path, run_config):
    config.save(run_config, tmp_path / "config.json")
    assert config.load(RunConfig, tmp_path / "config.json") == run_config


@pytest.mark.parametrize("max_bp_span", [None, 150])
def test_fold_settings_read_back_as_they_were_saved(tmp_path, max_bp_span):
    settings = FoldSettings(temperature=25.5, max_bp_span=max_bp_span)
    config.save(settings, tmp_path / "fold.json")
    assert config.load(FoldSettings, tmp_path / "fold.json") == settings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, RunConfig()),
        ({"model": {}}, RunConfig()),
        ({"model": {"lstm_units": 0}}, preset("cnn-only")),
        ({"train": {"epochs": 3}}, RunConfig(train=TrainConfig(epochs=3))),
    ],
)
def test_settings_left_out_take_their_defaults(tmp_path, settings, expected):
    assert config.load(RunConfig, written(tmp_path, settings)) == expected


def test_a_whole_number_will_do_for_a_float(tmp_path):
    loaded = config.load(TrainConfig, written(tmp_path, {"learning_rate": 1}))
    assert type(loaded.learning_rate) is float


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"modle": {}}, "unknown RunConfig settings ['modle']; known: ['model', "),
        (
            {"train": {"lerning_rate": 0.1}},
            "train: unknown TrainConfig settings ['lerning_rate']; known: ['batch_",
        ),
        ({"train": {"epochs": True}}, "train: epochs must be int, got True."),
        ({"train": {"epochs": 3.0}}, "epochs must be int, got 3.0."),
        ({"train": {"epochs": "3"}}, "epochs must be int, got '3'."),
        ({"train": {"epochs": None}}, "epochs must be int, got None."),
        ({"train": {"learning_rate": "0.1"}}, "learning_rate must be float, got '0.1'"),
        ({"train": {"learning_rate": True}}, "learning_rate must be float, got True."),
        ({"train": {"mixed_precision": 1}}, "mixed_precision must be bool, got 1."),
        (
            {"train": {"class_weights": "balance"}},
            "class_weights must be typing.Literal['none', 'balanced'], got 'balance'.",
        ),
        ({"train": {"class_weights": []}}, "'balanced'], got []."),
        ({"model": {"filters": 8}}, "filters must be tuple[int, ...], got 8."),
        ({"model": {"filters": [8.0]}}, "must be tuple[int, ...], got [8.0]."),
        ({"model": {"filters": [True]}}, "must be tuple[int, ...], got [True]."),
        ({"model": {"filters": "888"}}, "must be tuple[int, ...], got '888'."),
        ({"model": None}, "model: expected the settings of ModelConfig as an object"),
        ({"model": [1, 2]}, "ModelConfig as an object, got [1, 2]."),
        ({"model": {"dropout": 2}}, "model: dropout must be in [0, 1), got 2.0."),
        ([], "expected the settings of RunConfig as an object, got []."),
        ("paper", "expected the settings of RunConfig as an object, got 'paper'."),
        ({"train": {"learning_rate": math.nan}}, "learning_rate must be above 0"),
    ],
)
def test_a_file_with_a_wrong_name_type_or_value_is_refused(tmp_path, settings, words):
    path = written(tmp_path, settings)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: .*") as raised:
        config.load(RunConfig, path)
    assert words in str(raised.value)


def test_a_file_of_an_earlier_version_loads_without_residual_convolutions(tmp_path):
    path = written(tmp_path, {"model": {"lstm_units": 0, "residual": False}})
    assert config.load(RunConfig, path) == preset("cnn-only")
    path = written(tmp_path, {"model": {"residual": True}})
    with pytest.raises(UserError, match=r"config\.json: model: residual is a "):
        config.load(RunConfig, path)


@pytest.mark.parametrize("max_bp_span", ["150", 150.0, False])
def test_an_optional_number_is_a_number_or_nothing(tmp_path, max_bp_span):
    path = written(tmp_path, {"max_bp_span": max_bp_span})
    with pytest.raises(UserError, match=r"max_bp_span must be int \| None, got"):
        config.load(FoldSettings, path)


@pytest.mark.parametrize("content", [b"", b"{", b"model: {}", b"\xff\xfe", b"{'a': 1}"])
def test_a_file_that_is_not_json_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json is not JSON: "):
        config.load(RunConfig, path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.json", "No such file or directory"), (".", "Is a directory")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, name, reason):
    with pytest.raises(UserError, match=f"Cannot read the config .*: {reason}"):
        config.load(RunConfig, tmp_path / name)


@pytest.mark.parametrize(
    ("config_class", "settings", "words"),
    [
        (FoldSettings, {"temperature": -51.0}, "between -50 and 150 °C, got -51.0"),
        (FoldSettings, {"temperature": 151.0}, "between -50 and 150 °C, got 151.0"),
        (FoldSettings, {"temperature": math.nan}, "between -50 and 150 °C, got nan"),
        (FoldSettings, {"max_bp_span": 4}, "max_bp_span must be at least 5 .* got 4"),
        (FoldSettings, {"max_bp_span": 0}, "max_bp_span must be at least 5 .* got 0"),
        (VectorConfig, {"vector_size": 0}, "vector_size must be above 0"),
        (VectorConfig, {"window": -1}, "window must be above 0 and finite, got -1"),
        (VectorConfig, {"negative": 0}, "negative must be above 0"),
        (VectorConfig, {"vector_epochs": 0}, "vector_epochs must be above 0"),
        (VectorConfig, {"vector_sites": 0}, "vector_sites must be above 0"),
        (
            ModelConfig,
            {"filters": (8, 8)},
            r"filters \(8, 8\) and kernel_sizes \(8, 16, 32\) must name the same",
        ),
        (ModelConfig, {"filters": (), "kernel_sizes": ()}, "at least one"),
        (ModelConfig, {"filters": (8, 0, 8)}, r"filters must be .* got \(8, 0, 8\)"),
        (ModelConfig, {"kernel_sizes": (1, 2, -3)}, "kernel_sizes must be above 0"),
        (
            ModelConfig,
            {"union_filters": (8,)},
            r"The union module has filters \(8,\) but kernel sizes \(8, 16, 32\)",
        ),
        (ModelConfig, {"structure_filters": (8,)}, "The structure module has filters"),
        (ModelConfig, {"union_kernel_sizes": (2, 0, 1)}, "union_kernel_sizes must be"),
        (ModelConfig, {"position_size": -1}, "position_size must not be negative"),
        (ModelConfig, {"union_size": -1}, "union_size must not be negative, got -1"),
        (ModelConfig, {"union_mean": 1.5}, r"union_mean must be in \[0, 1\], got 1.5"),
        (ModelConfig, {"spatial_dropout": 1.0}, r"spatial_dropout must be in \[0, 1\)"),
        (ModelConfig, {"lstm_units": -1}, "lstm_units must not be negative, got -1"),
        (ModelConfig, {"dense_units": 0}, "dense_units must be above 0"),
        (ModelConfig, {"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        (ModelConfig, {"dropout": -0.1}, r"dropout must be in \[0, 1\), got -0.1"),
        (ModelConfig, {"dropout": math.nan}, r"dropout must be in \[0, 1\), got nan"),
        (
            ModelConfig,
            {"network": "deepbind"},
            "'deepbind' reads the sequence alone; structure must be off",
        ),
        (
            ModelConfig,
            {"network": "ideeps", "structure": False},
            "'ideeps' reads sequence and structure .* got structure False and lstm_uni",
        ),
        (ModelConfig, {"network": "ideeps", "lstm_units": 0}, "lstm_units 0"),
        (TrainConfig, {"batch_size": 0}, "batch_size must be above 0"),
        (TrainConfig, {"epochs": 0}, "epochs must be above 0"),
        (TrainConfig, {"patience": 0}, "patience must be above 0"),
        (TrainConfig, {"min_epochs": 0}, "min_epochs must be above 0"),
        (TrainConfig, {"learning_rate": 0.0}, "learning_rate must be above 0"),
        (TrainConfig, {"learning_rate": math.nan}, "learning_rate .* got nan"),
        (TrainConfig, {"learning_rate": math.inf}, "learning_rate .* finite, got inf"),
        (
            TrainConfig,
            {"label_smoothing": 1.0},
            "label_smoothing must be from 0 to below 1, got 1.0",
        ),
        (
            TrainConfig,
            {"class_weights": "auto"},
            "class_weights must be 'none' or 'balanced', got 'auto'",
        ),
        (TrainConfig, {"schedule": "step"}, "schedule must be 'constant' or 'cosine'"),
        (TrainConfig, {"seed": -1}, "seed must not be negative, got -1"),
    ],
)
def test_a_value_without_sense_is_refused_where_it_is_made(
    config_class, settings, words
):
    with pytest.raises(UserError, match=words):
        config_class(**settings)


@pytest.mark.parametrize(
    ("config_class", "settings"),
    [
        (FoldSettings, {"temperature": -50.0, "max_bp_span": 5}),
        (ModelConfig, {"dropout": 0.0, "lstm_units": 0}),
        (TrainConfig, {"seed": 0, "batch_size": 1, "patience": 1}),
    ],
)
def test_values_at_their_limits_are_allowed(config_class, settings):
    assert dataclasses.asdict(config_class(**settings)).items() >= settings.items()


@pytest.mark.parametrize(
    ("name", "views", "one_hot", "lstm_units"),
    [
        ("paper", ("sequence_kmers", "structure_kmers"), False, 32),
        ("no-structure", ("sequence_kmers",), False, 32),
        ("one-hot", ("sequence_kmers",), True, 32),
        ("cnn-only", ("sequence_kmers", "structure_kmers"), False, 0),
    ],
)
def test_the_presets_are_the_paper_and_its_ablations(name, views, one_hot, lstm_units):
    model = preset(name).model
    assert (model.views, model.one_hot, model.lstm_units) == (
        views,
        one_hot,
        lstm_units,
    )
    assert preset(name).train == preset("paper").train


def test_a_module_has_the_shape_of_the_sequence_module_unless_told_otherwise():
    config = ModelConfig(
        filters=(6, 4),
        kernel_sizes=(5, 3),
        structure_filters=(2, 1),
        union_filters=(9,),
        union_kernel_sizes=(7,),
    )
    assert config.shape_of("sequence") == ((6, 4), (5, 3))
    assert config.shape_of("structure") == ((2, 1), (5, 3))
    assert config.shape_of("union") == ((9,), (7,))
    assert ModelConfig().shape_of("union") == ((128, 64, 32), (8, 16, 32))


def test_the_paper_preset_has_the_widths_of_the_paper():
    paper = preset("paper")
    assert paper.model.filters == (128, 64, 32)
    assert paper.model.kernel_sizes == (8, 16, 32)
    assert paper.model.dropout == 0.2
    assert paper.vectors.vector_size == 100
    assert (paper.train.batch_size, paper.train.epochs) == (128, 30)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(
        UserError,
        match="No preset 'papr'; there are: deeprke, deeprke-no-structure, paper, no-s",
    ):
        preset("papr")
