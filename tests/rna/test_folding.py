"""Folding many sequences."""

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
from deeprke_tf.rna.folding import Folder
from deeprke_tf.rna.structure import fold, local_fold

SETTINGS = FoldSettings()


def random_sequences(n, length, seed):
    rng = random.Random(seed)
    return ["".join(rng.choices("ACGU", k=length)) for _ in range(n)]


SEQUENCES = random_sequences(60, 40, seed=5)


@pytest.fixture
def cache(tmp_path):
    with FoldCache(tmp_path / "folds.sqlite", SETTINGS) as cache:
        yield cache


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks of a few sequences, so that there are many of them."""
    monkeypatch.setattr(folding, "_NT_PER_TASK", 100)


@pytest.mark.parametrize("workers", [1, 2])
def test_structures_are_those_of_single_folds(workers, cache, small_tasks):
    with Folder(cache, SETTINGS, workers) as folder:
        structures = folder.structures(SEQUENCES)
    assert structures == {s: fold(s)[0] for s in SEQUENCES}
    assert cache.get(SEQUENCES) == structures


@pytest.mark.parametrize("workers", [1, 2])
def test_fill_puts_the_same_folds_into_the_cache(workers, cache, small_tasks):
    n_folded = []
    with Folder(cache, SETTINGS, workers) as folder:
        folder.fill(iter(SEQUENCES), n_folded.append)
    assert cache.get(SEQUENCES) == {s: fold(s)[0] for s in SEQUENCES}
    assert sum(n_folded) == 60 and len(n_folded) > 2


def test_the_settings_reach_the_workers(tmp_path):
    settings = FoldSettings(temperature=95.0)
    cache = FoldCache(tmp_path / "hot.sqlite", settings)
    with cache, Folder(cache, settings, workers=1) as folder:
        assert folder.structures(["GGGAAAUCCC"]) == {"GGGAAAUCCC": ".........."}


def test_each_sequence_is_folded_once(cache, monkeypatch):
    folded = []
    with Folder(cache, SETTINGS, workers=1) as folder:
        fold_all = folder._fold

        def count(sequences):
            sequences = list(sequences)
            folded.extend(sequences)
            return fold_all(sequences)

        monkeypatch.setattr(folder, "_fold", count)
        folder.structures(["GGAAACC", "ACGU", "GGAAACC"])
        assert folded == ["GGAAACC", "ACGU"]
        folder.structures(["ACGU", "GGAAACC", "UUUU"])
        assert folded == ["GGAAACC", "ACGU", "UUUU"]


def test_known_folds_need_no_process(cache):
    cache.put({"GGAAACC": "((...))"})
    with Folder(cache, SETTINGS, workers=2) as folder:
        assert folder.structures(["GGAAACC"]) == {"GGAAACC": "((...))"}
        assert folder.structures([]) == {}
        assert folder._pool is None


def test_all_cores_work_unless_told_otherwise(cache):
    assert Folder(cache, SETTINGS).workers == folding.n_cores() >= 1


@pytest.mark.parametrize("workers", [0, -2])
def test_no_workers_are_refused(cache, workers):
    with pytest.raises(UserError, match=f"workers must be at least 1, got {workers}"):
        Folder(cache, SETTINGS, workers)


# === What dies half-way ===


def test_a_worker_that_dies_ends_the_run_with_advice(cache, small_tasks):
    n_folded = []

    def kill_the_workers(n):
        n_folded.append(n)
        for pid in list(folder._pool._processes):
            os.kill(pid, signal.SIGKILL)

    with Folder(cache, SETTINGS, workers=1) as folder:
        words = "A folding process died.*use fewer --workers or a smaller --max-length"
        with pytest.raises(UserError, match=words):
            folder.fill(random_sequences(200, 100, seed=6), kill_the_workers)
    assert 0 < sum(n_folded) < 200
    assert len(cache.get(random_sequences(200, 100, seed=6))) == sum(n_folded)


FOLD_UNTIL_KILLED = """
import sys
from pathlib import Path

from deeprke_tf import folding
from deeprke_tf.config import FoldSettings
from deeprke_tf.fold_cache import FoldCache
from tests.test_folding import random_sequences

folding._NT_PER_TASK = 1_000
folding._SECONDS_BETWEEN_WRITES = 0.0

if __name__ == "__main__":
    cache = FoldCache(Path(sys.argv[1]), FoldSettings())
    with cache, folding.Folder(cache, FoldSettings(), workers=2) as folder:
        folder.fill(
            random_sequences(2_000, 100, seed=7), lambda n: print(n, flush=True)
        )
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
    with FoldCache(path, SETTINGS) as cache:
        n_kept = len(cache.get(random_sequences(2_000, 100, seed=7)))
    # A batch is told of before it is written: the last one may be lost, no other.
    assert sum(batches[:-1]) <= n_kept < 2_000


def test_folds_are_written_as_often_as_promised(cache, small_tasks, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(folding, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    sequences = random_sequences(200, 100, seed=8)
    n_kept = []

    def let_time_pass(_n):
        n_kept.append(len(cache.get(sequences)))
        clock[0] += 0.7 * folding._SECONDS_BETWEEN_WRITES

    with Folder(cache, SETTINGS, workers=1) as folder:
        folder.fill(sequences, let_time_pass)
    # Every second batch comes after more than the time between two writes.
    assert n_kept[0] == n_kept[1] == 0 < n_kept[2] == n_kept[3] < n_kept[4]


def test_local_folds_are_kept_apart_from_those_of_the_whole(tmp_path):
    path = tmp_path / "folds.sqlite"
    sequence = random_sequences(1, 300, seed=6)[0]
    with (
        FoldCache(path, SETTINGS) as whole,
        FoldCache(path, SETTINGS, span=50) as local,
        Folder(local, SETTINGS, workers=1, span=50) as folder,
    ):
        structures = folder.structures([sequence])
        assert structures == {sequence: local_fold(sequence, 50)}
        assert local.get([sequence]) == structures
        assert whole.get([sequence]) == {}
