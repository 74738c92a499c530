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
    "settings",
    [
        *PRESETS.values(),
        RunConfig(
            ModelConfig(filters=(7,), kernel_sizes=(2,), dropout=0.0),
            VectorConfig(vector_size=3),
            TrainConfig(class_weights="balanced", mixed_precision=True, seed=0),
        ),
        FoldSettings(temperature=25.5),
        FoldSettings(max_bp_span=150),
    ],
)
def test_a_config_reads_back_as_it_was_saved(tmp_path, settings):
    path = written(tmp_path, dataclasses.asdict(settings))
    assert config.load(type(settings), path) == settings


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
            "class_weights must be one of 'none', 'balanced'; got 'balance'.",
        ),
        ({"train": {"class_weights": []}}, "'balanced'; got []."),
        ({"model": {"filters": 8}}, "filters must be tuple[int, ...], got 8."),
        ({"model": {"filters": [8.0]}}, "must be tuple[int, ...], got [8.0]."),
        ({"model": {"filters": [True]}}, "must be tuple[int, ...], got [True]."),
        ({"model": {"filters": "888"}}, "must be tuple[int, ...], got '888'."),
        ({"model": None}, "model: expected the settings of ModelConfig as an object"),
        ({"model": [1, 2]}, "ModelConfig as an object, got [1, 2]."),
        ({"model": {"dropout": 2}}, "model: dropout must be from 0 to 0.99, got 2."),
        ([], "expected the settings of RunConfig as an object, got []."),
        ("paper", "expected the settings of RunConfig as an object, got 'paper'."),
        ({"train": {"learning_rate": math.nan}}, "learning_rate must be from 1e-12"),
    ],
)
def test_a_file_with_a_wrong_name_type_or_value_is_refused(tmp_path, settings, words):
    path = written(tmp_path, settings)
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: .*") as raised:
        config.load(RunConfig, path)
    assert words in str(raised.value)


def test_a_file_of_an_earlier_version_loads(tmp_path):
    earlier = {"kmer_share": 0.1, "lstm_units": 0, "residual": False}
    path = written(tmp_path, {"model": earlier})
    expected = ModelConfig(kmer_weight=0.1, lstm_units=0)
    assert config.load(RunConfig, path).model == expected
    path = written(tmp_path, {"model": {"residual": True}})
    with pytest.raises(UserError, match=r"config\.json: model: residual is a "):
        config.load(RunConfig, path)


@pytest.mark.parametrize("max_bp_span", ["150", 150.0, False])
def test_an_optional_number_is_a_number_or_nothing(tmp_path, max_bp_span):
    path = written(tmp_path, {"max_bp_span": max_bp_span})
    with pytest.raises(UserError, match=r"max_bp_span must be int \| None, got"):
        config.load(FoldSettings, path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"model: {}", b"\xff\xfe", b"{'a': 1}", b"[" * 100_000]
)
def test_a_file_that_is_not_json_is_refused(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json is not JSON: "):
        config.load(RunConfig, path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"Cannot read .*missing\.json: No such fil"):
        config.load(RunConfig, tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("config_class", "name", "values", "allowed"),
    [
        (FoldSettings, "temperature", (-51.0, 151.0, math.nan), "from -50 to 150"),
        (FoldSettings, "max_bp_span", (0, 4, 2**31), "from 5 to 2,147,483,647"),
        (VectorConfig, "vector_size", (0, 10**9), "from 1 to 4,096"),
        (VectorConfig, "window", (-1, 3 * 10**9), "from 1 to 10,000"),
        (VectorConfig, "negative", (0,), "from 1 to 1,000"),
        (VectorConfig, "vector_epochs", (0,), "from 1 to"),
        (VectorConfig, "vector_sites", (0,), "from 1 to"),
        (ModelConfig, "network", ("lstm",), "one of 'deeprke', 'deepbind', 'ideepv'"),
        (ModelConfig, "filters", ((8, 0, 8), (10**12, 8, 8)), "from 1 to 4,096"),
        (ModelConfig, "kernel_sizes", ((1, 2, -3), (4, 8, 10**5)), "from 1 to 1,024"),
        (ModelConfig, "structure_filters", ((0, 1, 1),), "from 1 to 4,096"),
        (ModelConfig, "union_kernel_sizes", ((2, 0, 1),), "from 1 to 1,024"),
        (ModelConfig, "position_size", (-1,), "from 0 to 4,096"),
        (ModelConfig, "union_size", (-1,), "from 0 to 4,096"),
        (ModelConfig, "union_mean", (1.5,), "from 0 to 1"),
        (ModelConfig, "kmer_weight", (-0.1,), "from 0 to 1"),
        (ModelConfig, "spatial_dropout", (1.0,), "from 0 to 0.99"),
        (ModelConfig, "dropout", (-0.1, 1.0, math.nan), "from 0 to 0.99"),
        (ModelConfig, "lstm_units", (-1, 10**6), "from 0 to 4,096"),
        (ModelConfig, "dense_units", (0,), "from 1 to 4,096"),
        (TrainConfig, "batch_size", (0,), "from 1 to 1,000,000"),
        (TrainConfig, "epochs", (0,), "from 1 to"),
        (TrainConfig, "patience", (0,), "from 1 to"),
        (TrainConfig, "min_epochs", (0,), "from 1 to"),
        (TrainConfig, "learning_rate", (0.0, math.nan, math.inf), "from 1e-12 to 1e"),
        (TrainConfig, "label_smoothing", (1.0,), "from 0 to 0.99"),
        (TrainConfig, "class_weights", ("auto",), "one of 'none', 'balanced'"),
        (TrainConfig, "schedule", ("step",), "one of 'constant', 'cosine'"),
        (TrainConfig, "seed", (-1, 2**63), "from 0 to 9,223,372,036,854,775,807"),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_range(
    config_class, name, values, allowed
):
    for value in values:
        with pytest.raises(UserError, match=f"`{name}` must be {allowed}") as raised:
            config_class(**{name: value})
        assert f"got {value!r}." in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"filters": (8, 8)},
            r"sequence module has filters \(8, 8\) but kernel sizes \(8, 16, 32\)",
        ),
        ({"filters": (), "kernel_sizes": ()}, "at least one"),
        (
            {"union_filters": (8,)},
            r"The union module has filters \(8,\) but kernel sizes \(8, 16, 32\)",
        ),
        ({"structure_filters": (8,)}, "The structure module has filters"),
        (
            {"network": "deepbind"},
            "'deepbind' reads the sequence alone; give `structure=False`",
        ),
        (
            {"network": "ideeps", "structure": False},
            "'ideeps' reads sequence and structure .* got structure False and lstm_uni",
        ),
        ({"network": "ideeps", "lstm_units": 0}, "lstm_units 0"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        ModelConfig(**settings)


@pytest.mark.parametrize(
    ("config_class", "settings"),
    [
        (FoldSettings, {"temperature": -50.0, "max_bp_span": 5}),
        (ModelConfig, {"dropout": 0.0, "lstm_units": 0}),
        (TrainConfig, {"seed": 2**63 - 1, "batch_size": 1, "patience": 1}),
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


def test_a_module_has_the_shape_of_the_sequence_module_unless_given_its_own():
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
