from pathlib import Path

import numpy as np
import pytest

from deeprke_tf.config import RunConfig
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.evaluation.calibration import Calibration
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
def run():
    manifest = {"model_sha256": ""}
    config = RunConfig(CONFIGS[NAME])
    return Run(
        *(Path("hand-made"), config, Encoding(), manifest),
        calibration=Calibration("none", None),
        model=trained_model(NAME),
    )


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


def scored(run, monkeypatch, *, together):
    if not together:
        monkeypatch.setattr(scorer, "shared_windows", lambda *_arguments: None)
    counted = []
    (batch,) = scorer.score_rnas(run, RNAS, TILING, None, 16, counted.append)
    return batch, sum(counted)


def test_windows_scored_together_are_as_those_scored_one_by_one(run, monkeypatch):
    together, n_nt = scored(run, monkeypatch, together=True)
    alone, n_nt_alone = scored(run, monkeypatch, together=False)
    assert n_nt == n_nt_alone == sum(len(rna.sequence) for rna in RNAS)
    for found, expected in zip(together, alone, strict=True):
        assert found.reasons == expected.reasons
        np.testing.assert_allclose(
            found.probabilities, expected.probabilities, atol=2e-6
        )
        assert np.isnan(found.probability_sds).all()


def test_windows_with_unknown_letters_or_out_of_step_are_left_to_be_scored(run):
    left = [np.isnan(of_rna[0]) for of_rna in shared_windows(run, TILING).score(RNAS)]
    assert [of_rna.any() for of_rna in left] == [False, True, True, True, True]
    assert np.flatnonzero(left[1]).tolist() == [len(left[1]) - 1]
