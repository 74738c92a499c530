import dataclasses

import keras
import numpy as np
import pytest

from deeprke_tf import presets
from deeprke_tf.config import ModelConfig
from deeprke_tf.networks import counted_kmers, onnx_network
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.runs import onnx_scorer
from tests.support.small_models import (
    CONFIGS,
    N_SEQUENCE_IDS,
    N_STRUCTURE_IDS,
    batch_of,
    random_kmer_weights,
    random_sites,
    random_vectors,
)

LENGTHS = [1, 2, 3, 9, 30, 99, 300]
CASES = CONFIGS | {
    name: dataclasses.replace(presets.preset(name).model, dense_units=20)
    for name in ("deepbind", "ideepv", "ideeps")
}
CASES["odd kernel, positions"] = ModelConfig(
    filters=(3,), kernel_sizes=(5,), position_size=3, lstm_units=2, dense_units=4
)


def moved(config, n_rbps=None, n_ids=N_SEQUENCE_IDS):
    """A network whose weights, biases and averages are moved from where they start."""
    keras.utils.set_random_seed(1)
    weights = random_kmer_weights()
    if n_rbps:
        weights = np.stack([weights * factor for factor in range(n_rbps)], axis=1)
    model = build_model(
        *(config, random_vectors(n_ids), random_vectors(N_STRUCTURE_IDS)),
        bound_fraction=[0.3] * n_rbps if n_rbps else 0.3,
        kmer_weights=weights,
    )
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if not weight.path.endswith(("vectors/embeddings", "kmer_counts/weights")):
            weight.assign_add(rng.normal(0, 0.1, weight.shape))
    return model


def scored(contents, views, n_padding=0):
    inputs = batch_of(random_sites(LENGTHS), views, n_padding)
    given = {view: ids.numpy() for view, ids in inputs.items()}
    return onnx_scorer.scorer_of(contents)(given)


def expected(model, views):
    inputs = batch_of(random_sites(LENGTHS), views)
    return np.squeeze(model(inputs, training=False).numpy(), -1)


@pytest.mark.parametrize("name", CASES)
def test_a_network_gives_its_probabilities_in_onnx(name):
    config = CASES[name]
    model = moved(config)
    contents = onnx_network.onnx_file([(model, config)])
    probabilities = scored(contents, config.views)
    assert np.ptp(probabilities) > 1e-4
    np.testing.assert_allclose(probabilities, expected(model, config.views), atol=2e-6)
    padded = scored(contents, config.views, n_padding=13)
    np.testing.assert_allclose(padded, probabilities, atol=2e-6)


def test_more_kmers_than_a_table_has_rows_give_the_same_probabilities():
    config = dataclasses.replace(CASES["odd kernel, positions"], structure=False)
    model = moved(config, n_ids=1026)
    contents = onnx_network.onnx_file([(model, config)])
    probabilities = scored(contents, config.views)
    np.testing.assert_allclose(probabilities, expected(model, config.views), atol=2e-6)


def test_a_joint_network_gives_the_probabilities_of_all_rbps():
    config = dataclasses.replace(
        CASES["odd kernel, positions"], structure=False, kmer_weight=0.5
    )
    model = moved(config, n_rbps=3)
    probabilities = scored(onnx_network.onnx_file([(model, config)]), config.views)
    inputs = batch_of(random_sites(LENGTHS), config.views)
    assert probabilities.shape == (len(LENGTHS), 3)
    np.testing.assert_allclose(probabilities, model(inputs), atol=2e-6)


def test_several_networks_give_their_mean():
    configs = [CASES["deepbind"], CASES["odd kernel, positions"]]
    models = [moved(config) for config in configs]
    contents = onnx_network.onnx_file(list(zip(models, configs, strict=True)))
    mean = np.mean(
        [
            expected(model, config.views)
            for model, config in zip(models, configs, strict=True)
        ],
        axis=0,
    )
    found = scored(contents, configs[1].views)
    np.testing.assert_allclose(found, mean, atol=2e-6)


def test_a_layer_that_is_not_known_is_refused():
    config = CASES["deepbind"]
    model = moved(config)
    layer = keras.layers.Dense(1, name="another")
    with_more = keras.Model(model.input, layer(model.output))
    with pytest.raises(ValueError, match=r"Not known in ONNX: another\."):
        onnx_network.onnx_file([(with_more, config)])


def test_counts_reach_as_far_as_the_keras_layer():
    far = 2 * counted_kmers.REACH + 50
    config = dataclasses.replace(CASES["deepbind"], network="deeprke", kmer_weight=1.0)
    model = moved(config)
    inputs = batch_of(random_sites([far]), config.views)
    given = {view: ids.numpy() for view, ids in inputs.items()}
    score = onnx_scorer.scorer_of(onnx_network.onnx_file([(model, config)]))
    np.testing.assert_allclose(score(given), model(inputs)[:, 0], atol=2e-6)
