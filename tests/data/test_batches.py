import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf.data import batches as dataset
from tests.support.small_models import VIEWS, made_up_sites, write_dataset


def delivered(batches, view="sequence_kmers"):
    """The sites of all batches in order, without padding, as the writer takes them."""
    return [
        ([int(i) for i in ids if i], int(label))
        for inputs, labels, _weights in batches
        for ids, label in zip(inputs[view].numpy(), labels.numpy()[:, 0], strict=True)
    ]


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


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_several_passes_deliver_every_site_as_often(tmp_path, shuffle_seed):
    sites = made_up_sites(33)
    info = write_dataset(tmp_path / "data", {"train": sites}, n_shards=2)
    batches = dataset.read_split(
        info, "train", VIEWS, 10, shuffle_seed=shuffle_seed, n_passes=3
    )
    assert sorted(delivered(batches)) == sorted(3 * sites)
    assert len(list(batches)) == len(batches) == 10  # full ones, but for the last


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
