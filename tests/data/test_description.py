"""dataset.json: what it must hold, and data that a model cannot read."""

import dataclasses
import json
import re

import pytest

from deeprke_tf.config import FoldSettings
from deeprke_tf.data import description
from deeprke_tf.data.encoding import Encoding
from deeprke_tf.errors import UserError
from tests.support.small_models import VIEWS, made_up_sites, write_dataset


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
