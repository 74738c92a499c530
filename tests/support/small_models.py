"""Networks and datasets small enough to make anew in a test."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from deeprke_tf.config import ModelConfig
from deeprke_tf.data import description, records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.networks import counted_kmers
from deeprke_tf.networks.deeprke import build_model
from deeprke_tf.networks.word2vec import one_hot_vectors
from deeprke_tf.presets import preset
from deeprke_tf.runs import scorer

N_SEQUENCE_IDS = 66  # 3-mers of ACGU, padding and unknown
VIEWS = ("sequence_kmers", "structure_kmers")
N_STRUCTURE_IDS = 218  # 3-mers of FTIHMS, padding and unknown


def tiny(config):
    """The same network with a few units in each layer, and no dropout."""
    return dataclasses.replace(
        config,
        filters=(4, 3),
        kernel_sizes=(4, 3),
        lstm_units=min(2, config.lstm_units),
        dense_units=8,
        dropout=0.0,
    )


CONFIGS = {
    "paper": tiny(preset("paper").model),
    "no-structure": tiny(preset("no-structure").model),
    "one-hot": tiny(preset("one-hot").model),
    "cnn-only": tiny(preset("cnn-only").model),
    "batch-norm": tiny(ModelConfig(batch_norm=True)),
    "batch-norm, cnn-only": tiny(ModelConfig(batch_norm=True, lstm_units=0)),
    "trainable-vectors": tiny(ModelConfig(trainable_vectors=True)),
    "positions, narrow union, k-mer counts": dataclasses.replace(
        tiny(ModelConfig(position_size=3, union_size=5, batch_norm=True)),
        union_mean=0.5,
        kmer_weight=0.3,
    ),
    "shapes apart": dataclasses.replace(
        tiny(ModelConfig(spatial_dropout=0.3)),
        structure_filters=(2, 3),
        union_filters=(5, 5, 5),
        union_kernel_sizes=(3, 2, 2),
    ),
}


def random_vectors(n_ids, size=5):
    vectors = np.random.default_rng(n_ids).normal(size=(n_ids, size))
    vectors[0] = 0
    return vectors.astype(np.float32)


def random_kmer_weights(k=3):
    weights = np.random.default_rng(k).normal(size=counted_kmers.n_weights(k))
    return weights.astype(np.float32)


def tiny_model(config, bound_fraction=0.5):
    """An untrained network over random vectors, or over one-hot letters."""
    keras.utils.set_random_seed(1)
    sequence_vectors = (
        one_hot_vectors(Encoding().sequence_vocabulary)
        if config.one_hot
        else random_vectors(N_SEQUENCE_IDS)
    )
    structure_vectors = random_vectors(N_STRUCTURE_IDS)
    return build_model(
        *(config, sequence_vectors, structure_vectors, bound_fraction),
        kmer_weights=random_kmer_weights(),
    )


def random_sites(lengths, seed=0):
    """Encoded sites of these numbers of k-mers, unknown k-mers among them."""
    rng = np.random.default_rng(seed)
    return [
        {
            "sequence_kmers": rng.integers(1, N_SEQUENCE_IDS, length),
            "structure_kmers": rng.integers(1, N_STRUCTURE_IDS, length),
        }
        for length in lengths
    ]


def batch_of(sites, views, n_padding=0):
    """Sites as one dense batch, padded `n_padding` k-mers beyond the longest."""
    longest = max(len(site[views[0]]) for site in sites)
    width = longest + n_padding
    return {
        view: tf.constant(
            [np.pad(site[view], (0, width - len(site[view]))) for site in sites],
            tf.int64,
        )
        for view in views
    }


def train_steps(model, views, n_steps=2):
    """Some steps of gradient descent on sites that differ in length."""
    optimizer = keras.optimizers.Adam(0.01)
    batch = batch_of(random_sites([3, 9, 14, 20], seed=9), views)
    label = tf.constant([[0.0], [1.0], [0.0], [1.0]])
    for _ in range(n_steps):
        with tf.GradientTape() as tape:
            loss = keras.losses.BinaryCrossentropy()(label, model(batch, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )


@functools.cache
def trained_model(name):
    """A network of `CONFIGS` after some steps; shared by tests, so only to be read.

    Its weights are then moved far enough for sites to differ in probability; the vector
    of padding, where it is trainable, is moved too.
    """
    model = tiny_model(CONFIGS[name])
    train_steps(model, CONFIGS[name].views)
    rng = np.random.default_rng(5)
    for weight in model.trainable_variables:
        weight.assign_add(rng.normal(0.1, 0.3, weight.shape))
    return model


# Of networks that tests share; to compile one takes a second.
compiled_scorer = functools.cache(scorer.scorer)


def probabilities(model, sites, n_padding=0):
    """Probabilities of encoded sites as one batch, float32 [n_sites]."""
    views = [tensor.name for tensor in model.inputs]
    return compiled_scorer(model)(batch_of(sites, views, n_padding))


def one_by_one(model, sites):
    """The same, each site as a batch of its own."""
    return np.concatenate([probabilities(model, [site]) for site in sites])


def bilstm_tensors(model):
    """Input, [batch, length, channels], and output of the BiLSTM."""
    bilstm = model.get_layer("bilstm")
    inputs = bilstm.input
    return (inputs[0] if isinstance(inputs, list) else inputs), bilstm.output


def made_up_sites(n_sites):
    """Sites with distinct first ids; every third one is bound."""
    lengths = np.random.default_rng(0).integers(1, 20, n_sites)
    return [
        ([2 + number] * length, int(number % 3 == 0))
        for number, length in enumerate(lengths)
    ]


def write_dataset(directory, splits, n_shards=1, encoding=None):
    """Writes shards and `dataset.json`; a site is (k-mer ids, label).

    The structure ids of a site are its sequence ids plus 100, its name has the first.
    """
    directory.mkdir(exist_ok=True)
    described = {}
    for split, sites in splits.items():
        shards = []
        for index in range(n_shards):
            path = directory / records.shard_name(split, index, n_shards)
            with records.ShardWriter(path) as shard:
                for ids, label in sites[index::n_shards]:
                    structure_ids = [i + 100 for i in ids]
                    name = f"site{ids[0]}"
                    shard.write([records.serialize(name, ids, structure_ids, label)])
            shards.append(
                {
                    "file": path.name,
                    "sha256": shard.sha256,
                    "n_sites": shard.n_records,
                }
            )
        described[split] = {
            "n_sites": len(sites),
            "n_positive": sum(label for _ids, label in sites),
            "longest_site": max((len(ids) + 2 for ids, _label in sites), default=0),
            "shards": shards,
        }
    contents = {
        "encoding": dataclasses.asdict(encoding or Encoding()),
        "splits": described,
    }
    description.write(directory, contents)
    return description.read(directory)
