import dataclasses
import math

import keras
import numpy as np
import pytest

from deeprke_tf.config import ModelConfig
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.presets import preset
from tests.support.small_models import (
    CONFIGS,
    N_SEQUENCE_IDS,
    N_STRUCTURE_IDS,
    batch_of,
    bilstm_tensors,
    one_by_one,
    probabilities,
    random_sites,
    random_vectors,
    tiny_model,
    train_steps,
)

LENGTHS = [1, 2, 5, 99, 373]  # k-mers


# === Settings beyond the paper's ===


def test_each_module_takes_the_filters_and_kernels_given_for_it():
    model = tiny_model(CONFIGS["shapes apart"])
    kernels = {
        layer.name: layer.kernel.shape[:1] + layer.kernel.shape[2:]
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv1D)
    }
    assert kernels == {
        "sequence_cnn_conv_2": (3, 3),
        "structure_cnn_conv_2": (3, 3),
        "union_cnn_conv_1": (3, 5),
        "union_cnn_conv_2": (2, 5),
        "union_cnn_conv_3": (2, 5),
    }
    for view, filters in (("sequence", 4), ("structure", 2)):
        first = model.get_layer(f"{view}_cnn_conv_1").convolution
        assert first.kernel.shape == (4, 5, filters)


def test_a_narrowed_union_has_fewer_channels_for_the_third_module():
    model = tiny_model(CONFIGS["positions, narrow union, k-mer counts"])
    assert model.get_layer("union").output.shape[-1] == 6
    assert model.get_layer("union_cnn_conv_1").kernel.shape == (4, 5, 4)


def test_the_output_reads_the_mean_of_the_union_over_the_site():
    config = CONFIGS["positions, narrow union, k-mer counts"]
    model = tiny_model(config)
    reads = ("union_narrowed", "dense_dropout", "with_union_mean")
    inspected = keras.Model(
        model.inputs, [model.get_layer(name).output for name in reads]
    )
    # Its shorter sites are padded.
    batch = batch_of(random_sites([40, 25]), config.views)
    union, dense, read = map(np.array, inspected(batch))
    np.testing.assert_allclose(read[:, :8], dense)
    for i, length in enumerate((10, 7)):  # 40 and 25 k-mers, halved twice
        mean = union[i, :length].mean(axis=0)
        np.testing.assert_allclose(read[i, 8:], mean, rtol=1e-5, atol=1e-6)
    # In training it is dropped for half of the sites, and scaled up for the others.
    many = {view: np.repeat(ids[:1], 100, axis=0) for view, ids in batch.items()}
    union, _dense, read = map(np.array, inspected(many, training=True))
    is_kept = read[:, 8:].any(axis=1)
    assert 25 < is_kept.sum() < 75
    means = 2 * union.mean(axis=1)[is_kept]
    np.testing.assert_allclose(read[is_kept, 8:], means, rtol=1e-5, atol=1e-6)


def test_with_a_positional_embedding_the_position_of_a_signal_counts():
    config = dataclasses.replace(CONFIGS["cnn-only"], position_size=3)
    model = tiny_model(config)
    train_steps(model, config.views, n_steps=5)

    def site(place):
        ids = np.full(160, 7)
        ids[place : place + 3] = [20, 40, 60]
        return dict.fromkeys(config.views, ids)

    near, far = probabilities(model, [site(64), site(80)])
    assert abs(near - far) > 1e-5


def test_spatial_dropout_drops_a_filter_for_the_whole_site():
    config = dataclasses.replace(CONFIGS["paper"], spatial_dropout=0.5)
    model = tiny_model(config)
    layer = model.get_layer("sequence_cnn_dropout_1")
    dropped = np.array(layer(np.ones([20, 9, 4], np.float32), training=True))
    assert set(np.unique(dropped)) == {0, 2}
    assert (dropped == dropped[:, :1]).all()


# === The paper's network ===


@pytest.fixture(scope="module")
def paper():
    vectors = random_vectors(N_SEQUENCE_IDS, 100), random_vectors(N_STRUCTURE_IDS, 100)
    return build_model(preset("paper").model, *vectors)


def test_the_paper_network_has_its_number_of_weights(paper):
    assert paper.count_params() == 907_985
    frozen = sum(math.prod(weight.shape) for weight in paper.non_trainable_weights)
    assert frozen == (N_SEQUENCE_IDS + N_STRUCTURE_IDS) * 100


@pytest.mark.parametrize("n_kmers", [1, 2, 7, 8, 9, 99, 373])
def test_each_module_halves_the_length_three_times_rounded_up(paper, n_kmers):
    modules = keras.Model(
        paper.inputs, [*paper.get_layer("union").input, *bilstm_tensors(paper)]
    )
    views = [tensor.name for tensor in paper.inputs]
    shapes = [
        tensor.shape for tensor in modules(batch_of(random_sites([n_kmers]), views))
    ]
    eighth = math.ceil(math.ceil(math.ceil(n_kmers / 2) / 2) / 2)
    assert eighth == math.ceil(n_kmers / 8)
    assert shapes == [
        (1, eighth, 32),
        (1, eighth, 32),
        (1, math.ceil(eighth / 8), 32),
        (1, 64),
    ]


# === Probability ===


@pytest.mark.parametrize("bound_fraction", [0.01, 0.2, 0.5])
def test_an_untrained_network_starts_from_the_fraction_of_bound_sites(bound_fraction):
    # Without signal, every layer up to the last one gives zeros.
    vectors = np.zeros([66, 5], np.float32)
    model = build_model(CONFIGS["no-structure"], vectors, bound_fraction=bound_fraction)
    np.testing.assert_allclose(
        probabilities(model, random_sites([1, 40])), bound_fraction, rtol=1e-5
    )


@pytest.mark.parametrize("bound_fraction", [0.0, 1.0, math.nan])
def test_a_training_set_of_one_class_is_refused(bound_fraction):
    with pytest.raises(ValueError, match=r"between 0 and 1, got .* both classes"):
        tiny_model(CONFIGS["paper"], bound_fraction)


@pytest.mark.parametrize("name", ["cnn-only", "batch-norm"])
def test_in_mixed_precision_weights_and_probability_stay_float32(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_model(CONFIGS[name])
    finally:
        keras.config.set_dtype_policy(before)
    sites = random_sites([5, 40])
    half = probabilities(model, sites, n_padding=6)
    assert model.get_layer("dense").compute_dtype == "bfloat16"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert half.dtype == np.float32
    full = tiny_model(CONFIGS[name])
    full.set_weights(model.get_weights())
    np.testing.assert_allclose(half, probabilities(full, sites), atol=0.02)


def test_dropout_acts_in_training_alone():
    config = dataclasses.replace(CONFIGS["paper"], dropout=0.5)
    model = tiny_model(config)
    batch = batch_of(random_sites([30]), config.views)
    trained = {float(model(batch, training=True)[0, 0]) for _ in range(8)}
    assert len(trained) > 1
    assert len({float(model(batch, training=False)[0, 0]) for _ in range(8)}) == 1


def test_a_network_may_have_a_single_convolution():
    config = ModelConfig(structure=False, filters=(2,), kernel_sizes=(1,), lstm_units=1)
    model = tiny_model(config)
    sites = random_sites(LENGTHS)
    np.testing.assert_allclose(
        probabilities(model, sites), one_by_one(model, sites), atol=1e-5
    )
