import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import deeprke_tf as dk
from deeprke_tf.config import RunConfig, from_dict
from deeprke_tf.data import description
from deeprke_tf.rna.sites import Site
from deeprke_tf.system import files
from tests.support.small_runs import make_sites

pytest_plugins = ["tests.support.run_fixtures"]

SEQUENCES = ["GGUGUAUAUACCACC", "ACGTACGT", "AC", "GGUGUAUAUACCACC"]


def test_a_list_of_sequences_gives_a_table(sequence_run):
    run = dk.load_run(sequence_run)
    table = run.predict(SEQUENCES)
    assert list(table.columns) == [
        *("name", "probability", "calibrated_probability", "bound", "skipped"),
    ]
    assert table["name"].tolist() == ["site1", "site2", "site3", "site4"]
    assert table["probability"].notna().tolist() == [True, True, False, True]
    assert table["probability"][0] == pytest.approx(table["probability"][3])
    assert table["skipped"].str.partition(":")[0].tolist() == [
        *("", "", "shorter than k", ""),
    ]
    bound = table["probability"][[0, 1, 3]] >= run.threshold
    assert table["bound"][[0, 1, 3]].tolist() == bound.tolist()
    assert table["bound"].isna().tolist() == [False, False, True, False]
    assert table.attrs["threshold"] == run.threshold


def test_a_path_and_sites_give_the_same_table(run, sites_files):
    loaded = dk.load_run(str(run))
    of_path = loaded.predict(str(sites_files / "test.tsv"), recall=0.9)
    sites = [
        Site(name, sequence, label, dot_bracket)
        for name, sequence, label, dot_bracket in make_sites(40, seed=2)
    ]
    pd.testing.assert_frame_equal(loaded.predict(sites, recall=0.9), of_path)
    assert len(of_path) == 40 and of_path["bound"].any()


def test_chunks_are_the_table_in_parts(ensemble, sites_files):
    run = dk.load_run(ensemble)
    whole = run.predict(sites_files / "test.tsv")
    parts = list(run.predict(sites_files / "test.tsv", chunks=20))
    assert [len(part) for part in parts] == [20, 20]
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    assert list(whole.columns)[-1] == "probability_sd"
    assert (whole["probability_sd"] > 0).any()


def test_chunks_read_no_further_than_needed(sequence_run):
    read = []

    def endless():
        while True:
            read.append(1)
            yield "GGUGUAUAUACCACC"

    chunks = dk.load_run(sequence_run).predict(endless(), chunks=10)
    assert [len(next(chunks)) for _ in range(3)] == [10, 10, 10]
    assert len(read) <= 2_048
    chunks.close()


def test_runs_that_were_loaded_together_are_not_exported(run, sequence_run, tmp_path):
    with pytest.raises(dk.UserError, match="train an ensemble"):
        dk.load_run(run, sequence_run).export(tmp_path / "QKI")
    assert not list(tmp_path.iterdir())


def test_no_sites_give_an_empty_table(sequence_run):
    run = dk.load_run(sequence_run)
    assert len(run.predict([])) == 0
    assert [len(part) for part in run.predict([], chunks=5)] == [0]


@pytest.mark.parametrize(
    ("sites", "settings", "message"),
    [
        (SEQUENCES, {"max_length": 0}, "`max_length` must be at least 1, got 0"),
        (SEQUENCES, {"chunks": 0}, "`chunks` must be at least 1, got 0"),
        (SEQUENCES, {"fdr": 0.1, "recall": 0.9}, "one of `fdr`, `recall`, not"),
        (SEQUENCES, {"threshold": 2}, r"`threshold` must be in \[0, 1\], got 2"),
        ("none.fa", {}, "none.fa: No such file"),
        ([3], {}, "item 1 is of type int"),
        (None, {}, "`sites` must be a path or several texts or Sites"),
        ({"site": "ACGU"}, {}, "got a value of type dict"),
        (pd.DataFrame({"sequence": SEQUENCES}), {}, "a value of type DataFrame"),
    ],
)
def test_errors_name_the_argument(sequence_run, sites, settings, message):
    with pytest.raises(dk.UserError, match=message):
        dk.load_run(sequence_run).predict(sites, **settings)


# === The names of the package ===


def python(code):
    """What a fresh Python process prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_the_import_loads_nothing_heavy():
    code = "import sys, deeprke_tf; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in python(code).split()}
    assert "deeprke_tf" in loaded
    assert not loaded & {"numpy", "pandas", "tensorflow", "keras", "RNA", "gensim"}


def test_the_structure_module_is_found_under_its_old_name():
    code = "from deeprke_tf import structure; print(structure.fold('GGGGAAAACCCC')[0])"
    assert python(code) == "((((....))))\n"


def test_every_public_name_exists_and_is_documented():
    for name in dk.__all__:
        assert getattr(dk, name).__doc__, name
    assert set(dk.__all__) <= set(dir(dk))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'deeprke_tf' has no attribute 'trian'"):
        dk.trian  # noqa: B018


def test_an_rna_is_folded_and_its_loops_are_named():
    dot_bracket, energy = dk.fold("GGGGAAAACCCC")
    assert dot_bracket == "((((....))))" and energy < 0
    assert dk.loop_contexts(dot_bracket) == "SSSSHHHHSSSS"


def test_a_script_without_a_main_guard_folds_in_processes(run, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import random\n"
        "import deeprke_tf as dk\n"
        "rng = random.Random(1)\n"
        "rnas = [''.join(rng.choices('ACGU', k=200)) for _ in range(60)]\n"
        f"table = dk.load_run({str(run)!r}).predict(rnas, workers=2)\n"
        "print('rows', len(table), table['probability'].notna().all())\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "rows 60 True\n", done.stderr


def test_fit_trains_as_the_command_does_and_returns_the_run(
    sequence_run, data, tmp_path, capsys
):
    settings = files.read_json(sequence_run / "config.json")
    config = from_dict(RunConfig, settings, "config")
    run = dk.fit(description.read(data), tmp_path / "run", config=config)
    assert capsys.readouterr().out == ""
    assert (run.directory, run.config) == (tmp_path / "run", config)
    history = (tmp_path / "run" / "history.csv").read_text()
    assert history == (sequence_run / "history.csv").read_text()


def test_errors_of_fit_name_its_arguments(sequence_run, data, tmp_path):
    for settings, message in (
        ({"epoch": 2}, "No setting 'epoch'; did you mean `epochs`"),
        ({"ensemble": 0}, "`ensemble` must be at least 1, got 0."),
        ({"preset": "papre"}, "No preset 'papre'; there are: deeprke"),
    ):
        with pytest.raises(dk.UserError, match=message):
            dk.fit(data, tmp_path / "run", **settings)
    with pytest.raises(dk.UserError, match="is a finished run; name another `out`"):
        dk.fit(data, sequence_run, config=sequence_run / "config.json")


def arguments_of(function):
    return {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and not isinstance(parameter.annotation, str)
    }


PUBLIC = [
    *(dk.preprocess, dk.extract_sites, dk.audit_sites, dk.fit, dk.crossvalidate),
    *(dk.Run.predict, dk.Run.evaluate, dk.Run.scan, dk.Run.variants, dk.Run.export),
    *(dk.fold, dk.loop_contexts),
]


@pytest.mark.parametrize(
    ("function", "name"),
    [(function, name) for function in PUBLIC for name in arguments_of(function)],
)
def test_a_value_of_a_wrong_type_is_refused_by_the_name_of_its_argument(function, name):
    needed = {
        other: "x"
        for other, parameter in arguments_of(function).items()
        if parameter.default is parameter.empty
    }
    of_run = (object(),) if "self" in inspect.signature(function).parameters else ()
    with pytest.raises(dk.UserError, match=f"^`{name}` must be .*; got b'x'.$"):
        function(*of_run, **needed | {name: b"x"})


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ((), "No run: give a directory, such as"),
        ((None,), "`paths` must be a path; got None."),
        (("runs/QKI", ["runs/b"]), r"`paths` must be a path; got \['runs/b'\]."),
        (("",), "`paths` must be a path; got ''."),
    ],
)
def test_what_is_no_path_of_a_run_is_refused(paths, words):
    with pytest.raises(dk.UserError, match=words):
        dk.load_run(*paths)


def test_numbers_of_numpy_are_numbers(sites_files, tmp_path):
    dataset = dk.preprocess(
        Path(sites_files / "train.tsv"),
        out=tmp_path / "QKI",
        k=np.int64(3),
        validation_fraction=np.float32(0.25),
        structure=np.bool_(False),
    )
    assert dataset.encoding.k == 3


def test_a_preset_with_a_file_of_settings_is_refused(tmp_path):
    with pytest.raises(dk.UserError, match="`preset`, here 'paper', or `config`, not"):
        dk.fit("x", tmp_path / "run", preset="paper", config=RunConfig())
    with pytest.raises(dk.UserError, match="not both"):
        dk.crossvalidate("x", tmp_path / "cv", preset="paper", config="config.json")
    assert not list(tmp_path.iterdir())
