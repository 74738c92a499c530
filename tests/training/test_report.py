"""Warnings of networks at chance level."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deeprke_tf.config import ModelConfig, RunConfig, TrainConfig
from deeprke_tf.data import batches as dataset
from deeprke_tf.networks import counted_kmers
from deeprke_tf.runs import scorer
from deeprke_tf.training import report
from tests.support.small_models import CONFIGS, tiny_model, write_dataset

pytest_plugins = ["tests.support.run_fixtures"]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    ("auroc_ci", "last", "found"),
    [
        ((0.45, 0.55), 0.5, "not clearly better than chance"),
        ((0.59, 0.7), 0.5163, "back to chance level, AUROC 0.5163"),
    ],
)
def test_a_network_at_chance_level_gives_a_warning_and_advice(
    auroc_ci, last, found, batch_norm
):
    history = [{"val_auroc": 0.65}, {"val_auroc": last}]
    config = RunConfig(ModelConfig(batch_norm=batch_norm))
    warning = report.chance_warning(auroc_ci, history, config)
    assert found in warning and "more sites" in warning
    assert ("`batch_norm=True`" in warning) != batch_norm


@pytest.mark.parametrize("auroc_ci", [(0.59, 0.7), None])
def test_a_network_that_learned_gives_no_warning(auroc_ci):
    history = [{"val_auroc": 0.5}, {"val_auroc": 0.63}]
    assert report.chance_warning(auroc_ci, history, RunConfig()) == ""


def test_a_network_that_starts_from_another_one_is_not_advised_to_change_its_layers():
    config = RunConfig(train=TrainConfig(frozen_epochs=2, body_rate=0.1))
    warning = report.chance_warning((0.45, 0.55), [{"val_auroc": 0.5}], config)
    assert "more sites" in warning and "batch_norm" not in warning


def test_kmer_counts_do_not_hide_a_network_at_chance_level(tmp_path):
    rng = np.random.default_rng(0)
    # The k-mer weights separate the classes, the network does not.
    sites = [([2 + (i % 2), *rng.integers(2, 66, 9)], i % 2) for i in range(60)]
    info = write_dataset(tmp_path, {"validation": sites})
    config = dataclasses.replace(
        CONFIGS["no-structure"], kmer_weight=0.9, batch_norm=True
    )
    network = tiny_model(config)
    for weight in network.trainable_variables:
        weight.assign(0 * weight)
    weights = np.zeros(counted_kmers.n_weights(3), np.float32)
    weights[1 + 1] = 1.0  # the second k-mer
    network.get_layer("kmer_counts").set_weights([weights])
    warning = report.network_alone_warning(network, info, RunConfig(config))
    assert warning.startswith(
        "without its k-mer counts, on validation the model is not"
    )
    batches = dataset.read_split(info, "validation", config.views, 20)
    scored = scorer.score_labelled(scorer.scorer(network), batches)
    assert roc_auc_score(*scored) > 0.8
