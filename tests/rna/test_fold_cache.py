"""The fold cache."""

import concurrent.futures
import multiprocessing
import sqlite3
from pathlib import Path

import pytest

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna import fold_cache
from deeprke_tf.rna.fold_cache import FoldCache, default_path

SETTINGS = FoldSettings()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folds.sqlite"


def test_what_was_put_is_got(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))", "ACGU": "...."})
        assert cache.get(["ACGU", "GGAAACC"]) == {"ACGU": "....", "GGAAACC": "((...))"}


def test_what_was_put_is_got_after_reopening(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
    with FoldCache(path, SETTINGS) as cache:
        assert cache.get(["GGAAACC"]) == {"GGAAACC": "((...))"}


def test_what_was_never_put_is_left_out(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
        assert cache.get(["GGAAAC", "GGAAACCC", ""]) == {}
        assert cache.get([]) == {}


def test_a_sequence_put_again_changes_nothing(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
        cache.put({"GGAAACC": "((...))"})
        assert cache.get(["GGAAACC", "GGAAACC"]) == {"GGAAACC": "((...))"}


@pytest.mark.parametrize(
    "other",
    [
        FoldSettings(temperature=36.5),
        FoldSettings(max_bp_span=150),
        FoldSettings(lonely_pairs=True),
    ],
)
def test_folds_of_other_settings_never_answer(path, other):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
    with FoldCache(path, other) as cache:
        assert cache.get(["GGAAACC"]) == {}
        cache.put({"GGAAACC": "......."})
    with FoldCache(path, SETTINGS) as cache:
        assert cache.get(["GGAAACC"]) == {"GGAAACC": "((...))"}


def test_folds_of_another_viennarna_never_answer(path, monkeypatch):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
    monkeypatch.setattr(fold_cache, "VIENNARNA_VERSION", "1.0.0")
    with FoldCache(path, SETTINGS) as cache:
        assert cache.get(["GGAAACC"]) == {}


@pytest.mark.parametrize("n_sequences", [6, 7, 8, 9, 17])
def test_more_sequences_than_a_query_takes_are_all_got(path, n_sequences, monkeypatch):
    monkeypatch.setattr(fold_cache, "_KEYS_PER_QUERY", 8)
    folds = {"A" * i: "." * i for i in range(1, n_sequences + 1)}
    with FoldCache(path, SETTINGS) as cache:
        cache.put(folds)
        assert cache.get([*folds, "C", "G"]) == folds


# === Several at once ===


def put_one_by_one(path: Path, letter: str, n_folds: int) -> None:
    for i in range(1, n_folds + 1):
        with FoldCache(path, SETTINGS) as cache:
            cache.put({letter * i: "." * i})


def test_two_processes_that_write_at_once_lose_nothing(path):
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as pool:
        writers = [pool.submit(put_one_by_one, path, letter, 60) for letter in "AC"]
    assert [writer.exception() for writer in writers] == [None, None]
    wanted = {letter * i: "." * i for letter in "AC" for i in range(1, 61)}
    with FoldCache(path, SETTINGS) as cache:
        assert cache.get(list(wanted)) == wanted


def open_at_once(paths, barrier):
    """Opens caches that another process opens at the same moment, all new."""
    for path in paths:
        barrier.wait(60)
        FoldCache(path, SETTINGS)


def test_two_processes_may_make_a_cache_at_the_same_moment(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    paths = [tmp_path / f"{i}.sqlite" for i in range(60)]
    arguments = (paths, spawn.Barrier(2))
    processes = [spawn.Process(target=open_at_once, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def test_one_connection_sees_what_another_puts(path):
    with FoldCache(path, SETTINGS) as one, FoldCache(path, SETTINGS) as other:
        one.put({"GGAAACC": "((...))"})
        other.put({"ACGU": "...."})
        assert len(one.get(["GGAAACC", "ACGU"])) == 2


# === Files that are no cache ===

ADVICE = "Delete the file if it is damaged, or set the environment variable DEEPRKE_"


def matching(path, cause):
    return f"Cannot use the fold cache .*{path.name}: {cause}.* {ADVICE}"


def test_a_file_of_something_else_is_refused_by_name(path):
    path.write_bytes(b"this is no SQLite file" * 100)
    with pytest.raises(UserError, match=matching(path, "file is not a database")):
        FoldCache(path, SETTINGS)


def test_a_cut_off_file_is_refused_by_name(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"A" * i: "." * i for i in range(1, 500)})
    path.write_bytes(path.read_bytes()[:6000])
    with (
        pytest.raises(UserError, match=matching(path, "database disk image")),
        FoldCache(path, SETTINGS) as cache,
    ):
        cache.get(["A" * i for i in range(1, 500)])


def test_a_file_damaged_inside_is_refused_by_name(path):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"A" * i: "." * i for i in range(1, 500)})
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with (
        pytest.raises(UserError, match=matching(path, "database disk image")),
        FoldCache(path, SETTINGS) as cache,
    ):
        cache.put({"A" * i: "." * i for i in range(500, 1000)})


def test_the_table_of_another_program_is_refused(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE folds (protein TEXT)")
    database.close()
    with pytest.raises(UserError, match=matching(path, "no such column: key")):
        FoldCache(path, SETTINGS)


def test_a_directory_in_the_place_of_the_file_is_refused(path):
    path.mkdir()
    with pytest.raises(UserError, match=matching(path, "unable to open")):
        FoldCache(path, SETTINGS)


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path):
    (tmp_path / "cache").write_text("")
    path = tmp_path / "cache" / "folds.sqlite"
    with pytest.raises(UserError, match=matching(path, ".*cache")):
        FoldCache(path, SETTINGS)


# === Where it lies ===


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPRKE_CACHE", str(tmp_path / "mine"))
    assert default_path() == tmp_path / "mine" / "folds.sqlite"
    with FoldCache(default_path(), SETTINGS):
        pass
    assert default_path().is_file()


@pytest.mark.parametrize("value", [None, ""])
def test_without_the_variable_the_cache_lies_in_the_users_directory(value, monkeypatch):
    if value is None:
        monkeypatch.delenv("DEEPRKE_CACHE")
    else:
        monkeypatch.setenv("DEEPRKE_CACHE", value)
    assert default_path().parts[-2:] == ("deeprke", "folds.sqlite")
    assert default_path().is_absolute()
