import dataclasses
import json
import re

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.config import FoldSettings
from deeprke_tf.data import batches as dataset
from deeprke_tf.data import description, records
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from tests.support.small_models import write_dataset

VIEWS = ("sequence_kmers", "structure_kmers")


def made_up_sites(n_sites):
    """Sites with distinct first ids; every third one is bound."""
    lengths = np.random.default_rng(0).integers(1, 20, n_sites)
    return [
        ([2 + number] * length, int(number % 3 == 0))
        for number, length in enumerate(lengths)
    ]


def delivered(batches, view="sequence_kmers"):
    """The sites of all batches in order, without padding, as the writer takes them."""
    return [
        ([int(i) for i in ids if i], int(label))
        for inputs, labels, _weights in batches
        for ids, label in zip(inputs[view].numpy(), labels.numpy()[:, 0], strict=True)
    ]


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    """71 sites in 3 shards: with 4 to a batch, two windows and a batch of 3."""
    directory = tmp_path_factory.mktemp("info")
    return write_dataset(directory, {"train": made_up_sites(71)}, n_shards=3)


# === Records ===


def test_parse_is_the_inverse_of_serialize():
    sites = [
        ("QKI:1 é", [2, 3, 4], [1, 217, 9], 1),
        ("", [5], [6], 0),
        ("none", [], [], 0),
        ("long", list(range(2000)), [2**40] * 2000, 1),
    ]
    parsed = dataset.parse(tf.constant([records.serialize(*site) for site in sites]))
    rows = zip(
        [name.decode() for name in parsed["name"].numpy()],
        parsed["sequence_kmers"].to_list(),
        parsed["structure_kmers"].to_list(),
        parsed["label"].numpy(),
        strict=True,
    )
    assert list(rows) == sites


# === Batches ===


@pytest.mark.parametrize("shuffle_seed", [None, 3])
@pytest.mark.parametrize(
    ("n_sites", "batch_size", "n_shards"),
    [(1, 1, 1), (1, 8, 2), (7, 3, 3), (65, 4, 1), (64, 2, 3), (33, 100, 2)],
)
def test_every_site_is_delivered_once(
    tmp_path, n_sites, batch_size, n_shards, shuffle_seed
):
    sites = made_up_sites(n_sites)
    info = write_dataset(tmp_path / "data", {"test": sites}, n_shards)
    batches = dataset.read_split(
        info, "test", VIEWS, batch_size, shuffle_seed=shuffle_seed
    )
    assert sorted(delivered(batches)) == sorted(sites)
    sizes = [len(label) for _inputs, label, _weight in batches]
    assert len(sizes) == len(batches) == -(-n_sites // batch_size)
    assert max(sizes) <= batch_size


def test_the_views_of_a_site_and_its_label_stay_together(info):
    batches = dataset.read_split(info, "train", VIEWS, 4, shuffle_seed=1)
    sequences = delivered(batches, "sequence_kmers")
    structures = delivered(batches, "structure_kmers")
    assert structures == [([i + 100 for i in ids], label) for ids, label in sequences]


def test_a_model_of_one_view_gets_one(info):
    inputs, label, weight = next(iter(dataset.read_split(info, "train", VIEWS[:1], 4)))
    assert list(inputs) == ["sequence_kmers"]
    assert inputs["sequence_kmers"].dtype == tf.int64
    assert (label.dtype, label.shape) == (tf.float32, (4, 1))
    assert (weight.dtype, weight.shape) == (tf.float32, (4, 1))


@pytest.mark.parametrize("settings", [{}, {"shuffle_seed": 3}, {"n_devices": 3}])
def test_names_come_with_their_sites_where_asked_for(info, settings):
    batches = dataset.read_split(info, "train", VIEWS, 4, described=True, **settings)
    names = []
    for inputs, _label, weight, texts in batches:
        name = texts["name"]
        first_ids = inputs["sequence_kmers"].numpy()[:, 0]
        assert [f"site{i}".encode() for i in first_ids] == name.numpy().tolist()
        names += name.numpy()[weight.numpy()[:, 0] > 0].tolist()
    assert len(set(names)) == len(names) == 71


def test_a_batch_is_padded_to_its_longest_site_and_no_further(info):
    for inputs, _label, _weight in dataset.read_split(info, "train", VIEWS, 4):
        assert inputs["sequence_kmers"].numpy()[:, -1].any()


def test_without_a_seed_sites_come_by_length_and_in_the_order_of_the_shards(tmp_path):
    sites = [([2, 2], 0), ([3], 0), ([4, 4], 1), ([5], 1), ([6, 6], 0)]
    info = write_dataset(tmp_path, {"train": sites})
    assert [
        ids for ids, _ in delivered(dataset.read_split(info, "train", VIEWS, 2))
    ] == [
        [3],
        [5],
        [2, 2],
        [4, 4],
        [6, 6],
    ]


def test_the_order_depends_on_the_shuffle_seed_alone(info):
    orders = []
    for global_seed in (1, 2):
        tf.random.set_seed(global_seed)
        batches = dataset.read_split(info, "train", VIEWS, 4, shuffle_seed=7)
        orders += [delivered(batches), delivered(batches)]
    assert all(order == orders[0] for order in orders)


def test_another_seed_gives_another_order_and_other_batch_mates(info):
    first, second = (
        dataset.read_split(info, "train", VIEWS, 4, shuffle_seed=seed)
        for seed in (0, 1)
    )
    assert delivered(first) != delivered(second)

    def batch_mates(batches):
        return {
            frozenset(inputs["sequence_kmers"].numpy()[:, 0])
            for inputs, _label, _weight in batches
        }

    assert len(batch_mates(first) & batch_mates(second)) < 5


def test_shuffled_batches_do_not_come_by_length(info):
    batches = dataset.read_split(info, "train", VIEWS, 4, shuffle_seed=1)
    widths = [inputs["sequence_kmers"].shape[1] for inputs, *_ in batches][:16]
    assert widths != sorted(widths)


def test_padding_takes_less_than_15_percent_at_the_lengths_of_rbp_24(tmp_path):
    lengths = np.random.default_rng(0).integers(40, 376, 5_000) - 2
    info = write_dataset(
        tmp_path, {"train": [(np.full(length, 2), 0) for length in lengths]}
    )
    batches = dataset.read_split(info, "train", VIEWS[:1], 128, shuffle_seed=1)
    n_numbers = sum(int(tf.size(inputs["sequence_kmers"])) for inputs, *_ in batches)
    assert lengths.sum() / n_numbers > 0.85


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_each_site_has_the_weight_and_the_target_of_its_class(info, shuffle_seed):
    batches = dataset.read_split(
        info,
        "train",
        VIEWS,
        4,
        shuffle_seed=shuffle_seed,
        class_weights=(0.75, 1.5),
        targets=(0.125, 0.875),
    )
    for inputs, label, weight in batches:
        bound = (inputs["sequence_kmers"].numpy()[:, :1] - 2) % 3 == 0
        assert np.array_equal(label, np.where(bound, 0.875, 0.125))
        assert np.array_equal(weight, np.where(bound, 1.5, 0.75))


# === Several devices ===


@pytest.mark.parametrize(
    ("n_sites", "n_devices", "weights"),
    [
        (4, 2, [1, 1, 1, 1]),
        (3, 2, [4 / 3, 4 / 3, 4 / 3, 0]),
        (1, 2, [2, 0]),
        (1, 3, [3, 0, 0]),
    ],
)
def test_devices_get_equally_many_rows_of_which_the_sites_alone_count(
    tmp_path, n_sites, n_devices, weights
):
    info = write_dataset(tmp_path, {"train": made_up_sites(n_sites)})
    batches = dataset.read_split(info, "train", VIEWS, 4, n_devices=n_devices)
    [(inputs, label, weight)] = batches
    assert len(inputs["sequence_kmers"]) == len(label) == len(weights)
    assert weight.numpy()[:, 0].tolist() == pytest.approx(weights)
    assert weight.numpy().mean() == pytest.approx(1)


# === Damage ===


def shard_of(info, index=0):
    return info.directory / info.split("train").shards[index]["file"]


@pytest.fixture
def own_info(tmp_path):
    """A dataset to be damaged."""
    return write_dataset(tmp_path, {"train": made_up_sites(40)}, n_shards=2)


def test_whole_shards_are_verified_without_a_word(own_info):
    dataset.verify_shards(own_info, "train")


def test_a_missing_shard_is_named(own_info):
    shard_of(own_info, 1).unlink()
    for use in (
        lambda: dataset.read_split(own_info, "train", VIEWS, 4),
        lambda: dataset.verify_shards(own_info, "train"),
        lambda: dataset.sample_kmers(own_info, "train", VIEWS[0], 1),
    ):
        with pytest.raises(UserError, match=r"train-00001-of-00002.* is missing; run"):
            use()


@pytest.mark.parametrize("use", [dataset.verify_shards, dataset.shard_paths])
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
        dataset.verify_shards(own_info, "train")


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off, lambda _: b""])
def test_a_damaged_shard_is_never_read_as_a_whole_one(own_info, damage):
    path = shard_of(own_info, 1)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(tf.errors.OpError):
        list(dataset.read_split(own_info, "train", VIEWS, 4))


# === dataset.json ===


def rewrite(info, **changes):
    contents = info.contents | changes
    (info.directory / "dataset.json").write_text(json.dumps(contents))


def test_what_is_read_is_what_was_written(own_info):
    assert own_info.encoding == Encoding()
    train = own_info.split("train")
    assert (train.n_sites, train.n_positive, len(train.shards)) == (40, 14, 2)
    assert description.read(own_info.directory) == own_info


def test_a_directory_without_dataset_json_is_no_dataset(tmp_path):
    with pytest.raises(UserError, match=r"has no dataset\.json; make it with `deeprke"):
        description.read(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "format_version: 1", "[" * 100_000])
def test_a_dataset_json_that_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"Cannot read .*dataset\.json: "):
        description.read(tmp_path)


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.5])
def test_another_format_version_is_refused(own_info, version):
    rewrite(own_info, format_version=version)
    words = f"format version {version}, this software reads 1; run `deeprke preprocess`"
    with pytest.raises(UserError, match=re.escape(words)):
        description.read(own_info.directory)


@pytest.mark.parametrize("contents", ["[]", "1", '"1"', "null"])
def test_json_that_is_no_object_is_refused(tmp_path, contents):
    (tmp_path / "dataset.json").write_text(contents)
    with pytest.raises(UserError, match="has format version None"):
        description.read(tmp_path)


SPLIT = {"n_sites": 1, "n_positive": 1, "longest_site": 3}
SHARD = {"file": "train", "sha256": "", "n_sites": 1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoding": {"k": 0}}, "encoding: k must be between 1 and 8, got 0"),
        ({"encoding": {"k": "3"}}, "encoding: k must be int, got '3'"),
        ({"encoding": {"K": 3}}, r"encoding: unknown Encoding settings \['K'\]"),
        ({"encoding": None}, "expected the settings of Encoding as an object"),
        ({"splits": None}, "is not a dataset description"),
        ({"splits": ["train"]}, "is not a dataset description"),
        ({"splits": {"train": 5}}, "is not a dataset description"),
        ({"splits": {"train": {}}}, "is not a dataset description"),
        ({"splits": {"train": SPLIT}}, "is not a dataset description"),
        ({"splits": {"train": SPLIT | {"shards": 1}}}, "is not a dataset description"),
        (
            {"splits": {"train": SPLIT | {"shards": [{}]}}},
            "is not a dataset description",
        ),
        (
            {"splits": {"train": SPLIT | {"shards": [SHARD], "n_sites": "1"}}},
            "is not a dataset description",
        ),
        (
            {"splits": {"train": SPLIT | {"shards": [SHARD, SHARD]}}},
            r"is not a dataset description \(1 sites, but 2 in the shards\)",
        ),
        (
            {"splits": {"train": SPLIT | {"shards": [SHARD | {"n_sites": -1}]}}},
            "is not a dataset description",
        ),
        (
            {"splits": {"train": SPLIT | {"shards": [SHARD | {"file": 1}]}}},
            "is not a dataset description",
        ),
    ],
)
def test_a_description_that_does_not_fit_is_refused(own_info, changes, words):
    rewrite(own_info, **changes)
    with pytest.raises(UserError, match=rf"dataset\.json.*{words}"):
        description.read(own_info.directory)


@pytest.mark.parametrize("key", ["encoding", "splits"])
def test_a_description_that_lacks_a_part_is_refused(own_info, key):
    contents = {name: part for name, part in own_info.contents.items() if name != key}
    (own_info.directory / "dataset.json").write_text(json.dumps(contents))
    with pytest.raises(UserError, match=rf"not a dataset description \('{key}'\)"):
        description.read(own_info.directory)


def test_splits_come_in_one_order_whatever_that_of_the_file(tmp_path):
    sites = made_up_sites(2)
    splits = dict.fromkeys(["test", "validation", "train"], sites)
    info = write_dataset(tmp_path, splits)
    assert list(info.splits) == ["train", "validation", "test"]


# === Encoding ===


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 4}, "k 3, but the model was trained with 4;"),
        ({"sequence_alphabet": "ACGT"}, "sequence_alphabet ACGU, but .* with ACGT;"),
        ({"structure_alphabet": "SHIMFT"}, "structure_alphabet .* with SHIMFT;"),
        ({"fold": FoldSettings(temperature=25)}, "temperature 37.0, but .* with 25;"),
        ({"fold": FoldSettings(max_bp_span=150)}, "max_bp_span None, but .* with 150;"),
        (
            {"fold": FoldSettings(lonely_pairs=True)},
            "lonely_pairs False, .* with True;",
        ),
    ],
)
def test_data_encoded_otherwise_than_the_model_was_trained_are_refused(
    info, change, words
):
    info.require_encoding(Encoding(), VIEWS)
    with pytest.raises(UserError, match=f"was preprocessed with {words}"):
        changed = dataclasses.replace(Encoding(), **change)
        info.require_encoding(changed, VIEWS)


# === Sampling ===


@pytest.mark.parametrize("n_sites", [1, 3, 99])
def test_sampled_kmers_are_those_of_the_first_sites(tmp_path, n_sites):
    sites = made_up_sites(7)
    info = write_dataset(tmp_path, {"train": sites})
    sampled = dataset.sample_kmers(info, "train", "structure_kmers", n_sites)
    expected = [[i + 100 for i in ids] for ids, _label in sites[:n_sites]]
    assert [ids.tolist() for ids in sampled] == expected


def test_more_sites_than_are_parsed_at_once_can_be_sampled(tmp_path):
    sites = [([2 + number], 0) for number in range(2_001)]
    info = write_dataset(tmp_path, {"train": sites}, n_shards=2)
    sampled = dataset.sample_kmers(info, "train", "sequence_kmers", 2_001)
    assert sorted(int(ids[0]) for ids in sampled) == list(range(2, 2_003))


def test_sampling_ends_with_the_thousand_sites_that_have_enough_kmers(tmp_path):
    sites = [([2, 3], 0)] * 900 + [([4], 0)] * 1_200
    info = write_dataset(tmp_path, {"train": sites})
    n_sampled = [
        len(dataset.sample_kmers(info, "train", "sequence_kmers", -1, most))
        for most in (1, 1_900, 1_901, 2_900, 10_000)
    ]
    assert n_sampled == [1_000, 1_000, 2_000, 2_000, 2_100]
