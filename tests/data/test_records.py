"""Tests of deeprke_tf.data.records."""

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.data import records
from deeprke_tf.system import files


def tensorflow_example(name, sequence_kmers, structure_kmers, label):
    def ints(values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    feature = {
        "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[name.encode()])),
        "sequence_kmers": ints(sequence_kmers),
        "structure_kmers": ints(structure_kmers),
        "label": ints([label]),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("largest_id", [2, 127, 128, 217, 16_385, 1_679_617, 2**40])
@pytest.mark.parametrize("n_kmers", [1, 2, 99, 373, 20_000])
def test_bytes_are_those_that_tensorflow_writes(label, largest_id, n_kmers):
    rng = np.random.default_rng(n_kmers)
    site = (
        "chr1,+,368559,368659 é" * (1 + n_kmers // 100),
        rng.integers(0, largest_id + 1, n_kmers),
        rng.integers(0, largest_id + 1, n_kmers),
        label,
    )
    assert records.serialize(*site) == tensorflow_example(*site)


def test_sites_serialized_together_are_as_one_by_one():
    rng = np.random.default_rng(2)
    sites = [
        (f"site {n}", rng.integers(0, 300, n), rng.integers(0, 99, n), n % 2)
        for n in (0, 3, 1, 200)
    ]
    together = records.serialize_all(*zip(*sites, strict=True))
    assert together == [records.serialize(*site) for site in sites]


def test_a_shard_reads_back_in_tensorflow_as_it_was_written(tmp_path):
    written = [b"", b"one", b"x" * 100_000]
    with records.ShardWriter(tmp_path / "train-00000-of-00001.tfrecord.gz") as shard:
        for record in written:
            shard.write([record])
    dataset = tf.data.TFRecordDataset(str(shard.path), compression_type="GZIP")
    assert list(dataset.as_numpy_iterator()) == written
    assert shard.n_records == 3
    assert shard.sha256 == files.sha256(shard.path)


def test_equal_records_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        with records.ShardWriter(tmp_path / name) as shard:
            shard.write([b"record"])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_shard_that_fails_half_way_leaves_no_file(tmp_path):
    with (
        pytest.raises(RuntimeError, match="half way"),
        records.ShardWriter(tmp_path / "train-00000-of-00001.tfrecord.gz") as shard,
    ):
        shard.write([b"one"])
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_serialize_refuses_views_of_different_length():
    with pytest.raises(
        ValueError, match="QKI:0: 2 sequence k-mers but 1 structure k-mers"
    ):
        records.serialize("QKI:0", [3, 4], [9], label=1)
