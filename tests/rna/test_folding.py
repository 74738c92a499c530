"""Folding many sequences."""

import concurrent.futures
import multiprocessing
import os
import random
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from deeprke_tf.config import FoldSettings
from deeprke_tf.errors import UserError
from deeprke_tf.rna import folding
from deeprke_tf.rna.fold_cache import FoldCache
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.sites import Site
from deeprke_tf.rna.structure import fold
from deeprke_tf.system import processes

SETTINGS = FoldSettings()


def random_sequences(n, length, seed):
    rng = random.Random(seed)
    return ["".join(rng.choices("ACGU", k=length)) for _ in range(n)]


SEQUENCES = random_sequences(60, 40, seed=5)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "folds.sqlite"


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks of a few sequences, so that there are many of them."""
    monkeypatch.setattr(folding, "NT_PER_TASK", 100)
    monkeypatch.setattr(folding, "LITTLE_WORK", 0)


def kept(cache, sequences):
    """The structures that a cache file has of some sequences."""
    with FoldCache(cache, SETTINGS) as opened:
        return opened.get(sequences)


@pytest.mark.parametrize("workers", [1, 2])
def test_structures_are_those_of_single_folds(workers, cache, small_tasks):
    with FoldingPool(SETTINGS, cache, workers) as pool:
        structures = pool.structures(SEQUENCES)
    assert structures == {s: fold(s)[0] for s in SEQUENCES}
    assert kept(cache, SEQUENCES) == structures


@pytest.mark.parametrize("workers", [1, 2])
def test_fill_puts_the_same_folds_into_the_cache(workers, cache, small_tasks):
    n_folded = []
    with FoldingPool(SETTINGS, cache, workers) as pool:
        pool.fill(iter(SEQUENCES), n_folded.append)
    assert kept(cache, SEQUENCES) == {s: fold(s)[0] for s in SEQUENCES}
    assert sum(n_folded) == 60 and len(n_folded) > 2


def test_fill_takes_what_was_begun(cache, small_tasks):
    n_folded = []
    with FoldingPool(SETTINGS, cache, workers=2) as pool:
        pool.begin([*SEQUENCES[:20], SEQUENCES[0]])
        assert multiprocessing.active_children()
        pool.begin(SEQUENCES[10:40])
        pool.fill(iter(SEQUENCES), n_folded.append)
        pool.stop()
    assert kept(cache, SEQUENCES) == {s: fold(s)[0] for s in SEQUENCES}
    assert sum(n_folded) == 60


def test_what_was_begun_is_kept_when_the_run_ends_early(cache):
    with pytest.raises(KeyError), FoldingPool(SETTINGS, cache, workers=1) as pool:
        pool.begin(SEQUENCES[:5])
        concurrent.futures.wait(pool._pending)
        raise KeyError
    assert kept(cache, SEQUENCES) == {s: fold(s)[0] for s in SEQUENCES[:5]}


@pytest.mark.parametrize("little_work", [0, 10**6])
def test_the_settings_reach_the_workers(cache, little_work, monkeypatch):
    monkeypatch.setattr(folding, "LITTLE_WORK", little_work)
    with FoldingPool(FoldSettings(temperature=95.0), cache, workers=1) as pool:
        assert pool.structures(["GGGAAAUCCC"]) == {"GGGAAAUCCC": ".........."}


def test_each_sequence_is_folded_once(cache, monkeypatch):
    folded = []

    def count(sequence, settings):
        folded.append(sequence)
        return fold(sequence, settings)

    monkeypatch.setattr(folding, "fold", count)
    with FoldingPool(SETTINGS, cache) as pool:
        pool.structures(["GGAAACC", "ACGU", "GGAAACC"])
        assert folded == ["GGAAACC", "ACGU"]
        pool.structures(["ACGU", "GGAAACC", "UUUU"])
        assert folded == ["GGAAACC", "ACGU", "UUUU"]


def test_a_site_keeps_its_own_structure(cache):
    sites = [Site("own", "GGAAACC", dot_bracket="......."), Site("none", "GGAAACC")]
    with FoldingPool(SETTINGS, cache) as pool:
        assert pool.structures_of(sites) == [".......", fold("GGAAACC")[0]]


def test_known_folds_and_a_few_short_sequences_need_no_process(cache):
    with FoldingPool(SETTINGS, cache) as pool:
        pool.cache.put({"GGAAACC": "((...))"})
        assert pool.structures(["GGAAACC"]) == {"GGAAACC": "((...))"}
        assert pool.structures([]) == {}
        assert pool.structures(SEQUENCES).keys() == set(SEQUENCES)
        assert not multiprocessing.active_children()
        pool.structures(random_sequences(300, 100, seed=1))
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


SCRIPT_WITHOUT_MAIN_GUARD = """
import sys
from pathlib import Path

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna import folding
from tests.rna.test_folding import random_sequences

print("script")
with folding.FoldingPool(FoldSettings(), Path(sys.argv[1]), workers=2) as pool:
    print(len(pool.structures(random_sequences(300, 100, seed=1))))
"""


def test_a_script_needs_no_main_guard(tmp_path, cache):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT_WITHOUT_MAIN_GUARD)
    ended = subprocess.run(
        [sys.executable, script, cache],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert (ended.stdout, ended.stderr) == ("script\n300\n", "")


def test_all_cores_work_unless_told_otherwise(cache):
    assert FoldingPool(SETTINGS, cache).workers == processes.n_cores() >= 1


@pytest.mark.parametrize("workers", [0, -2])
def test_no_workers_are_refused(cache, workers):
    with pytest.raises(UserError, match=f"`workers` must be at least 1, got {workers}"):
        FoldingPool(SETTINGS, cache, workers)


# === What dies half-way ===


def test_a_worker_that_dies_ends_the_run_with_advice(cache, small_tasks):
    n_folded = []

    def kill_the_workers(n):
        n_folded.append(n)
        for worker in multiprocessing.active_children():
            worker.kill()

    with FoldingPool(SETTINGS, cache, workers=1) as pool:
        words = "A folding process died.*use fewer `workers` or a smaller `max_length`"
        with pytest.raises(UserError, match=words):
            pool.fill(random_sequences(200, 100, seed=6), kill_the_workers)
    assert 0 < sum(n_folded) < 200
    assert len(kept(cache, random_sequences(200, 100, seed=6))) == sum(n_folded)


FOLD_UNTIL_KILLED = """
import sys
from pathlib import Path

from deeprke_tf.config import FoldSettings
from deeprke_tf.rna import folding
from tests.rna.test_folding import random_sequences

folding.NT_PER_TASK = 1_000
folding.SECONDS_BETWEEN_WRITES = 0.0

with folding.FoldingPool(FoldSettings(), Path(sys.argv[1]), workers=2) as pool:
    pool.fill(random_sequences(2_000, 100, seed=7), lambda n: print(n, flush=True))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_after_a_kill_the_workers_end_and_the_cache_has_the_folds(tmp_path):
    script, path = tmp_path / "script.py", tmp_path / "folds.sqlite"
    script.write_text(FOLD_UNTIL_KILLED)
    parent = subprocess.Popen(
        [sys.executable, script, path],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    batches = []
    while sum(batches) < 150:
        batches.append(int(parent.stdout.readline()))
    parent.kill()
    # The workers hold the pipe, too: it ends when the last of them has ended.
    rest, _ = parent.communicate(timeout=120)
    batches += [int(line) for line in rest.split()]
    n_kept = len(kept(path, random_sequences(2_000, 100, seed=7)))
    # A batch is reported before it is written: only the last one may be lost.
    assert sum(batches[:-1]) <= n_kept < 2_000


def test_folds_are_written_as_often_as_promised(cache, small_tasks, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(folding, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    sequences = random_sequences(200, 100, seed=8)
    n_kept = []

    def let_time_pass(_n):
        n_kept.append(len(kept(cache, sequences)))
        clock[0] += 0.7 * folding.SECONDS_BETWEEN_WRITES

    with FoldingPool(SETTINGS, cache, workers=1) as pool:
        pool.fill(sequences, let_time_pass)
    # Every second batch comes after more than the time between two writes.
    assert n_kept[0] == n_kept[1] == 0 < n_kept[2] == n_kept[3] < n_kept[4]
