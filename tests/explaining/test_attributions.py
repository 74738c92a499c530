"""Attributions, against networks whose log odds are known by hand."""

import functools
import types

import numpy as np
import pytest

from deeprke_tf.data.encoding import Encoding
from deeprke_tf.explaining.gradients import IntegratedGradients
from deeprke_tf.explaining.letters import shapley_value
from deeprke_tf.explaining.log_odds import LogOdds
from deeprke_tf.explaining.mutagenesis import importance, mutagenize
from deeprke_tf.explaining.sites import FoldedSite
from deeprke_tf.rna.folding import FoldingPool
from deeprke_tf.rna.structure import fold, loop_contexts
from deeprke_tf.runs.run import Run
from tests.support.small_models import CONFIGS, trained_model

SITES = [
    FoldedSite(f"site{i}", sequence, loop_contexts(fold(sequence)[0]))
    for i, sequence in enumerate(
        ["GGGCGUAUAUGCCCAAUU", "ACGGAUGUAUAUACCGUANCA", "GCGCUUUUGCGC"]
    )
]


ALL = "positions, narrow union, k-mer counts"


@functools.cache
def training_of(name):
    """An untrained run of a network of `small_models`."""
    config = types.SimpleNamespace(model=CONFIGS[name])
    facts = {"model_sha256": name}
    return Run(f"runs/{name}", config, Encoding(), facts, model=trained_model(name))


def log_odds_of(*names):
    trainings = [training_of(name) for name in names]
    return LogOdds(trainings[0] if len(names) == 1 else Run.average(trainings))


@pytest.fixture(scope="module")
def pool():
    with FoldingPool(workers=1) as pool:
        yield pool


@pytest.fixture(scope="module")
def of_ensemble(pool):
    """Gradients of two networks, of which the second reads no structure."""
    gradients = IntegratedGradients(log_odds_of(ALL, "no-structure"), pool, n_steps=32)
    return list(gradients(SITES))


def test_gradients_add_up_to_the_difference_from_the_baseline(of_ensemble):
    error = np.array([gradients.completeness_error for gradients in of_ensemble])
    difference = np.array([g.log_odds - g.baseline for g in of_ensemble])
    assert np.abs(error).max() < 0.05 * np.abs(difference).max()


def test_an_explained_model_can_still_be_saved(of_ensemble, tmp_path):
    for name in (ALL, "no-structure"):
        trained_model(name).save(tmp_path / "model.keras")


def test_networks_of_an_ensemble_have_attributions_of_their_own(of_ensemble):
    alone = IntegratedGradients(log_odds_of("no-structure"), None, n_steps=32)
    sites = [site._replace(loop_contexts="") for site in SITES]
    for both, one in zip(of_ensemble, alone(sites), strict=True):
        assert both.sequence[1] == pytest.approx(one.sequence[0], abs=1e-5)
        assert not both.structure[1].any()
        assert both.structure[0].any()


def test_the_way_back_to_a_letter_is_its_shapley_value():
    # Worth 6 only together, and 1 for the first letter alone.
    values = {(False, False): 0.0, (True, False): 1.0}
    values |= {(False, True): 0.0, (True, True): 7.0}
    assert [shapley_value(values, j) for j in (0, 1)] == [4.0, 3.0]


def test_mutants_have_the_log_odds_of_the_mutated_site():
    log_odds = log_odds_of(ALL)
    (_, found, _) = mutagenize(SITES, log_odds)
    site = SITES[1]
    mutant = site._replace(sequence="C" + site.sequence[1:])
    unfolded = site._replace(loop_contexts=site.loop_contexts[:-1] + "M")
    own, of_mutant, of_unfolded = (
        log_odds.mean([s.sequence], [s.loop_contexts])[0]
        for s in (site, mutant, unfolded)
    )
    assert found.sequence[0, 0, 1] == pytest.approx(of_mutant - own, abs=1e-4)
    assert found.structure[0, -1, 4] == pytest.approx(of_unfolded - own, abs=1e-4)
    assert found.sequence[0, 0, 0] == 0  # its own letter
    assert not found.sequence[0, site.sequence.index("N")].any()
    assert found.refolded is None


def test_refolded_mutants_have_structures_of_their_own(pool):
    log_odds = log_odds_of(ALL)
    (found,) = mutagenize(SITES[2:], log_odds, pool)
    opened = "ACGCUUUUGCGC"
    of_mutant = log_odds.mean([opened], [loop_contexts(fold(opened)[0])])
    change = of_mutant - found.log_odds
    assert found.refolded[0, 0, 0] == pytest.approx(change[0], abs=1e-4)


def test_importance_is_the_mean_fall_and_nothing_at_unknown_letters():
    changes = np.zeros((1, 2, 4))
    changes[0, 0] = [0, -1, -2, -3]
    assert importance(changes, "AN", "ACGU").tolist() == [[2.0, 0.0]]


def test_models_without_structure_have_no_mutants_of_it():
    sites = [site._replace(loop_contexts="") for site in SITES]
    (first, *_) = mutagenize(sites, log_odds_of("no-structure"))
    assert first.structure is None
