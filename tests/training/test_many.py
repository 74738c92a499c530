"""Several datasets, trained by one process or distributed among several."""

import shutil

import pytest

from deeprke_tf import evaluate, train
from deeprke_tf.data import description
from deeprke_tf.errors import UserError
from deeprke_tf.system import directories, files
from tests.support import fresh_processes
from tests.support.small_runs import QUICK, SEQUENCE_RUN

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.fixture
def datasets(data, tmp_path):
    """Directory with the datasets A and B, and a file."""
    for name in "AB":
        shutil.copytree(data, tmp_path / "datasets" / name)
    (tmp_path / "datasets" / "README.md").write_text("mine")
    return tmp_path / "datasets"


@pytest.fixture
def flags(datasets, tmp_path):
    return ["--data", f"{datasets}/*", "--out", str(tmp_path / "runs"), *SEQUENCE_RUN]


def names_in(directory):
    return sorted(path.name for path in directory.iterdir())


def history(run):
    return (run / "history.csv").read_text()


def test_each_dataset_gets_the_same_run_as_alone_and_only_once(
    flags, datasets, data, tmp_path, sequence_run, capsys
):
    runs = tmp_path / "runs"
    # A fails, which stops no other; C is being trained by another process.
    (shard,) = (datasets / "A").glob("validation-*.tfrecord.gz")
    shard.unlink()
    shutil.copytree(data, datasets / "C")
    with directories.only_process(runs / "C-no-structure"):
        assert train.main(flags) == 1
    shown = capsys.readouterr()
    ends = [line.split("  ")[-1] for line in shown.out.splitlines()]
    assert "trained" in ends and "elsewhere" in ends
    assert "1 of 3 datasets failed" in shown.err
    assert f"The shard {shard} is missing" in shown.err
    assert not (runs / "C-no-structure").exists()
    assert history(runs / "B-no-structure") == history(sequence_run)
    # B is not trained again, nor C, which is finished now.
    shutil.copytree(sequence_run, runs / "C-no-structure")
    shutil.rmtree(datasets / "A")
    assert train.main(flags) == 0
    table = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split("  ")[-1] for line in table] == ["done before"] * 2
    assert {"B-no-structure", "C-no-structure"} <= {*names_in(runs)}


def test_a_finished_run_of_other_settings_or_data_is_not_taken_for_done(
    flags, datasets, sequence_run, tmp_path, capsys
):
    shutil.rmtree(datasets / "B")
    shutil.copytree(sequence_run, tmp_path / "runs" / "A-no-structure")
    run = tmp_path / "runs" / "A-no-structure"
    on_validation = files.read_json(run / "metrics.json")["auroc"]
    given = ["--model", str(run), "--data", str(datasets / "A")]
    assert evaluate.main([*given, "--n-bootstrap", "1"]) == 0
    assert files.read_json(run / "metrics.json")["auroc"] != on_validation
    assert train.main(flags) == 0
    shown = capsys.readouterr().out
    assert "done before" in shown and f"{on_validation:.4f}" in shown
    assert train.main([*flags, "--seed", "2"]) == 1
    assert "is a finished run of other settings (--" in capsys.readouterr().err
    with (datasets / "A" / "dataset.json").open("a") as file:
        file.write("\n")
    assert train.main(flags) == 1
    assert "is a finished run of other data; delete it" in capsys.readouterr().err


def test_a_run_that_another_process_trains_is_refused(data, tmp_path, capsys):
    run = tmp_path / "runs" / "QKI"
    with directories.only_process(run) as is_free:
        assert is_free
        assert train.main(["--data", str(data), "--out", str(run), *QUICK]) == 1
    assert "Another process is training" in capsys.readouterr().err
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_processes_distribute_the_datasets_among_them(flags, tmp_path):
    flags = [*flags, *QUICK]
    outs = [tmp_path / f"out-{i}" for i in range(2)]
    processes = [fresh_processes.start(train.main, flags, out=out) for out in outs]
    for process, out in zip(processes, outs, strict=True):
        fresh_processes.finish(process, out)
    trained = [
        line.split()[0].split("/")[-1]
        for out in outs
        for line in out.read_text().splitlines()
        if line.endswith("  trained")
    ]
    assert sorted(trained) == [f"{name}-no-structure" for name in "AB"]
    assert names_in(tmp_path / "runs") == sorted(trained)


# === Patterns and shards ===


def test_a_pattern_matches_datasets_and_ignores_other_paths(datasets):
    found = description.find([datasets / "*", datasets / "A"])
    assert found == [datasets / "A", datasets / "B"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("*.md", "No dataset matches .*: 1 paths do, none with a dataset.json"),
        ("none", "none has no dataset.json; make it with `deeprke preprocess`"),
        # As a shell gives it, where the pattern was not quoted.
        ("README.md", "README.md has no dataset.json; make it with"),
    ],
)
def test_a_path_without_a_dataset_is_named(name, message, datasets):
    with pytest.raises(UserError, match=message):
        description.find([datasets / "A", datasets / name])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--shard", "0/3"], "shard must be such as 1/3, got '0/3'"),
        (["--data"], "--data names no dataset"),
        (["--overwrite"], "Delete the runs that are to be trained again"),
        (["--data", "{datasets}/A", "{more}/A"], "would both be trained as A-no-stru"),
    ],
)
def test_flags_for_a_single_dataset_are_refused_for_several(
    given, message, flags, datasets, data, tmp_path, capsys
):
    shutil.copytree(data, tmp_path / "more" / "A")
    places = {"datasets": datasets, "more": tmp_path / "more"}
    assert train.main([*flags, *(flag.format(**places) for flag in given)]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
