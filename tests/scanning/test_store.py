import sqlite3

import numpy as np
import pytest

from deeprke_tf.errors import UserError
from deeprke_tf.rna.sites import SkippedSite
from deeprke_tf.scanning.store import ScoredRna, ScoreStore
from tests.support.full_disk import full_disk


def scored(name, row, probabilities, reasons=None):
    values = np.array(probabilities, np.float32)
    sds = np.full(len(values), 0.125, np.float32)
    return ScoredRna(name, row, 100 * len(values), values, reasons or {}, sds)


RNAS = [
    scored("b", 1, [0.1, np.nan, 1 / 3], {1: "nothing but N"}),
    SkippedSite("short", 2, "shorter than k", "AC"),
    scored("B", 3, [0.7]),
    scored("a", 4, [0.25]),
]


@pytest.fixture
def store(tmp_path):
    with ScoreStore(tmp_path / "scores.sqlite") as store:
        store.begin("scanned", {"window": 10})
        store.add("scanned", RNAS)
        yield store


def test_scored_rnas_read_back_as_they_were_stored(store):
    found = list(store.scored("scanned"))
    assert [(rna.name, rna.row, rna.length, rna.reasons) for rna in found] == [
        ("b", 1, 300, {1: "nothing but N"}),
        ("B", 3, 100, {}),
        ("a", 4, 100, {}),
    ]
    np.testing.assert_array_equal(found[0].probabilities, RNAS[0].probabilities)
    assert found[0].probability_sds.tolist() == [0.125] * 3
    assert list(store.skipped("scanned")) == [RNAS[1]]
    assert store.last_row("scanned") == 4


def test_names_are_ordered_by_their_bytes(store):
    assert [rna.name for rna in store.scored("scanned", "name")] == ["B", "a", "b"]
    assert store.lengths("scanned") == [("B", 100), ("a", 100), ("b", 300)]


def test_a_batch_is_stored_whole_or_not_at_all(store):
    with pytest.raises(UserError, match="Cannot use"):
        store.add("scanned", [scored("new", 5, [0.5]), scored("twice", 4, [0.5])])
    assert store.last_row("scanned") == 4


def test_another_process_reads_stored_scores(store):
    with ScoreStore(store.path) as again:
        assert again.settings("scanned") == {"window": 10}
        assert again.last_row("scanned") == 4
        assert not again.is_finished("scanned")
        store.finish("scanned")
        assert again.is_finished("scanned")


def test_beginning_anew_forgets_one_origin_only(store):
    store.begin("background", {"seed": 1})
    store.add("background", [scored("b", 1, [0.5])])
    store.finish("background")
    store.begin("background", {"seed": 2})
    assert store.last_row("background") == 0
    assert not store.is_finished("background")
    assert store.last_row("scanned") == 4


def test_a_store_of_version_0_1_0_is_resumed_without_standard_deviations(tmp_path):
    path = tmp_path / "scores.sqlite"
    with sqlite3.connect(path) as old:
        old.executescript(
            "CREATE TABLE origins (origin TEXT PRIMARY KEY, settings TEXT NOT NULL,"
            " finished INTEGER NOT NULL);"
            "CREATE TABLE rnas (origin TEXT, row INTEGER, name TEXT NOT NULL,"
            " length INTEGER, probabilities BLOB, reasons TEXT NOT NULL,"
            " PRIMARY KEY (origin, row))"
        )
        settings = '{"window": 10, "local_fold": false}'
        old.execute("INSERT INTO origins VALUES ('scanned', ?, 0)", (settings,))
        blob = np.array([0.5, 0.75], np.float32).tobytes()
        row = "INSERT INTO rnas VALUES ('scanned', 1, 'a', 90, ?, '{}')"
        old.execute(row, (blob,))
    with ScoreStore(path) as store:
        assert store.settings("scanned") == {"window": 10}
        store.add("scanned", [scored("b", 2, [0.25])])
        first, second = store.scored("scanned")
    assert first.probabilities.tolist() == [0.5, 0.75]
    assert np.isnan(first.probability_sds).all()
    assert second.probability_sds.tolist() == [0.125]


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "scores.sqlite"
    path.write_text("not a database, but long enough to look at" * 9)
    with pytest.raises(UserError, match=r"Cannot use .*Delete the file to scan afresh"):
        ScoreStore(path)


def test_a_full_disk_is_named_and_leaves_a_store_to_go_on_with(tmp_path):
    path = tmp_path / "scores.sqlite"
    with ScoreStore(path) as store:
        store.begin("scanned", {"window": 10})
        store.add("scanned", [scored("a", 1, [0.5])])
    rna = scored("b", 2, [0.25] * 100_000)
    with (
        ScoreStore(path) as store,
        full_disk(path.stat().st_size),
        pytest.raises(UserError, match=r"scores\.sqlite: .*disk[^.]*\.$"),
    ):
        store.add("scanned", [rna])
    with ScoreStore(path) as store:
        store.add("scanned", [rna])
        assert [rna.name for rna in store.scored("scanned")] == ["a", "b"]
