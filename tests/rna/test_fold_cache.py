"""The fold cache."""

import concurrent.futures
import multiprocessing
import os
import sqlite3
from pathlib import Path

import pytest

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna import fold_cache
from deeprke_tf.rna.fold_cache import FoldCache, default_path

SETTINGS = FoldSettings()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folds.sqlite"


def test_what_was_put_is_got_after_reopening(path):
    folds = {"ACGU": "....", "GGAAACC": "((...))"}
    with FoldCache(path, SETTINGS) as cache:
        cache.put(folds)
    with FoldCache(path, SETTINGS) as cache:
        assert cache.get(["GGAAACC", "ACGU"]) == folds


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
    monkeypatch.setattr(fold_cache, "KEYS_PER_QUERY", 8)
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


# === Files that cannot be used ===

FOLDS = {"A" * i: "." * i for i in range(1, 500)}


def assert_works_without(path, caplog, *words):
    """Folds are kept for the time being, and one warning says why."""
    with FoldCache(path, SETTINGS) as cache:
        cache.get(list(FOLDS))
        cache.put({"GGAAACC": "((...))", **FOLDS})
        assert cache.get(["GGAAACC", *FOLDS]) == {"GGAAACC": "((...))", **FOLDS}
    (message,) = caplog.messages
    for word in (path.name, *words):
        assert word in message


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (lambda old: b"this is no SQLite file" * 100, "file is not a database"),
        (lambda old: old[:6000], "database disk image is malformed"),
        (lambda old: old[:4096] + b"\xff" * (len(old) - 4096), "malformed"),
    ],
    ids=["another file", "cut off", "damaged inside"],
)
def test_a_damaged_file_does_not_stop_the_work(path, caplog, content, cause):
    with FoldCache(path, SETTINGS) as cache:
        cache.put(FOLDS)
    path.write_bytes(content(path.read_bytes()))
    assert_works_without(path, caplog, cause, "delete the file, which is damaged")


def test_the_table_of_another_program_is_left_alone(path, caplog):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE folds (protein TEXT)")
    database.close()
    assert_works_without(path, caplog, "another program", "DEEPRKE_CACHE")


def test_a_directory_in_the_place_of_the_file_is_left_alone(path, caplog):
    path.mkdir()
    assert_works_without(path, caplog, "unable to open", "DEEPRKE_CACHE")


def test_a_file_in_the_place_of_the_directory_is_left_alone(tmp_path, caplog):
    (tmp_path / "cache").write_text("")
    assert_works_without(tmp_path / "cache" / "folds.sqlite", caplog, "exists")


def test_a_full_disk_does_not_stop_the_work(path, caplog):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"ACGU": "...."})
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON folds"
            " BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
    database.close()
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
        cache.put({"AAAA": "...."})
        assert len(cache.get(["ACGU", "GGAAACC", "AAAA"])) == 3
    (message,) = caplog.messages
    assert "database or disk is full. New folds are not kept" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_may_not_be_written_is_read(path, caplog):
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"ACGU": "...."})
    path.chmod(0o400)
    path.parent.chmod(0o500)
    with FoldCache(path, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
        assert len(cache.get(["ACGU", "GGAAACC"])) == 2
    path.parent.chmod(0o700)
    (message,) = caplog.messages
    assert "Cannot write the fold cache" in message


def damage(path, change):
    with sqlite3.connect(path) as database:
        database.execute(
            f"UPDATE folds SET {change} WHERE key = (SELECT min(key) FROM folds)"
        )
    database.close()


@pytest.mark.parametrize(
    "change",
    [
        "dot_bracket = '>' || substr(dot_bracket, 2)",
        "dot_bracket = '()' || substr(dot_bracket, 3)",
        "dot_bracket = x'ff0a'",
        "checksum = 7",
    ],
)
def test_a_damaged_row_is_folded_again(path, caplog, change):
    with FoldCache(path, SETTINGS) as cache:
        cache.put(FOLDS)
    damage(path, change)
    with FoldCache(path, SETTINGS) as cache:
        found = cache.get(list(FOLDS))
        assert len(found) == len(FOLDS) - 1 and found.items() <= FOLDS.items()
        assert len(cache.known(list(FOLDS))) == len(FOLDS) - 1
        cache.put({text: FOLDS[text] for text in FOLDS.keys() - found.keys()})
        assert cache.get(list(FOLDS)) == FOLDS
    (message,) = caplog.messages
    assert "damaged rows" in message and path.name in message


@pytest.fixture
def old(path):
    """A file without checksums, as older versions made it."""
    with FoldCache(path, SETTINGS) as cache:
        cache.put(FOLDS)
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE old (key BLOB PRIMARY KEY, dot_bracket TEXT NOT NULL)"
            " WITHOUT ROWID;"
            "INSERT INTO old SELECT key, dot_bracket FROM folds;"
            "DROP TABLE folds; ALTER TABLE old RENAME TO folds"
        )
    database.close()
    return path


def test_a_file_without_checksums_still_answers(old):
    with FoldCache(old, SETTINGS) as cache, FoldCache(old, SETTINGS) as other:
        cache.put({"GGAAACC": "((...))"})
        wanted = {"GGAAACC": "((...))", **FOLDS}
        assert cache.get(list(wanted)) == other.get(list(wanted)) == wanted


@pytest.mark.parametrize("fold", ["'>'", "')' || substr(dot_bracket, 2)", "'()'"])
def test_what_is_no_fold_in_such_a_file_is_folded_again(old, caplog, fold):
    damage(old, f"dot_bracket = {fold}")
    with FoldCache(old, SETTINGS) as cache:
        found = cache.get(list(FOLDS))
        assert len(found) == len(FOLDS) - 1 and found.items() <= FOLDS.items()
    assert "damaged rows" in caplog.text


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


def test_without_a_home_directory_folds_are_not_kept(monkeypatch, caplog):
    monkeypatch.delenv("DEEPRKE_CACHE")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: f"~/.cache/{name}")
    assert default_path() is None
    with FoldCache(None, SETTINGS) as cache:
        cache.put({"GGAAACC": "((...))"})
        assert cache.get(["GGAAACC"]) == {"GGAAACC": "((...))"}
    (message,) = caplog.messages
    assert "no home directory" in message and "DEEPRKE_CACHE" in message
