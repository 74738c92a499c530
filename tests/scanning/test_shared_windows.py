import multiprocessing
import pickle
import time
from pathlib import Path

import numpy as np
import pytest

from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.evaluation.calibration import Calibration
from deeprke_tf.networks.saved_weights import SavedNetwork
from deeprke_tf.rna.fasta import Rna
from deeprke_tf.rna.sites import NUCLEOTIDES
from deeprke_tf.runs.run import Run
from deeprke_tf.scanning import scorer
from deeprke_tf.scanning.shared_windows import shared_windows
from deeprke_tf.scanning.windows import Tiling
from tests.support.small_models import CONFIGS, trained_model

TILING = Tiling(window=21, stride=5)
NAME = "no-structure"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    manifest = {"model_sha256": ""}
    config = RunConfig(CONFIGS[NAME])
    model = trained_model(NAME)
    run = Run(
        *(Path("hand-made"), config, Encoding(), manifest),
        calibration=Calibration("none", None),
        model=model,
    )
    path = tmp_path_factory.mktemp("network") / "model.keras"
    model.save(path)
    run.saved_network = SavedNetwork(path)
    return run


def letters(n, seed):
    chosen = np.random.default_rng(seed).choice(list(NUCLEOTIDES), n)
    return "".join(chosen)


RNAS = [
    Rna("in step", 1, letters(21 + 5 * 9, 1)),
    Rna("out of step", 2, letters(97, 2)),
    Rna("short", 3, letters(12, 3)),
    Rna("unknown letters", 4, f"{letters(40, 4)}NN{letters(20, 5)}N{letters(33, 6)}"),
    Rna("a window of N", 5, f"{letters(30, 7)}{'N' * 40}{letters(30, 8)}"),
]


def scored(run, *, together, rnas=RNAS, workers=1, tiling=TILING):
    counted = []
    with scorer.WindowScorer(run, tiling, 16, workers=workers) as windows:
        if not together:
            windows.shared = None
        batches = list(windows.score(rnas, counted.append))
    return [rna for batch in batches for rna in batch], sum(counted)


def test_windows_scored_together_are_as_those_scored_one_by_one(run):
    together, n_nt = scored(run, together=True)
    alone, n_nt_alone = scored(run, together=False)
    assert n_nt == n_nt_alone == sum(len(rna.sequence) for rna in RNAS)
    for found, expected in zip(together, alone, strict=True):
        assert found.reasons == expected.reasons
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=2e-6
        )
        assert np.isnan(found.probability_sds).all()


def test_processes_give_the_same_bits_as_one(run, monkeypatch):
    rnas = [Rna(f"rna{i}", i, letters(300 + i, i)) for i in range(1, 90)]
    monkeypatch.setattr(scorer, "WINDOWS_AT_ONCE", 500)
    here, _n_nt = scored(run, together=True, rnas=rnas)
    apart, _n_nt = scored(run, together=True, rnas=rnas, workers=2)
    for found, expected in zip(apart, here, strict=True):
        assert found.probabilities.tobytes() == expected.probabilities.tobytes()
    later, _n_nt = scored(run, together=True, rnas=rnas[50:])
    for found, expected in zip(later, here[50:], strict=True):
        assert found.probabilities.tobytes() == expected.probabilities.tobytes()


@pytest.mark.parametrize("stride", [1, 5, 19, 20, 21])
def test_rnas_of_few_windows_are_as_those_scored_one_by_one(run, stride):
    tiling = Tiling(window=21, stride=stride)
    lengths = (21, 22, 25, 26, 40, 41, 42, 43, 63, 100)
    rnas = [Rna(f"rna{n}", n, letters(n, n)) for n in lengths]
    together, _n_nt = scored(run, together=True, rnas=rnas, tiling=tiling)
    alone, _n_nt = scored(run, together=False, rnas=rnas, tiling=tiling)
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=2e-6
        )


def test_what_a_process_is_sent_is_small(run):
    """Or one that dies as it starts would leave the scan waiting for ever."""
    networks = shared_windows(run, TILING)._pool._networks
    assert len(pickle.dumps(networks)) < 5_000


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_a_process_that_dies_is_told(run, seconds):
    with shared_windows(run, TILING, workers=2) as windows:
        scores = windows.start([Rna("rna", 1, letters(50_000, 1))])
        time.sleep(seconds)
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(UserError, match="scoring process died"):
            scores()
        with pytest.raises(UserError, match="scoring process died"):
            windows.start([Rna("rna", 1, letters(5_000, 1))])


def test_windows_with_unknown_letters_and_short_rnas_are_left_to_be_scored(run):
    left = [np.isnan(of_rna[0]) for of_rna in shared_windows(run, TILING).start(RNAS)()]
    assert [of_rna.any() for of_rna in left] == [False, False, True, True, True]
