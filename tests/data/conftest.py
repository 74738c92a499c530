"""Datasets of made-up ids."""

import pytest

from tests.support.small_models import made_up_sites, write_dataset


@pytest.fixture(scope="module")
def info(tmp_path_factory):
    """71 sites in 3 shards: with 4 to a batch, two windows and a batch of 3."""
    directory = tmp_path_factory.mktemp("info")
    return write_dataset(directory, {"train": made_up_sites(71)}, n_shards=3)


@pytest.fixture
def own_info(tmp_path):
    """A dataset to be damaged."""
    return write_dataset(tmp_path, {"train": made_up_sites(40)}, n_shards=2)
