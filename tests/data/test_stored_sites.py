"""The sites of shards: parsing, sampling, damage."""

import pytest
import tensorflow as tf

from deeprke_tf.data import batches, records, stored_sites
from deeprke_tf.errors import UserError
from tests.support.small_models import VIEWS, made_up_sites, write_dataset


def test_parse_is_the_inverse_of_serialize():
    sites = [
        ("QKI:1 é", [2, 3, 4], [1, 217, 9], 1),
        ("", [5], [6], 0),
        ("none", [], [], 0),
        ("long", list(range(2000)), [2**40] * 2000, 1),
    ]
    parsed = stored_sites.parse(
        tf.constant([records.serialize(*site) for site in sites])
    )
    rows = zip(
        [name.decode() for name in parsed["name"].numpy()],
        parsed["sequence_kmers"].to_list(),
        parsed["structure_kmers"].to_list(),
        parsed["label"].numpy(),
        strict=True,
    )
    assert list(rows) == sites


def test_whoever_ends_a_reading_does_not_wait_for_autotuning(info):
    paths = stored_sites.shard_paths(info, "train")
    read = stored_sites.open_records(paths).batch(2).take(1)
    assert len(next(iter(read))) > 0
    assert read.options().autotune.enabled is False
    for seed in (None, 1):
        read = batches.read_split(info, "train", VIEWS, 2, shuffle_seed=seed)
        assert read.options().autotune.enabled is False


# === Damage ===


def shard_of(info, index=0):
    return info.directory / info.split("train").shards[index]["file"]


def test_whole_shards_are_verified_without_a_word(own_info):
    stored_sites.verify_shards(own_info, "train")


def test_a_missing_shard_is_named(own_info):
    shard_of(own_info, 1).unlink()
    for use in (
        lambda: batches.read_split(own_info, "train", VIEWS, 4),
        lambda: stored_sites.verify_shards(own_info, "train"),
        lambda: stored_sites.sample_kmers(own_info, "train", VIEWS[0], 1),
    ):
        with pytest.raises(UserError, match=r"train-00001-of-00002.* is missing; run"):
            use()


@pytest.mark.parametrize("use", [stored_sites.verify_shards, stored_sites.shard_paths])
def test_a_missing_split_is_named_with_the_splits_there_are(own_info, use):
    with pytest.raises(UserError, match="has no 'test' split; it has: train"):
        use(own_info, "test")


def flip_a_byte(content):
    return content[:50] + bytes([content[50] ^ 1]) + content[51:]


def cut_off(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lambda _: b""])
def test_a_damaged_shard_is_named(own_info, damage):
    path = shard_of(own_info, 1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"train-00001-of-00002.* is damaged: its SHA"):
        stored_sites.verify_shards(own_info, "train")


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lambda _: b""])
def test_a_damaged_shard_is_never_read_as_a_whole_one(own_info, damage):
    path = shard_of(own_info, 1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(tf.errors.OpError):
        list(batches.read_split(own_info, "train", VIEWS, 4))


# === Sampling ===


@pytest.mark.parametrize("n_sites", [1, 3, 99])
def test_sampled_kmers_are_those_of_the_first_sites(tmp_path, n_sites):
    sites = made_up_sites(7)
    info = write_dataset(tmp_path, {"train": sites})
    sampled = stored_sites.sample_kmers(info, "train", "structure_kmers", n_sites)
    expected = [[i + 100 for i in ids] for ids, _label in sites[:n_sites]]
    assert [ids.tolist() for ids in sampled] == expected


def test_more_sites_than_are_parsed_at_once_can_be_sampled(tmp_path):
    sites = [([2 + number], 0) for number in range(2_001)]
    info = write_dataset(tmp_path, {"train": sites}, n_shards=2)
    sampled = stored_sites.sample_kmers(info, "train", "sequence_kmers", 2_001)
    assert sorted(int(ids[0]) for ids in sampled) == list(range(2, 2_003))


def test_sampling_ends_with_the_thousand_sites_that_have_enough_kmers(tmp_path):
    sites = [([2, 3], 0)] * 900 + [([4], 0)] * 1_200
    info = write_dataset(tmp_path, {"train": sites})
    n_sampled = [
        len(stored_sites.sample_kmers(info, "train", "sequence_kmers", -1, most))
        for most in (1, 1_900, 1_901, 2_900, 10_000)
    ]
    assert n_sampled == [1_000, 1_000, 2_000, 2_000, 2_100]
