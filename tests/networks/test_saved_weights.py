import io
import zipfile

import h5py
import keras
import numpy as np
import pytest

from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.networks.joint import single_output
from deeprke_tf.networks.saved_weights import SavedNetwork
from tests.support.small_models import (
    CONFIGS,
    N_SEQUENCE_IDS,
    N_STRUCTURE_IDS,
    random_kmer_weights,
    random_vectors,
    trained_model,
)

COUNTING = CONFIGS["positions, narrow union, k-mer counts"]


def saved(network, directory):
    network.save(directory / "model.keras")
    return SavedNetwork(directory / "model.keras").weights()


@pytest.mark.parametrize(
    "name", ["no-structure", "positions, narrow union, k-mer counts"]
)
def test_every_weight_of_a_network_is_read_from_its_file(name, tmp_path):
    network = trained_model(name)
    found = [weight for of in saved(network, tmp_path).values() for weight in of]
    expected = {weight.numpy().tobytes() for weight in network.weights}
    assert {weight.tobytes() for weight in found} == expected
    assert len(found) == len(network.weights)


def test_the_weights_of_a_layer_are_in_its_order_under_its_name(tmp_path):
    network = trained_model("no-structure")
    weights = saved(network, tmp_path)
    for name in ("dense", "log_odds", "union_cnn_conv_1"):
        for found, expected in zip(
            weights[name], network.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(found, expected)
    bilstm = network.get_layer("bilstm")
    for found, expected in zip(
        weights["bilstm/forward_layer/cell"],
        bilstm.forward_layer.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


def test_an_output_of_a_joint_network_has_the_weights_of_its_own_network(tmp_path):
    tables = np.stack([random_kmer_weights(), 2 * random_kmer_weights()], axis=1)
    joint = build_model(
        *(COUNTING, random_vectors(N_SEQUENCE_IDS), random_vectors(N_STRUCTURE_IDS)),
        np.array([0.2, 0.5]),
        kmer_weights=tables,
    )
    joint.save(tmp_path / "joint.keras")
    of_joint = SavedNetwork(tmp_path / "joint.keras", output=1).weights()
    alone = saved(single_output(joint, COUNTING, 1), tmp_path)
    assert of_joint.keys() == alone.keys()
    for name, expected in alone.items():
        for found, of_alone in zip(of_joint[name], expected, strict=True):
            np.testing.assert_array_equal(found, of_alone)


def test_a_file_without_the_names_of_layers_is_left_to_keras(tmp_path):
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    network.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        contents = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(contents, "r+") as file:
        del file["layers/dense/vars"].attrs["name"]
    with zipfile.ZipFile(tmp_path / "early.keras", "w") as archive:
        archive.writestr("model.weights.h5", contents.getvalue())
    assert SavedNetwork(tmp_path / "early.keras").weights() is None
