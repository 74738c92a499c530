"""From record shards to batches a Keras model can read.

Sites are ragged until the last step. A window of some batches is parsed at once and
ordered by length, so that the sites of a batch are about equally long and padding to
the longest one wastes little; then the batches of the window are shuffled.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from deeprke_tf.data.description import Dataset
from deeprke_tf.data.stored_sites import (
    DESCRIPTIONS,
    OF_RBPS,
    open_records,
    parse,
    shard_paths,
    without_autotuning,
)

SITES_PER_SHUFFLE = 20_000
BATCHES_PER_WINDOW = 16

# Threads, and batches ready ahead: autotuning, which would choose them, is off.
_PARALLEL_CALLS = min(4, os.cpu_count() or 1)
_BATCHES_AHEAD = 8


class JointLabels(NamedTuple):
    """What stands for the labels of each RBP in a joint training, float [n_rbps, 2].

    Attributes:
      targets: Of a background and of a bound site, as `targets` of `read_split`.
      weights: In the loss, as `class_weights`.
    """

    targets: np.ndarray
    weights: np.ndarray


def read_split(
    info: Dataset,
    split: str,
    views: tuple[str, ...],
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    n_passes: int = 1,
    class_weights: tuple[float, float] = (1.0, 1.0),
    targets: tuple[float, float] = (0.0, 1.0),
    joint: JointLabels | None = None,
    n_devices: int = 1,
    described: bool = False,
) -> tf.data.Dataset:
    """Reads one split as batches for `fit`, `evaluate` and `predict` of Keras.

    Args:
      info: The dataset.
      split: "train", "validation" or "test".
      views: Features that the model reads, of `ModelConfig.views`.
      batch_size: Sites in a batch, over all devices together.
      shuffle_seed: Fixes a random order of sites; None keeps the order of the shards,
        apart from sorting by length.
      n_passes: How often each site comes; with `shuffle_seed`, in another order each
        time.
      class_weights: Weight in the loss of a background and of a bound site.
      targets: What stands for the label of a background and of a bound site.
      joint: For the sites of `joint_sites`: targets and weights of each RBP, in place
        of the two above.
      n_devices: Devices that a batch is split among: where it has not equally many
        sites for each, its last one is repeated with weight 0.
      described: Whether batches hold name, place and gene of sites, too.

    Returns:
      Batches of (inputs, label, weight): inputs a dict of int64 [batch, n_kmers],
      padded with `kmers.PAD_ID` to the longest site; label and weight float32
      [batch, 1]. With `joint`, label is float32 [batch, n_rbps, 2], the target and its
      weight for each RBP, 0 where the site has no label. Described, batches of (inputs,
      label, weight, texts): texts a dict of `name`, `locus` and `gene`, each string
      [batch], the last two empty where a record has none.

    Raises:
      UserError: The dataset has no such split or no such view, or a shard is missing.
    """
    info.require_views(views)
    dataset = _ordered(shard_paths(info, split), shuffle_seed, n_passes)
    # Whole windows of serialized records: one call parses them all.
    dataset = dataset.batch(batch_size * BATCHES_PER_WINDOW)
    facts = (*(OF_RBPS if joint else ["label"]), *(DESCRIPTIONS if described else ()))
    # Sites are sorted by the length of their sequences, whatever the model reads.
    features = dict.fromkeys(["sequence_kmers", *views, *facts])
    dataset = dataset.map(
        lambda records: parse(records, features), num_parallel_calls=_PARALLEL_CALLS
    )
    dataset = dataset.flat_map(
        lambda features: _batches(features, views, facts, batch_size, shuffle_seed)
    )
    dataset = dataset.map(
        lambda inputs, facts: _padded(
            inputs, facts, _labels_of(facts, class_weights, targets, joint), n_devices
        ),
        num_parallel_calls=_PARALLEL_CALLS,
    )
    # Says how long an epoch is, and fails where a shard lacks sites.
    n_batches = -(-n_passes * info.split(split).n_sites // batch_size)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(n_batches))
    options = without_autotuning()
    # One process reads all shards; a strategy splits each batch among its devices.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return dataset.prefetch(_BATCHES_AHEAD).with_options(options)


def _ordered(
    files: list[str], shuffle_seed: int | None, n_passes: int
) -> tf.data.Dataset:
    """Returns the records of the files, in the orders that `read_split` describes."""
    if shuffle_seed is None:
        return open_records(files).repeat(n_passes)
    np.random.default_rng(shuffle_seed).shuffle(files)
    chunks = open_records(files).batch(SITES_PER_SHUFFLE)
    passes = tf.data.Dataset.range(n_passes).flat_map(
        lambda number: chunks.map(
            lambda records: _shuffled(records, shuffle_seed, number)
        )
    )
    return passes.unbatch()


def _batches(
    features: dict[str, Any],
    views: Sequence[str],
    facts: Sequence[str],
    batch_size: int,
    shuffle_seed: int | None,
) -> tf.data.Dataset:
    """Cuts a window of ragged sites into batches of about equal length."""
    lengths = features["sequence_kmers"].row_lengths()
    # Stable: sites of one length keep the order that shuffling gave them.
    order = tf.argsort(lengths, stable=True)
    n_batches = (tf.size(order, tf.int64) + batch_size - 1) // batch_size
    indices = tf.range(n_batches)
    if shuffle_seed is not None:
        indices = _shuffled(indices, shuffle_seed)

    def cut(
        index: tf.Tensor,
    ) -> tuple[dict[str, tf.RaggedTensor], dict[str, tf.Tensor]]:
        sites = order[index * batch_size : (index + 1) * batch_size]
        return (
            {name: tf.gather(features[name], sites) for name in views},
            {name: tf.gather(features[name], sites) for name in facts},
        )

    return tf.data.Dataset.from_tensor_slices(indices).map(cut)


def _labels_of(
    facts: dict[str, tf.Tensor],
    class_weights: tuple[float, float],
    targets: tuple[float, float],
    joint: JointLabels | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the labels of a batch as `read_split` describes them, and weights."""
    if joint is not None:
        label = _joint_label(facts["rbps"], facts["rbp_labels"], joint)
        return label, tf.ones_like(label[:, :1, 0])
    label = facts["label"][:, tf.newaxis]
    weight = tf.gather(tf.constant(class_weights, tf.float32), label)
    return tf.gather(tf.constant(targets, tf.float32), label), weight


def _joint_label(
    rbps: tf.RaggedTensor, labels: tf.RaggedTensor, joint: JointLabels
) -> tf.Tensor:
    """Returns target and weight of each site for each RBP, [batch, n_rbps, 2].

    A site that has both labels for an RBP counts as bound.
    """
    n_rbps = len(joint.targets)
    is_rbp = tf.one_hot(rbps.to_tensor(-1), n_rbps)  # [batch, n_labels, n_rbps]
    is_bound = is_rbp * tf.cast(labels.to_tensor()[..., tf.newaxis], tf.float32)
    has_label = tf.reduce_max(is_rbp, axis=1)
    bound = tf.reduce_max(is_bound, axis=1) > 0
    values = [
        tf.where(bound, tf.constant(of[:, 1], tf.float32), of[:, 0]) for of in joint
    ]
    return tf.stack([values[0], values[1] * has_label], axis=-1)


def _padded(
    inputs: dict[str, tf.RaggedTensor],
    facts: dict[str, tf.Tensor],
    labels: tuple[tf.Tensor, tf.Tensor],
    n_devices: int,
) -> tuple[dict[str, tf.Tensor] | tf.Tensor, ...]:
    """Makes a batch dense, as `read_split` describes it."""
    label, weight = labels
    n_sites = tf.shape(label)[0]
    n_rows = -(-n_sites // n_devices) * n_devices
    rows = tf.range(n_rows)
    sites = tf.minimum(rows, n_sites - 1)
    # Keras divides the loss by the rows: so the batch counts for its sites alone.
    row_weight = tf.where(rows < n_sites, n_rows / n_sites, 0)[:, tf.newaxis]
    texts = {n: tf.gather(facts[n], sites) for n in DESCRIPTIONS if n in facts}
    return (
        {name: tf.gather(ids.to_tensor(), sites) for name, ids in inputs.items()},
        tf.gather(label, sites),
        tf.gather(weight, sites) * tf.cast(row_weight, tf.float32),
        *([texts] if texts else []),
    )


def _shuffled(values: tf.Tensor, seed: int, number: Any = 0) -> tf.Tensor:
    """Returns the rows of a tensor in an order that depends on seed and number alone.

    `tf.data.Dataset.shuffle` would mix the global seed of TensorFlow in.
    """
    keys = tf.random.stateless_uniform(tf.shape(values)[:1], [seed, number])
    return tf.gather(values, tf.argsort(keys, stable=True))
