import dataclasses
import functools

import keras
import numpy as np
import pytest

from deeprke_tf import config, presets
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from deeprke_tf.networks import word2vec
from deeprke_tf.networks.deeprke import build_model
from tests.support.small_models import (
    batch_of,
    random_sites,
    random_vectors,
    train_steps,
)

NETWORKS = ("deepbind", "ideepv", "ideeps")


def network(name, bound_fraction=0.5):
    keras.utils.set_random_seed(1)
    model = dataclasses.replace(presets.preset(name).model, dense_units=20)
    sequence, structure = random_vectors(66), random_vectors(218)
    if model.one_hot:
        sequence = word2vec.one_hot_vectors(Encoding().sequence_vocabulary)
        structure = word2vec.one_hot_vectors(Encoding().structure_vocabulary)
    return build_model(model, sequence, structure, bound_fraction)


@functools.cache
def trained_network(name):
    """A network after two steps, and its weights before them; only to be read."""
    model = network(name, bound_fraction=0.2)
    before = [weight.numpy() for weight in model.trainable_variables]
    train_steps(model, presets.preset(name).model.views, n_steps=2)
    return model, before


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_and_other_sites_do_not_change_the_probability(name):
    model, _before = trained_network(name)
    views = presets.preset(name).model.views
    sites = random_sites([5, 40, 17])
    together = model(batch_of(sites, views, n_padding=11), training=False)
    for site, expected in zip(sites, together, strict=True):
        alone = model(batch_of([site], views), training=False)
        np.testing.assert_allclose(alone[0], expected, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_reads_the_views_of_its_preset_and_learns(name):
    model, before = trained_network(name)
    views = presets.preset(name).model.views
    assert [tensor.name for tensor in model.inputs] == list(views)
    for old, new in zip(before, model.trainable_variables, strict=True):
        assert not np.array_equal(old, new.numpy()), new.path


def test_ideepv_reads_the_position_of_a_kmer():
    model = network("ideepv")
    ids = np.full(60, 5)
    first, last = ids.copy(), ids.copy()
    first[:5], last[-5:] = 40, 40
    batch = batch_of(
        [{"sequence_kmers": first}, {"sequence_kmers": last}], ("sequence_kmers",)
    )
    one, other = model(batch, training=False).numpy().ravel()
    assert abs(one - other) > 1e-4


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(
        UserError, match="`network` must be one of 'deeprke', 'deepbind'"
    ):
        config.ModelConfig(network="deepbnd")
