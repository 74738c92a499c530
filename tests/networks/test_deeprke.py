import keras
import numpy as np
import pytest

from deeprke_tf.networks.blocks import masked_pooling
from deeprke_tf.networks.deeprke import build_model
from tests.support.small_models import (
    CONFIGS,
    batch_of,
    bilstm_tensors,
    one_by_one,
    probabilities,
    random_sites,
    random_vectors,
    tiny_model,
    train_steps,
    trained_model,
)

LENGTHS = [1, 2, 5, 99, 373]  # k-mers
# "paper" is "trainable-vectors" with vectors that are not trained, and the network with
# positions has a BiLSTM behind batch normalization, too.
every_network = pytest.mark.parametrize(
    "name", [name for name in CONFIGS if name not in ("paper", "batch-norm")]
)


# === The probability of a site does not depend on its batch ===


@every_network
def test_padding_does_not_change_the_probability(name):
    model = trained_model(name)
    for site in random_sites(LENGTHS):
        alone, *padded = (
            probabilities(model, [site], n_padding) for n_padding in (0, 1, 2, 3, 7, 64)
        )
        np.testing.assert_allclose(padded, [alone] * len(padded), atol=1e-5)


@every_network
def test_a_site_has_the_same_probability_alone_and_in_a_mixed_batch(name):
    model = trained_model(name)
    sites = random_sites([373, 1, 99, 5, 2, 1, 8])
    together = probabilities(model, sites)
    assert np.ptp(together) > 0.02, "all alike: the test would show nothing"
    np.testing.assert_allclose(together, one_by_one(model, sites), atol=1e-5)


@every_network
def test_a_saved_network_gives_the_same_probabilities(name, tmp_path):
    model = trained_model(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", compile=False, safe_mode=True
    )
    sites = random_sites(LENGTHS)
    expected = probabilities(model, sites)
    np.testing.assert_allclose(probabilities(loaded, sites), expected, atol=1e-6)
    np.testing.assert_allclose(
        probabilities(loaded, sites, n_padding=9), expected, atol=1e-5
    )


def test_padding_does_not_change_the_statistics_of_batch_normalization():
    config = CONFIGS["batch-norm"]
    statistics = []
    for n_padding in (0, 50):
        model = tiny_model(config)
        model(batch_of(random_sites([6, 9]), config.views, n_padding), training=True)
        moving = [w.numpy() for w in model.weights if "moving_" in w.path]
        statistics.append(np.concatenate(moving))
    np.testing.assert_allclose(*statistics, atol=1e-6)


def test_pooling_over_a_site_is_its_mean_and_maximum():
    # Two channels; the second site has two positions and one of padding.
    x = [[[1, 9], [2, 0], [3, 0]], [[2, 4], [4, 8], [0, 0]]]
    mask = [[True, True, True], [True, True, False]]
    pooled = masked_pooling(keras.ops.array(x, "float32"), keras.ops.array(mask))
    assert pooled.numpy().tolist() == [[2, 3, 3, 9], [3, 6, 4, 8]]


def test_both_views_are_read():
    model = trained_model("paper")
    site, other = random_sites([30, 30])
    swapped = [site | {view: other[view]} for view in CONFIGS["paper"].views]
    sequence, structure = probabilities(model, swapped) - probabilities(model, [site])
    assert abs(sequence) > 1e-4
    assert abs(structure) > 1e-4


# === Vectors ===


def vectors_of(model):
    return {
        view: model.get_layer(f"{view}_cnn_conv_1").vectors.embeddings.numpy()
        for view in ("sequence", "structure")
    }


@pytest.mark.parametrize(
    ("name", "trainable"), [("paper", 0), ("trainable-vectors", 2)]
)
def test_vectors_are_trained_only_on_request(name, trainable):
    model = tiny_model(CONFIGS[name])
    tables = [
        weight for weight in model.trainable_weights if "embeddings" in weight.path
    ]
    assert len(tables) == trainable
    train_steps(model, CONFIGS[name].views, n_steps=1)
    for view, vectors in vectors_of(model).items():
        before = random_vectors(len(vectors))
        assert np.array_equal(vectors, before) == (not trainable), view


def test_training_leaves_the_vector_of_padding_zero():
    model = tiny_model(CONFIGS["trainable-vectors"])
    train_steps(model, CONFIGS["trainable-vectors"].views, n_steps=2)
    for vectors in vectors_of(model).values():
        assert not vectors[0].any()


@pytest.mark.parametrize(
    ("sequence_vectors", "structure_vectors", "words"),
    [
        (random_vectors(66), None, "The structure view is read but has no vectors"),
        (None, random_vectors(218), "The sequence view is read but has no vectors"),
        (np.ones([66, 5]), random_vectors(218), "sequence vectors: the padding row 0"),
        (random_vectors(66), np.ones([218, 5]), "structure vectors: the padding row 0"),
    ],
)
def test_wrong_vectors_are_refused(sequence_vectors, structure_vectors, words):
    with pytest.raises(ValueError, match=words):
        build_model(CONFIGS["paper"], sequence_vectors, structure_vectors)


def test_a_network_without_structure_needs_no_structure_vectors():
    model = build_model(CONFIGS["no-structure"], random_vectors(66))
    assert [tensor.name for tensor in model.inputs] == ["sequence_kmers"]


# === Layers ===


def test_layers_are_named_after_their_view_module_and_number():
    model = trained_model("batch-norm")
    modules = [
        f"{module}_{layer}_{i}"
        for module in ("sequence_cnn", "structure_cnn", "union_cnn")
        for layer in ("conv", "norm", "relu", "pool")
        for i in (1, 2)
    ]
    expected = {
        *(
            "sequence_kmers",
            "structure_kmers",
            "union",
            "union_dropout",
            "bilstm",
            "dropout",
            "dense",
            "dense_dropout",
        ),
        *("log_odds", "probability", *modules),
    }
    # Operations without weights get their names from Keras.
    with_names = {layer.name for layer in model.layers if layer.name in expected}
    rest = {layer.name for layer in model.layers} - expected
    assert with_names == expected
    assert not [name for name in rest if model.get_layer(name).weights]


def test_the_two_views_have_cnn_modules_of_their_own():
    model = trained_model("paper")
    kernels = [
        weight
        for view in ("sequence", "structure")
        for i in (1, 2)
        for weight in model.get_layer(f"{view}_cnn_conv_{i}").weights
        if weight.path.endswith("kernel")
    ]
    assert len({id(kernel) for kernel in kernels}) == 4
    assert not np.array_equal(kernels[0], kernels[2])
    outside, inside = bilstm_tensors(model), model.get_layer("union").input
    assert outside[0].shape[-1] == 3
    assert [tensor.shape[-1] for tensor in inside] == [3, 3]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_by_hand(cell, steps):
    """The last hidden state over steps [n_steps, channels], gates as Keras has them."""
    kernel, recurrent_kernel, bias = (weight.numpy() for weight in cell.weights)
    hidden = memory = np.zeros(cell.units)
    for step in steps:
        gates = step @ kernel + hidden @ recurrent_kernel + bias
        i, f, candidate, o = np.split(gates, 4)
        memory = sigmoid(f) * memory + sigmoid(i) * np.tanh(candidate)
        hidden = sigmoid(o) * np.tanh(memory)
    return hidden


def test_the_bilstm_runs_over_positions_both_ways():
    model = trained_model("paper")
    inspected = keras.Model(model.inputs, bilstm_tensors(model))
    site = random_sites([70])
    # 70 k-mers, halved four times.
    [positions], [output] = (
        np.array(tensor)
        for tensor in inspected(batch_of(site, CONFIGS["paper"].views, n_padding=40))
    )
    bilstm = model.get_layer("bilstm")
    forward = lstm_by_hand(bilstm.forward_layer.cell, positions[:5])
    backward = lstm_by_hand(bilstm.backward_layer.cell, positions[4::-1])
    np.testing.assert_allclose(output, [*forward, *backward], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "reads_place"), [("paper", True), ("cnn-only", False)]
)
def test_only_the_bilstm_reads_the_position_of_a_signal(name, reads_place):
    def site(place):
        ids = np.full(160, 7)
        ids[place : place + 3] = [20, 40, 60]
        return dict.fromkeys(CONFIGS[name].views, ids)

    # By 16 k-mers, one position after four times halving, far from both ends.
    near, far = probabilities(trained_model(name), [site(64), site(80)])
    assert (abs(near - far) > 1e-5) == reads_place
