import keras
import numpy as np

from deeprke_tf.networks.positions import AddPositions, PositionalEmbedding


def positions_of(lengths, width, channels=4):
    """The output for zeros, for sites of these lengths padded to a width."""
    keras.utils.set_random_seed(1)
    x = np.zeros([len(lengths), width, channels], np.float32)
    inside = np.arange(width) < np.array(lengths)[:, np.newaxis]
    return np.array(PositionalEmbedding(3)(x, inside=inside))


def test_padding_does_not_change_the_embedding():
    narrow, wide = positions_of([7, 4], 7), positions_of([7, 4], 12)
    np.testing.assert_allclose(wide[0, :7], narrow[0], atol=1e-6)
    np.testing.assert_allclose(wide[1, :4], narrow[1, :4], atol=1e-6)


def test_positions_of_a_site_have_different_embeddings():
    [added] = positions_of([30], 30)
    assert len(np.unique(added.round(6), axis=0)) == 30


def test_the_distances_to_both_ends_count():
    long, short = positions_of([9, 6], 9)
    # At the same distance to the 5' end, and at the same one to the 3' end.
    assert not np.allclose(long[2], short[2], atol=1e-5)
    assert not np.allclose(long[5], short[2], atol=1e-5)


def test_positions_far_from_both_ends_have_one_embedding():
    [added] = positions_of([700], 700)
    np.testing.assert_allclose(added[255:444], np.tile(added[255], (189, 1)), atol=1e-6)
    assert not np.allclose(added[254], added[255], atol=1e-6)


def test_the_embedding_is_added_to_the_channels():
    keras.utils.set_random_seed(1)
    layer, inside = PositionalEmbedding(3), np.ones([1, 5], bool)
    x = np.random.default_rng(0).normal(size=[1, 5, 4]).astype(np.float32)
    added = np.array(layer(0 * x, inside=inside))
    np.testing.assert_allclose(layer(x, inside=inside), x + added, atol=1e-6)


def test_the_layer_can_be_made_from_its_config():
    layer = PositionalEmbedding(3, name="there")
    copy = PositionalEmbedding.from_config(layer.get_config())
    assert (copy.size, copy.name) == (3, "there")


def test_models_of_version_0_1_0_load_with_their_weights(tmp_path):
    x, inside = keras.Input([None, 4]), keras.Input([None], dtype="bool")
    old = keras.Model([x, inside], AddPositions(3)(x, inside))
    old.save(tmp_path / "model.keras")
    registered = "deeprke_tf>AddPositions"
    assert keras.saving.get_registered_name(AddPositions) == registered
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    for weight, expected in zip(loaded.get_weights(), old.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
