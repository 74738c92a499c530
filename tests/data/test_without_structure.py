"""Datasets without structure: made, read, and refused by models that need it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from deeprke_tf import evaluate, train
from deeprke_tf.data import batches, description, stored_sites
from deeprke_tf.errors import UserError
from tests.support.small_runs import SEQUENCE_RUN, TINY, make_data

pytest_plugins = ["tests.support.run_fixtures"]

FLAGS = ("--validation-fraction", "0.2", "--sites-per-shard", "100")


def read_records(directory, split):
    shards = sorted(map(str, directory.glob(f"{split}-*.tfrecord.gz")))
    return [
        tf.train.Example.FromString(record)
        for record in tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator()
    ]


@pytest.fixture(scope="module")
def sequences_alone(sites_files, made_once):
    """The data of `data`, without structure."""
    flags = (
        *("--sites", sites_files / "train.tsv"),
        *("--test-sites", sites_files / "test.tsv"),
    )
    return made_once(
        "sequences_alone",
        lambda directory: make_data(directory, *flags, *FLAGS, "--no-structure"),
    )


def test_records_are_the_same_but_for_the_structure(data, sequences_alone):
    for split in ("train", "validation", "test"):
        with_structure = read_records(data, split)
        for example in with_structure:
            del example.features.feature["structure_kmers"]
        assert read_records(sequences_alone, split) == with_structure


def test_nothing_is_folded(tmp_path, capsys):
    sites = tmp_path / "sites.fa"
    sites.write_text(">a;class:1\nGGGGAAAACCCC\n>b;class:0\nACGUACGU\n")
    cache = tmp_path / "folds.sqlite"
    flags = ("--test-sites", sites, "--no-structure", "--fold-cache", cache)
    make_data(tmp_path / "data", *flags)
    assert "\nfolded" not in capsys.readouterr().out
    assert not cache.exists()


def test_the_description_says_so(data, sequences_alone):
    assert description.read(data).has_structure
    info = description.read(sequences_alone)
    assert not info.has_structure
    assert repr(info).endswith("k = 3, no structure>")


def test_readers_of_all_features_find_no_structure_in_it(data, sequences_alone):
    for directory, n_missing in ((data, 0), (sequences_alone, 40)):
        shards = [str(path) for path in directory.glob("test-*")]
        records = tf.data.TFRecordDataset(shards, "GZIP").batch(40)
        features = stored_sites.parse(next(iter(records)))
        lengths = features["structure_kmers"].row_lengths().numpy()
        assert np.sum(lengths == 0) == n_missing


@pytest.mark.parametrize(
    "read",
    [
        lambda info, view: batches.read_split(info, "test", (view,), 10),
        lambda info, view: stored_sites.sample_kmers(info, "test", view, 10),
    ],
)
def test_structure_cannot_be_read_from_it(sequences_alone, read):
    info = description.read(sequences_alone)
    read(info, "sequence_kmers")
    with pytest.raises(UserError, match="holds no structures, and the model reads"):
        read(info, "structure_kmers")


def test_a_model_of_structure_refuses_it_before_anything_is_written(
    run, sequences_alone, tmp_path, capsys
):
    out = tmp_path / "run"
    argv = ["--data", str(sequences_alone), "--out", str(out), *TINY]
    assert train.main(argv) == 1
    assert evaluate.main(["--model", str(run), "--data", str(sequences_alone)]) == 1
    for line in capsys.readouterr().err.splitlines():
        assert f"error: {sequences_alone} holds no structures, and the model" in line
        assert "preprocess` again without --no-structure" in line
    assert not out.exists()


def test_a_model_without_structure_learns_and_scores_the_same_from_it(
    sequence_run, sequences_alone, tmp_path
):
    out = tmp_path / "run"
    argv = ["--data", str(sequences_alone), "--out", str(out), *SEQUENCE_RUN]
    assert train.main(argv) == 0
    ours, expected = (
        json.loads((directory / "metrics.json").read_text())
        for directory in (out, sequence_run)
    )
    assert ours["auroc"] == expected["auroc"]
    assert evaluate.main(["--model", str(out), "--data", str(sequences_alone)]) == 0
