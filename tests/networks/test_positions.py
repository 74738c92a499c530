import keras
import numpy as np

from deeprke_tf.networks.positions import AddPositions


def positions_of(lengths, width, channels=4):
    """What the layer adds to zeros, for sites of these lengths padded to a width."""
    keras.utils.set_random_seed(1)
    x = np.zeros([len(lengths), width, channels], np.float32)
    inside = np.arange(width) < np.array(lengths)[:, np.newaxis]
    return np.array(AddPositions(3)(x, inside=inside))


def test_padding_does_not_change_what_a_place_adds():
    narrow, wide = positions_of([7, 4], 7), positions_of([7, 4], 12)
    np.testing.assert_allclose(wide[0, :7], narrow[0], atol=1e-6)
    np.testing.assert_allclose(wide[1, :4], narrow[1, :4], atol=1e-6)


def test_places_of_one_site_differ():
    [added] = positions_of([30], 30)
    assert len(np.unique(added.round(6), axis=0)) == 30


def test_a_place_is_its_distance_to_both_ends():
    long, short = positions_of([9, 6], 9)
    # At the same distance to the 5' end, and at the same one to the 3' end.
    assert not np.allclose(long[2], short[2], atol=1e-5)
    assert not np.allclose(long[5], short[2], atol=1e-5)


def test_far_from_both_ends_places_are_alike():
    [added] = positions_of([700], 700)
    np.testing.assert_allclose(added[255:444], np.tile(added[255], (189, 1)), atol=1e-6)
    assert not np.allclose(added[254], added[255], atol=1e-6)


def test_what_is_added_comes_on_top_of_the_channels():
    keras.utils.set_random_seed(1)
    layer, inside = AddPositions(3), np.ones([1, 5], bool)
    x = np.random.default_rng(0).normal(size=[1, 5, 4]).astype(np.float32)
    added = np.array(layer(0 * x, inside=inside))
    np.testing.assert_allclose(layer(x, inside=inside), x + added, atol=1e-6)


def test_the_layer_reads_back_from_its_config():
    layer = AddPositions(3, name="there")
    copy = AddPositions.from_config(layer.get_config())
    assert (copy.size, copy.name) == (3, "there")
