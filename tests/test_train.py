"""The flags of `deeprke train`."""

import shlex

import pytest

from deeprke_tf import api, cv_train, presets, train, tune
from deeprke_tf.config import RunConfig
from deeprke_tf.data import description
from deeprke_tf.training import epochs, settings
from tests.support.small_runs import ONE_EPOCH, QUICK

pytest_plugins = ["tests.support.run_fixtures"]


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
        (["--preset", "paper", "--min-steps", "9"], {"min_steps": 9}),
    ],
)
def test_flags_override_the_preset(argv, expected, monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main(argv) == 0
    settings = vars(asked[0].model) | vars(asked[0].train)
    defaults = vars(RunConfig().model) | vars(RunConfig().train)
    assert settings == defaults | expected


def test_the_default_preset_is_deeprke(monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main([]) == 0
    assert asked[0].run_config == presets.preset("deeprke")


def test_epochs_that_are_given_are_not_raised_to_reach_the_minimum_of_steps(
    data, tmp_path, capsys, monkeypatch
):
    def interrupt(*_arguments):
        raise KeyboardInterrupt

    # What is planned is logged before the first epoch.
    monkeypatch.setattr(epochs, "compiled_model", interrupt)
    flags = ["--data", str(data), "--out", str(tmp_path / "run"), *QUICK]
    deeprke = ["--preset", "deeprke-no-structure", "--union-filters", "6", "3"]
    deeprke += ["--union-kernel-sizes", "3", "3", "--structure-filters", "4", "4"]
    assert train.main([*flags, *deeprke]) == 130
    assert "training up to 1 epochs of 10 steps" in capsys.readouterr().out
    flags[3] = str(tmp_path / "other")
    assert train.main([*flags, *deeprke, "--min-steps", "11"]) == 130
    plan = "training up to 2 epochs of 10 steps: 1 epochs are too few for --min-steps"
    assert plan in capsys.readouterr().out


def test_few_sites_get_a_note_with_a_command_that_works(
    data, tmp_path, capsys, monkeypatch
):
    asked = []
    monkeypatch.setattr(api, "fit", lambda *given, **_more: asked.append(given))
    flags = ["--data", str(data), "--out", str(tmp_path / "my run")]
    assert train.main(flags) == 0
    note, second = capsys.readouterr().out.splitlines()
    assert note.startswith("note: 141 training sites are few.")
    name, command, *more = shlex.split(second)
    assert (name, command) == ("deeprke", "train")
    assert train.main(more) == 0
    assert "are few" not in capsys.readouterr().out  # once is enough
    assert asked == [(data, tmp_path / out) for out in ("my run", "my run-with-rbp31")]


@pytest.fixture
def sequence_data(joint_data):
    """A dataset of few sites without structure."""
    return joint_data / "A"


@pytest.fixture
def asked_of(sequence_data, monkeypatch):
    """Returns the flags that `train` gets for a dataset without structure."""
    asked = []
    monkeypatch.setattr(train, "train", asked.append)

    def flags_of(*more):
        assert train.main(["--data", str(sequence_data), *more]) == 0
        return asked[-1]

    return flags_of


def test_few_sites_without_structure_get_two_networks_one_of_them_from_rbp31(asked_of):
    flags = asked_of()
    assert (str(flags.init_from), flags.ensemble) == ("rbp31", 2)
    assert flags.model.dense_units == 128  # as rbp31 has
    assert flags.train.body_rate == 0.1
    assert flags.settings_name == "from-rbp31-ensemble"
    assert asked_of("--epochs", "3").train.epochs == 3


def test_with_many_sites_more_of_the_packaged_network_is_trained(
    asked_of, sequence_data, monkeypatch
):
    monkeypatch.setattr(settings, "_FEW_SITES", 10)
    given = ("--init-from", "rbp31")
    assert asked_of(*given).train.body_rate == 0.3
    assert asked_of(*given, "--body-rate", "0.5").train.body_rate == 0.5
    info = description.read(sequence_data)
    source = settings.run_config()
    assert settings.fine_tuning_settings(source, info).train.body_rate == 0.3


@pytest.mark.parametrize("more", [("--filters", "8"), ("--ensemble", "3")])
def test_a_network_that_the_flags_choose_starts_from_scratch(more, asked_of):
    flags = asked_of(*more)
    assert flags.init_from is None and not flags.model.structure
    assert flags.model.dense_units == 32


def test_many_sites_without_structure_get_a_preset_that_reads_none(
    asked_of, monkeypatch
):
    monkeypatch.setattr(settings, "_FEW_SITES", 10)
    assert asked_of().run_config == presets.preset("deeprke-no-structure")
    assert asked_of().init_from is None


@pytest.mark.parametrize("more", [(), ("--joint",)])
def test_several_datasets_without_structure_get_a_preset_that_reads_none(
    more, asked_of, joint_data
):
    flags = asked_of(str(joint_data / "B"), *more)
    assert flags.run_config == presets.preset("deeprke-no-structure")
    assert flags.init_from is None


def test_a_dataset_with_structure_among_them_keeps_the_default(asked_of, data):
    assert asked_of(str(data)).run_config == presets.preset("deeprke")


@pytest.mark.parametrize(
    ("command", "action"), [(tune, "tune"), (cv_train, "crossvalidate")]
)
def test_other_commands_suit_datasets_without_structure_too(
    command, action, sequence_data, monkeypatch
):
    asked = []
    monkeypatch.setattr(command, action, asked.append)
    assert command.main(["--data", str(sequence_data)]) == 0
    assert asked[0].preset == "deeprke-no-structure"
    assert not asked[0].model.structure


def test_values_of_flags_are_no_flags(asked_of):
    assert asked_of("--out", "joint").ensemble == 2
    assert asked_of("--out", "config").preset == "deeprke-no-structure"


def test_a_preset_that_is_given_is_taken(asked_of):
    assert asked_of("--preset", "deeprke").run_config == presets.preset("deeprke")


def test_what_the_packaged_network_has_seen_is_told(
    sequence_data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(api, "fit", lambda *_given, **_more: None)
    flags = ["--data", str(sequence_data), "--out", str(tmp_path)]
    assert train.main(flags) == 0
    assert "which has seen some sites" in capsys.readouterr().out


def test_flags_override_a_config_file(run, monkeypatch):
    asked = []
    monkeypatch.setattr(train, "train", asked.append)
    assert train.main(["--config", str(run / "config.json"), "--epochs", "7"]) == 0
    assert asked[0].model.filters == (8, 6)
    assert asked[0].vectors.vector_size == 5
    assert asked[0].train.batch_size == 15
    assert asked[0].train.epochs == 7


def test_the_help_shows_flags_of_all_settings(capsys):
    with pytest.raises(SystemExit, match="0"):
        train.main(["--help"])
    shown = capsys.readouterr().out
    for flag in (
        *("--no-structure", "--one-hot", "--mixed-precision", "--filters"),
        *("--vector-size", "--vectors-from", "--class-weights", "--overwrite"),
    ):
        assert flag in shown


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "papre"], "No preset 'papre'; there are: deeprke, deeprke-no-"),
        (["--config", "{tmp}/none.json"], "or --config, not both"),
        (["--data", "{tmp}"], "has no dataset.json; make it with `deeprke preprocess`"),
        (["--out", "{tmp}/notes.txt"], "notes.txt is a file; name a directory."),
        (["--out", "{tmp}/notes.txt/run"], "notes.txt is a file; name a directory."),
        (["--shard", "1/2"], "--shard is for several datasets; --data names one"),
        (["--out", "{tmp}"], "is not empty and not a run; name another --out."),
        (["--out", "{tmp}", "--overwrite"], "is not empty and not a run; name another"),
        (["--devices", "0"], "--devices must be at least 1, got 0."),
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
